/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm_tiled.c - a matrix product as textbooks have it: both operands' tiles in
 * shared memory, a thread for each element of the result.  Compiled when it is
 * measured; sizes are multiples of the tile.
 */
#include <stdlib.h>

#include "tools/bench/gemm.h"

#define TILE 16

static const char text[] =
    "#define GROUP 256\n"
    "#include \"hal_dialect.h\"\n"
    "KERNEL(bench_tiled, OUT(f32, y), IN(f32, x), IN(f32, w), ARG(uint, m),\n"
    "       ARG(uint, n), ARG(uint, depth), LOCAL(float, xs, 256),\n"
    "       LOCAL(float, ws, 256), PRIV(float, acc, 1))\n"
    "{\n"
    "    idx tn = n / 16u;\n"
    "    for (idx tile = GROUP_X; tile < m / 16u * tn; tile += GRID_X) {\n"
    "        idx row0 = tile / tn * 16, col0 = tile % tn * 16;\n"
    "        EACH(t) MY(acc)[0] = 0.0f;\n"
    "        for (idx k0 = 0; k0 < depth; k0 += 16) {\n"
    "            EACH(t)\n"
    "            {\n"
    "                idx r = t / 16, c = t % 16;\n"
    "                xs[t] = LD(f32, x, (row0 + r) * depth + k0 + c);\n"
    "                ws[t] = LD(f32, w, (col0 + r) * depth + k0 + c);\n"
    "            }\n"
    "            SYNC;\n"
    "            EACH(t)\n"
    "            {\n"
    "                idx r = t / 16, c = t % 16;\n"
    "                for (idx k = 0; k < 16; k++)\n"
    "                    MY(acc)[0] += xs[r * 16 + k] * ws[c * 16 + k];\n"
    "            }\n"
    "            SYNC;\n"
    "        }\n"
    "        EACH(t) ST(f32, y, (row0 + t / 16) * n + col0 + t % 16,\n"
    "                   MY(acc)[0]);\n"
    "    }\n"
    "}\n";

struct tiled {
    halModule_t module;
    halFunction_t function;
    void *y;
};

static int tiled_open(struct gemm *g)
{
    struct tiled *t = calloc(1, sizeof *t);

    g->side = t;
    if (!t || g->m % TILE || g->n % TILE || g->k % TILE) {
        bench_fail("out of host memory, or no multiple of %d", TILE);
        return -1;
    }
    return bench_hal_ok(
               halModuleLoadSource(&t->module, text, "bench_tiled.k", NULL)) ||
                   bench_hal_ok(halModuleGetFunction(&t->function, t->module,
                                                     "bench_tiled")) ||
                   bench_hal_ok(halMalloc(&t->y, (size_t)g->m * (size_t)g->n *
                                                     sizeof(float)))
               ? -1
               : 0;
}

static int tiled_run(void *ctx, unsigned calls)
{
    struct gemm *g = ctx;
    struct tiled *t = g->side;
    unsigned tiles = (unsigned)(g->m / TILE) * (unsigned)(g->n / TILE);
    void *args[] = { &t->y, &g->dev_x, &g->dev_w, &g->m, &g->n, &g->k };
    halDim3 block = { 0, 0, 0 }, grid = { tiles < 65535 ? tiles : 65535, 1, 1 };

    for (unsigned i = 0; i < calls; i++) {
        halError_t st =
            halLaunchKernel(t->function, grid, block, args, 0, NULL);

        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return bench_hal_ok(halStreamSynchronize(NULL));
}

static int tiled_result(const struct gemm *g, float *y)
{
    const struct tiled *t = g->side;

    return bench_hal_ok(halMemcpy(y, t->y,
                                  (size_t)g->m * (size_t)g->n * sizeof *y,
                                  halMemcpyDeviceToHost));
}

static void tiled_close(struct gemm *g)
{
    struct tiled *t = g->side;

    if (!t)
        return;
    if (t->module)
        (void)bench_hal_ok(halModuleUnload(t->module));
    (void)bench_hal_ok(halFree(t->y));
    free(t);
    g->side = NULL;
}

const struct gemm_side gemm_tiled = { .name = "tiled kernel",
                                      .open = tiled_open,
                                      .run = tiled_run,
                                      .result = tiled_result,
                                      .close = tiled_close };
