/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roofline.c - what a device can do at best: bytes read, bytes copied and f32
 * multiply-adds a second, measured with kernels that do nothing else.  They
 * are compiled from the text below by the library's public compiler, so no
 * stock kernel is measured against itself.
 *
 * Devices differ in what they like (vectors of 16 in a thread, or neighbours
 * in neighbouring threads): of several kernels for the same purpose the fastest
 * is taken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/kernels.h"

const char *const bench_bound_names[BENCH_BOUNDS] = {
    [BENCH_READ] = "read", [BENCH_COPY] = "copy", [BENCH_FMA] = "fma"
};

/* Twice the last-level cache of common servers, and of GPUs what they say. */
#define PROBE_BYTES    ((size_t)64 << 20)
#define PROBE_MAX      ((size_t)1 << 30)
#define CHUNK          16384u /* f32 that a group reads: many, for a thread few */
#define FMA_STEPS      4096u /* below llvmpipe's limit of 65,535 */
#define SAMPLE_S       0.0005
#define CHOICE_SAMPLES 3u
#define RATE_SAMPLES   11u

static const char memory_text[] =
    "/* reading and copying, and nothing else */\n"
    "#include \"hal_dialect.h\"\n"
    "KERNEL(bench_read, IN(f32, x), OUT(f32, y), ARG(uint, chunk),\n"
    "       ARG(uint, n))\n"
    "{\n"
    "    for (idx c = GROUP_X; c < n; c += GRID_X) {\n"
    "        vec a = vec_set(0.0f);\n"
    "        VITEMS(i, k, chunk)\n"
    "            a = vec_add(a, VLD(f32, x, c * chunk + i, k));\n"
    "        float s = vec_sum(a);\n"
    "        GROUP_SUM(s);\n"
    "        ONCE ST(f32, y, c, s);\n"
    "    }\n"
    "}\n"
    "KERNEL(bench_read_16, IN16(f32, x), OUT(f32, y), ARG(uint, chunk),\n"
    "       ARG(uint, n))\n"
    "{\n"
    "    for (idx c = GROUP_X; c < n; c += GRID_X) {\n"
    "        v16 a = v16_zero();\n"
    "        BLOCKS(j, chunk / 16u)\n"
    "            a = v16_add(a, LD16(f32, x, c * (chunk / 16u) + j));\n"
    "        float s = v16_sum(a);\n"
    "        GROUP_SUM(s);\n"
    "        ONCE ST(f32, y, c, s);\n"
    "    }\n"
    "}\n"
    "KERNEL(bench_copy, IN(f32, x), OUT(f32, y), ARG(uint, chunk),\n"
    "       ARG(uint, n))\n"
    "{\n"
    "    for (idx c = GROUP_X; c < n; c += GRID_X)\n"
    "        VITEMS(i, k, chunk)\n"
    "            VST(f32, y, c * chunk + i, k,\n"
    "                VLD(f32, x, c * chunk + i, k));\n"
    "}\n"
    "KERNEL(bench_copy_16, IN16(f32, x), OUT16(f32, y), ARG(uint, chunk),\n"
    "       ARG(uint, n))\n"
    "{\n"
    "    for (idx c = GROUP_X; c < n; c += GRID_X)\n"
    "        BLOCKS(j, chunk / 16u)\n"
    "            ST16(f32, y, c * (chunk / 16u) + j,\n"
    "                 LD16(f32, x, c * (chunk / 16u) + j));\n"
    "}\n";

/* a = x + a y: a chain through the multiplication, which no compiler can take
 * out of the loop; CHAINS of them hide an operation's latency. */
static const char fma_text[] =
    "#pragma hal instance CHAINS=4 NAME=bench_fma_4\n"
    "#pragma hal instance CHAINS=8 NAME=bench_fma_8\n"
    "#pragma hal instance CHAINS=12 NAME=bench_fma_12\n"
    "#include \"hal_dialect.h\"\n"
    "KERNEL(NAME, OUT(f32, z), ARG(uint, steps), ARG(float, fx),\n"
    "       ARG(float, fy))\n"
    "{\n"
    "    vec x = vec_set(fx), y = vec_set(fy), a[CHAINS];\n"
    "    UNROLL for (int j = 0; j < CHAINS; j++)\n"
    "        a[j] = vec_set(FLOAT(j));\n"
    "    for (uint i = 0u; i < steps; i++) {\n"
    "        UNROLL for (int j = 0; j < CHAINS; j++)\n"
    "            a[j] = vec_fma(x, a[j], y);\n"
    "    }\n"
    "    UNROLL for (int j = 1; j < CHAINS; j++)\n"
    "        a[0] = vec_add(a[0], a[j]);\n"
    "    float s = vec_sum(a[0]);\n"
    "    GROUP_SUM(s);\n"
    "    ONCE ST(f32, z, GROUP_X, s);\n"
    "}\n";

struct kernel {
    const char *name;
    enum bench_bound bound;
    unsigned chains; /* of fma */
};

static const struct kernel kernels[] = {
    { "bench_read", BENCH_READ, 0 },     { "bench_read_16", BENCH_READ, 0 },
    { "bench_copy", BENCH_COPY, 0 },     { "bench_copy_16", BENCH_COPY, 0 },
    { "halMemcpyAsync", BENCH_COPY, 0 }, { "bench_fma_4", BENCH_FMA, 4 },
    { "bench_fma_8", BENCH_FMA, 8 },     { "bench_fma_12", BENCH_FMA, 12 },
};
#define N_KERNELS (sizeof kernels / sizeof *kernels)

struct probe_state {
    halModule_t memory, fma;
    void *x, *y;
    size_t bytes;   /* of x and of y, whole chunks */
    unsigned units; /* groups of fma_n */
    struct candidate {
        struct probe_state *state;
        const struct kernel *kernel;
        halFunction_t function;
        unsigned group; /* threads */
        double work, lanes;
    } candidates[N_KERNELS];
};

static int run_memory(void *ctx, unsigned calls)
{
    const struct candidate *c = ctx;
    struct probe_state *s = c->state;
    unsigned chunk = CHUNK, n = (unsigned)(s->bytes / (CHUNK * 4));
    void *args[] = { &s->x, &s->y, &chunk, &n };
    halDim3 block = { 0, 0, 0 }, grid = { n, 1, 1 };

    if (n > 65535) /* the least that Vulkan promises */
        grid.x = 65535;
    for (unsigned i = 0; i < calls; i++) {
        halError_t st =
            c->function
                ? halLaunchKernel(c->function, grid, block, args, 0, NULL)
                : halMemcpyAsync(s->y, s->x, s->bytes, halMemcpyDeviceToDevice,
                                 NULL);

        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return bench_hal_ok(halStreamSynchronize(NULL));
}

static int run_fma(void *ctx, unsigned calls)
{
    const struct candidate *c = ctx;
    struct probe_state *s = c->state;
    unsigned steps = FMA_STEPS;
    float fx = 0.5f, fy = 0.75f; /* converges to 2 */
    void *args[] = { &s->y, &steps, &fx, &fy };
    halDim3 block = { 0, 0, 0 }, grid = { s->units, 1, 1 };

    for (unsigned i = 0; i < calls; i++) {
        halError_t st =
            halLaunchKernel(c->function, grid, block, args, 0, NULL);

        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return bench_hal_ok(halStreamSynchronize(NULL));
}

/* Twice the cache that the device speaks of; whole chunks; no more than an
 * eighth of its memory. */
static size_t probe_bytes(const struct halDeviceProp *prop)
{
    uint64_t n = 2 * (uint64_t)prop->l2CacheSize;

    if (n < PROBE_BYTES)
        n = PROBE_BYTES;
    if (n > PROBE_MAX)
        n = PROBE_MAX;
    if (prop->totalGlobalMem && n > prop->totalGlobalMem / 8)
        n = prop->totalGlobalMem / 8;
    if (prop->maxAllocBytes && n > prop->maxAllocBytes)
        n = prop->maxAllocBytes;
    n = n / (CHUNK * 4) * (CHUNK * 4);
    return (size_t)(n ? n : CHUNK * 4);
}

/* 0, or -1 with bench_fail: this kernel is not for this device. */
static int candidate_open(struct probe_state *s, struct candidate *c,
                          const struct kernel *k)
{
    struct halFuncAttributes attr;
    halModule_t module = k->bound == BENCH_FMA ? s->fma : s->memory;

    *c = (struct candidate){ .state = s, .kernel = k };
    if (k->bound != BENCH_FMA)
        c->work = (double)s->bytes * (k->bound == BENCH_COPY ? 2 : 1);
    if (!strcmp(k->name, "halMemcpyAsync"))
        return 0;
    if (!module) {
        bench_fail("its kernels do not compile");
        return -1;
    }
    if (bench_hal_ok(halModuleGetFunction(&c->function, module, k->name)) ||
        bench_hal_ok(halFuncGetAttributes(&attr, c->function)))
        return -1;
    c->group = attr.blockDim.x ? attr.blockDim.x : 1;
    /* A group of one thread computes on vectors of 16. */
    c->lanes = c->group > 1 ? c->group : 16;
    if (k->bound == BENCH_FMA)
        c->work = 2.0 * k->chains * FMA_STEPS * c->lanes * s->units;
    return 0;
}

/* The best rate of a few samples, 0 if it does not run. */
static double try_candidate(struct candidate *c, bench_fn *fn, bool quick)
{
    unsigned calls = bench_calibrate(fn, c, SAMPLE_S);
    double best = 0;

    for (unsigned i = 0; calls && i < (quick ? 1 : CHOICE_SAMPLES); i++) {
        double s = bench_sample(fn, c, calls, 0);

        if (s <= 0)
            return 0;
        if (c->work * calls / s > best)
            best = c->work * calls / s;
    }
    return best;
}

static void choose(struct bench_roofline *r, enum bench_bound bound, bool quick)
{
    struct probe_state *s = r->state;
    struct bench_probe *p = &r->probes[bound];
    bench_fn *fn = bound == BENCH_FMA ? run_fma : run_memory;
    double best = 0;

    bench_fail("no kernel");
    for (size_t i = 0; i < N_KERNELS; i++) {
        struct candidate *c = &s->candidates[i];
        double rate;

        if (kernels[i].bound != bound || candidate_open(s, c, &kernels[i]) != 0)
            continue;
        rate = try_candidate(c, fn, quick);
        if (rate <= best)
            continue;
        best = rate;
        *p = (struct bench_probe){
            .how = kernels[i].name, .fn = fn, .ctx = c, .work = c->work
        };
    }
    if (!p->how)
        snprintf(r->why_not, sizeof r->why_not, "%s", bench_failure());
}

struct bench_spread bench_spread_of(double *values, unsigned n)
{
    struct bench_spread s = { .median = bench_median(values, n) };

    s.p10 = values[n / 10];
    s.p90 = values[n - 1 - n / 10];
    return s;
}

/* The probes' own rates, in turns. */
static void take_rates(struct bench_roofline *r, bool quick)
{
    double rates[BENCH_BOUNDS][RATE_SAMPLES];
    unsigned calls[BENCH_BOUNDS] = { 0 }, n = quick ? 3 : RATE_SAMPLES;

    for (unsigned b = 0; b < BENCH_BOUNDS; b++)
        if (r->probes[b].how)
            calls[b] =
                bench_calibrate(r->probes[b].fn, r->probes[b].ctx, SAMPLE_S);
    for (unsigned i = 0; i < n; i++)
        for (unsigned b = 0; b < BENCH_BOUNDS; b++) {
            double s = calls[b] ? bench_sample(r->probes[b].fn,
                                               r->probes[b].ctx, calls[b], 0)
                                : -1;

            if (s <= 0)
                calls[b] = 0;
            else
                rates[b][i] = r->probes[b].work * calls[b] / s;
        }
    for (unsigned b = 0; b < BENCH_BOUNDS; b++) {
        struct bench_probe *p = &r->probes[b];

        if (!calls[b]) {
            if (p->how)
                snprintf(r->why_not, sizeof r->why_not, "%s", bench_failure());
            p->how = NULL;
            continue;
        }
        p->rate = bench_spread_of(rates[b], n);
        p->n_calls = calls[b];
    }
}

void bench_roofline_open(struct bench_roofline *r,
                         const struct halDeviceProp *prop, bool quick)
{
    struct probe_state *s = calloc(1, sizeof *s);

    memset(r, 0, sizeof *r);
    r->state = s;
    if (!s) {
        snprintf(r->why_not, sizeof r->why_not, "out of host memory");
        return;
    }
    s->bytes = probe_bytes(prop);
    r->cold_bytes = (double)s->bytes;
    /* Enough groups to keep all of a GPU's units at work for a while. */
    s->units = (prop->multiProcessorCount ? prop->multiProcessorCount : 1) * 64;
    if (s->units > 65535)
        s->units = 65535;
    if (s->units * 4 > s->bytes || bench_hal_ok(halMalloc(&s->x, s->bytes)) ||
        bench_hal_ok(halMalloc(&s->y, s->bytes)) ||
        bench_hal_ok(halMemset(s->x, 0, s->bytes)) ||
        bench_hal_ok(halMemset(s->y, 0, s->bytes)) ||
        bench_hal_ok(halDeviceSynchronize())) {
        snprintf(r->why_not, sizeof r->why_not, "%s", bench_failure());
        return;
    }
    if (bench_hal_ok(halModuleLoadSource(&s->memory, memory_text,
                                         "bench_memory.k", NULL)))
        snprintf(r->why_not, sizeof r->why_not, "%s", bench_failure());
    if (bench_hal_ok(
            halModuleLoadSource(&s->fma, fma_text, "bench_fma.k", NULL)))
        snprintf(r->why_not, sizeof r->why_not, "%s", bench_failure());
    for (enum bench_bound b = BENCH_READ; b < BENCH_BOUNDS; b++)
        choose(r, b, quick);
    take_rates(r, quick);
}

void bench_roofline_close(struct bench_roofline *r)
{
    struct probe_state *s = r->state;

    if (!s)
        return;
    if (s->memory)
        (void)bench_hal_ok(halModuleUnload(s->memory));
    if (s->fma)
        (void)bench_hal_ok(halModuleUnload(s->fma));
    (void)bench_hal_ok(halFree(s->x));
    (void)bench_hal_ok(halFree(s->y));
    free(s);
    r->state = NULL;
}

double bench_roofline_least(const struct bench_roofline *r,
                            const struct bench_set *s,
                            enum bench_bound *out_bound)
{
    double bytes = s->read + s->written, least;
    /* What writes a quarter of its bytes or more is like a copy. */
    enum bench_bound memory = s->written >= bytes / 4 ? BENCH_COPY : BENCH_READ;
    const struct bench_probe *moves = &r->probes[memory];
    const struct bench_probe *fma = &r->probes[BENCH_FMA];

    /* A roof that is not known may be the lower one. */
    if (!moves->how || (s->flops > 0 && !fma->how))
        return 0;
    least = bytes / moves->rate.median;
    *out_bound = memory;
    if (s->flops > 0 && s->flops / fma->rate.median > least) {
        least = s->flops / fma->rate.median;
        *out_bound = BENCH_FMA;
    }
    return least;
}
