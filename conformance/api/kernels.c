/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.c - the dialect kernels that the API cases launch, and how long they
 * take.  Everything here is built by halModuleLoadSource, so each API case that
 * launches also proves the run-time compiler.
 */
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "conformance/api/api.h"

static const char source[] =
    "#include \"hal_dialect.h\"\n"
    "#pragma hal instance WHICH=1\n"
    "#pragma hal instance WHICH=2\n"
    "#pragma hal instance WHICH=3\n"
    "#if WHICH == 1\n"
    "KERNEL(api_add, IN(f32, x), OUT(f32, y), ARG(float, a), ARG(uint, n))\n"
    "{\n"
    "    GRID(i, n) ST(f32, y, i, LD(f32, x, i) + a);\n"
    "}\n"
    "#elif WHICH == 2\n"
    /* Every group works; the last thing each does is to write its word, so
     * word 0 is late only if the whole launch is. */
    "KERNEL(api_slow, INOUT(u32, words), ARG(uint, value), ARG(uint, steps))\n"
    "{\n"
    "    ONCE {\n"
    "        uint s = value + GROUP_X;\n"
    "        for (uint k = 0u; k < steps; k++)\n"
    "            s = s * 1664525u + 1013904223u;\n"
    "        ST(u32, words, GROUP_X, s == 12345u ? 0u : value);\n"
    "    }\n"
    "}\n"
    "#else\n"
    "KERNEL(api_mark, OUT(u32, y), ARG(uint, value), ARG(int, sign),\n"
    "       ARG(float, scale), ARG(uint, gx), ARG(uint, gy))\n"
    "{\n"
    "    ONCE {\n"
    "        idx at = IDX((GROUP_Z * gy + GROUP_Y) * gx + GROUP_X);\n"
    "        uint bias = sign < 0 ? 1000u : 0u;\n"
    "        ST(u32, y, at, value + UINT(at) + bias + UINT(scale * 2.0f));\n"
    "    }\n"
    "}\n"
    "#endif\n";

/* Under the 65,535 iterations after which some software drivers stop a loop
 * (DRIVERS quirk 1). */
#define SLOW_STEPS      20000u
#define SLOW_GROUPS_MAX 65535u

halModule_t api_module(struct conf *c)
{
    halModule_t module = NULL;

    CONF_OK(c, halModuleLoadSource(&module, source, "api.k", NULL));
    return module;
}

halFunction_t api_function(struct conf *c, halModule_t module, const char *name)
{
    halFunction_t function = NULL;

    CONF_OK(c, halModuleGetFunction(&function, module, name));
    return function;
}

void api_add(struct conf *c, halFunction_t add, const void *x, void *y, float a,
             uint32_t n, halStream_t stream)
{
    void *args[] = { &x, &y, &a, &n };
    /* More groups than any CHUNK needs: the surplus finds nothing to do. */
    halDim3 grid = { n / 256 + 1, 1, 1 };

    CONF_OK(c,
            halLaunchKernel(add, grid, (halDim3){ 0, 0, 0 }, args, 0, stream));
}

void api_wait_gate(void *arg)
{
    atomic_int *gate = arg;

    for (int i = 0; i < 60000 && !atomic_load(gate); i++)
        usleep(1000);
}

double api_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void api_slow_launch(struct conf *c, const struct api_slow *slow,
                     uint32_t value, halStream_t stream)
{
    uint32_t steps = SLOW_STEPS;
    void *words = slow->words;
    void *args[] = { &words, &value, &steps };

    CONF_OK(c, halLaunchKernel(slow->function, (halDim3){ slow->grid, 1, 1 },
                               (halDim3){ 0, 0, 0 }, args, 0, stream));
}

static double timed(struct conf *c, const struct api_slow *slow)
{
    double start = api_now_ms();

    api_slow_launch(c, slow, 1, NULL);
    CONF_OK(c, halStreamSynchronize(NULL));
    return api_now_ms() - start;
}

void api_slow_make(struct conf *c, halModule_t module, double ms,
                   struct api_slow *slow)
{
    slow->function = api_function(c, module, "api_slow");
    CONF_OK(c, halMalloc(&slow->words, SLOW_GROUPS_MAX * sizeof(uint32_t)));
    CONF_OK(c, halMemset(slow->words, 0, SLOW_GROUPS_MAX * sizeof(uint32_t)));
    slow->grid = 16;
    slow->ms = timed(c, slow); /* compiles */
    slow->ms = timed(c, slow);
    while (slow->ms < ms && slow->grid < SLOW_GROUPS_MAX) {
        double more = slow->ms > 0.05 ? 1.3 * ms / slow->ms : 16;
        double grid = slow->grid * (more < 1.5 ? 1.5 : more > 16 ? 16 : more);

        slow->grid = grid < SLOW_GROUPS_MAX ? (uint32_t)grid : SLOW_GROUPS_MAX;
        slow->ms = timed(c, slow);
    }
    if (slow->ms < ms / 4)
        conf_end(c, CONF_UNSUPPORTED,
                 "the largest slow launch takes %.1f ms only; %.0f are needed "
                 "to tell early from late",
                 slow->ms, ms);
    CONF_OK(c, halMemset(slow->words, 0, SLOW_GROUPS_MAX * sizeof(uint32_t)));
    CONF_OK(c, halDeviceSynchronize());
}

uint32_t api_slow_value(struct conf *c, const struct api_slow *slow)
{
    uint32_t value = 0;

    CONF_OK(
        c, halMemcpy(&value, slow->words, sizeof value, halMemcpyDeviceToHost));
    return value;
}

uint8_t *api_bytes(struct conf *c, size_t n)
{
    uint8_t *bytes = conf_host(c, n);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(conf_random(c) >> 33);
    return bytes;
}

void api_same(struct conf *c, const void *got, const void *want, size_t n,
              const char *what)
{
    const uint8_t *g = got, *w = want;
    size_t i = 0;

    while (i < n && g[i] == w[i])
        i++;
    conf_check(c, i == n, "%s: byte %zu of %zu is 0x%02x, expected 0x%02x",
               what, i, n, i < n ? g[i] : 0, i < n ? w[i] : 0);
}
