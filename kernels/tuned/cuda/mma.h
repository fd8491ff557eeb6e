/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mma.h - instructions of sm_80 and newer that CUDA C++ has no words for: a
 * product by a warp's tensor cores, the loads that bring its operands into
 * their registers, and copies into shared memory that a thread does not wait
 * for.  A function named ptx_... is one instruction; the emulator (tests/emu)
 * has its own in the place of each.  Pointers to shared memory are generic.
 */

/* 16 bytes, of which the first `bytes` are read and the others are 0; both
 * pointers aligned to 16. */
FN(void) ptx_copy16(uint *to, const void *from, uint bytes)
{
    asm volatile("{ .reg .u64 s, g;\n"
                 "cvta.to.shared.u64 s, %0;\n"
                 "cvta.to.global.u64 g, %1;\n"
                 "cp.async.cg.shared.global [s], [g], 16, %2; }"
                 :
                 : "l"(to), "l"(from), "r"(bytes)
                 : "memory");
}

/* Ends a group of this thread's copies, which may be empty. */
FN(void) ptx_copy_commit(void)
{
    asm volatile("cp.async.commit_group;" : : : "memory");
}

/* Waits for this thread's copies, but for the latest 3 groups of them. */
FN(void) ptx_copy_wait3(void)
{
    asm volatile("cp.async.wait_group 3;" : : : "memory");
}

/* Four matrices of 8 x 8 16-bit numbers; lane l gives the row l % 8 of matrix
 * l / 8 and gets of matrix i, in to[i], numbers 2 (l % 4) and the next of row
 * l / 4. */
FN(void) ptx_load_matrices(uint *to, const uint *row)
{
    asm volatile("{ .reg .u64 s;\n"
                 "cvta.to.shared.u64 s, %4;\n"
                 "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, "
                 "[s]; }"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "l"(row)
                 : "memory");
}

/* d[16][8] += a[16][16] . b[16][8], bf16 with f32 sums, as PTX spreads them
 * over a warp. */
FN(void) ptx_mma_bf16(float *d, const uint *a, const uint *b)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
}

/* d[16][8] += a[16][32] . b[32][8], e4m3 with f32 sums, as PTX spreads them
 * over a warp: four elements of a word where bf16 has two. */
FN(void) ptx_mma_e4m3(float *d, const uint *a, const uint *b)
{
    asm volatile("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
}
