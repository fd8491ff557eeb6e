/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isa.c - which instruction sets this process may use.  A level counts only
 * when every extension of it is there and the operating system saves its
 * registers (XCR0): an image that faults half way is worse than a slower one.
 */
#include <elf.h>
#include <string.h>

#include "backends/cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* CPUID bits, named as in the manuals. */
#define LEAF1_ECX_FMA      (1u << 12)
#define LEAF1_ECX_MOVBE    (1u << 22)
#define LEAF1_ECX_OSXSAVE  (1u << 27)
#define LEAF1_ECX_AVX      (1u << 28)
#define LEAF1_ECX_F16C     (1u << 29)
#define EXT1_ECX_LZCNT     (1u << 5)
#define LEAF7_EBX_BMI1     (1u << 3)
#define LEAF7_EBX_AVX2     (1u << 5)
#define LEAF7_EBX_BMI2     (1u << 8)
#define LEAF7_EBX_AVX512F  (1u << 16)
#define LEAF7_EBX_AVX512DQ (1u << 17)
#define LEAF7_EBX_AVX512CD (1u << 28)
#define LEAF7_EBX_AVX512BW (1u << 30)
#define LEAF7_EBX_AVX512VL (1u << 31)
#define LEAF7_ECX_VNNI     (1u << 11)
#define LEAF7_1_EAX_BF16   (1u << 5)
#define XCR0_AVX           0x06u /* xmm, ymm */
#define XCR0_AVX512        0xe6u /* and opmask, zmm0-15 upper halves, zmm16-31 */

#define HAS(value, bits) (((value) & (bits)) == (bits))

uint64_t cpu_isa_decode_x86(const struct cpu_isa_regs *r)
{
    uint64_t caps = HAL_CAP_X86_64;

    if (!HAS(r->leaf1_ecx, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX | LEAF1_ECX_FMA |
                               LEAF1_ECX_F16C | LEAF1_ECX_MOVBE) ||
        !HAS(r->leaf7_ebx, LEAF7_EBX_AVX2 | LEAF7_EBX_BMI1 | LEAF7_EBX_BMI2) ||
        !HAS(r->ext1_ecx, EXT1_ECX_LZCNT) || !HAS(r->xcr0, XCR0_AVX))
        return caps;
    caps |= HAL_CAP_X86_64_V3;

    if (HAS(r->leaf7_ebx, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ |
                              LEAF7_EBX_AVX512CD | LEAF7_EBX_AVX512BW |
                              LEAF7_EBX_AVX512VL) &&
        HAS(r->leaf7_ecx, LEAF7_ECX_VNNI) &&
        HAS(r->leaf7_1_eax, LEAF7_1_EAX_BF16) && HAS(r->xcr0, XCR0_AVX512))
        caps |= HAL_CAP_X86_64_V4;
    return caps;
}

#if defined(__x86_64__)
uint64_t cpu_isa_detect(void)
{
    struct cpu_isa_regs r = { 0 };
    unsigned a, b, c, d, max_subleaf;

    if (__get_cpuid(1, &a, &b, &c, &d))
        r.leaf1_ecx = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        max_subleaf = a;
        r.leaf7_ebx = b;
        r.leaf7_ecx = c;
        if (max_subleaf >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
            r.leaf7_1_eax = a;
    }
    if (__get_cpuid(0x80000001u, &a, &b, &c, &d))
        r.ext1_ecx = c;
    if (r.leaf1_ecx & LEAF1_ECX_OSXSAVE) {
        /* xgetbv: its intrinsic needs a compile flag, the bytes do not */
        __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
        r.xcr0 = (uint64_t)d << 32 | a;
    }
    return cpu_isa_decode_x86(&r);
}
#elif defined(__aarch64__)
uint64_t cpu_isa_detect(void)
{
    return HAL_CAP_AARCH64;
}
#else
uint64_t cpu_isa_detect(void)
{
    return HAL_CAP_CPU_OTHER;
}
#endif

halError_t cpu_isa_select(const char *level, uint64_t caps, uint64_t *out_caps)
{
    static const struct {
        const char *name;
        uint64_t need, drop;
    } levels[] = {
        { "", 0, 0 },
        { "base", 0, HAL_CAP_X86_64_V3 | HAL_CAP_X86_64_V4 },
        { "portable", 0, HAL_CAP_X86_64_V3 | HAL_CAP_X86_64_V4 },
        { "v3", HAL_CAP_X86_64_V3, HAL_CAP_X86_64_V4 },
        { "v4", HAL_CAP_X86_64_V4, 0 },
    };

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(level ? level : "", levels[i].name) != 0)
            continue;
        if (!HAS(caps, levels[i].need))
            return hal_fail(halErrorNotSupported,
                            "HALCYON_CPU_ISA=%s: this processor has only %s; "
                            "choose a lower level or unset it",
                            level, cpu_isa_name(caps));
        *out_caps = caps & ~levels[i].drop;
        return halSuccess;
    }
    return hal_fail(halErrorInvalidValue,
                    "HALCYON_CPU_ISA=%s: unknown; use base, portable, v3 or v4",
                    level);
}

const char *cpu_isa_name(uint64_t caps)
{
    if (caps & HAL_CAP_X86_64_V4)
        return "x86-64-v4+bf16+vnni";
    if (caps & HAL_CAP_X86_64_V3)
        return "x86-64-v3";
    if (caps & HAL_CAP_X86_64)
        return "x86-64";
    if (caps & HAL_CAP_AARCH64)
        return "aarch64";
    return "portable C";
}

unsigned cpu_isa_elf_machine(void)
{
#if defined(__x86_64__)
    return EM_X86_64;
#elif defined(__aarch64__)
    return EM_AARCH64;
#elif defined(__riscv)
    return EM_RISCV;
#elif defined(__powerpc64__)
    return EM_PPC64;
#elif defined(__s390x__)
    return EM_S390;
#elif defined(__loongarch__)
    return 258; /* EM_LOONGARCH: glibc 2.36's elf.h has it, older lack it */
#else
    return 0;
#endif
}
