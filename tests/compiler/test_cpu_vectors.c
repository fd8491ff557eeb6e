/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of the CPU's dialect against its scalars, at every level that
 * this machine runs: the same roundings, and nothing touched past the end,
 * behind which lies memory that may not be.
 */
#include "tests/compiler/compile_test.h"

#include <dlfcn.h>
#include <sys/mman.h>

#define LOW_BITS 6
#define MANY     (65536u * LOW_BITS)

static const char text[] =
    "#include \"hal_dialect.h\"\n"
    "KERNEL(both, IN(f32, x), OUT(bf16, v), OUT(bf16, s), OUT(f32, ve),\n"
    "       OUT(f32, se), ARG(uint, n))\n"
    "{\n"
    "    VITEMS(i, k, n) VST(bf16, v, i, k, VLD(f32, x, i, k));\n"
    "    ITEMS(i, n) ST(bf16, s, i, LD(f32, x, i));\n"
    "    VITEMS(i, k, n) VST(f32, ve, i, k, vec_exp(VLD(f32, x, i, k)));\n"
    "    ITEMS(i, n) ST(f32, se, i, EXP(LD(f32, x, i)));\n"
    "}\n"
    "KERNEL(limits, IN(f32, x), IN(f32, w), OUT(f32, y), OUT(f32, z))\n"
    "{\n"
    "    vec a = VLD(f32, x, 0, VW), b = VLD(f32, w, 0, VW);\n"
    "    VST(f32, y, 0, VW, vec_max(a, b));\n"
    "    VST(f32, z, 0, VW, vec_min(a, b));\n"
    "}\n"
    "KERNEL(turned, IN(f32, x), IN(f32, w), OUT(f32, y))\n"
    "{\n"
    "    vec a = VLD(f32, x, 0, VW), b = VLD(f32, w, 0, VW);\n"
    "    VST(f32, y, 0, VW, hal_even(a, b));\n"
    "    VST(f32, y, 16, VW, hal_odd(a, b));\n"
    "    VST(f32, y, 32, VW, hal_zip_low(a, b));\n"
    "    VST(f32, y, 48, VW, hal_zip_high(a, b));\n"
    "}\n"
    "KERNEL(some, IN(bf16, h), IN(f32, x), IN(i8, b), OUT(f32, y),\n"
    "       OUT(bf16, z), OUT(f32, w), ARG(uint, n))\n"
    "{\n"
    "    VITEMS(i, k, n) VST(f32, y, i, k, VLD(bf16, h, i, k));\n"
    "    VITEMS(i, k, n) VST(bf16, z, i, k, VLD(f32, x, i, k));\n"
    "    VITEMS(i, k, n) VST(f32, w, i, k, VLD(i8, b, i, k));\n"
    "}\n";

static const uint32_t grid[3] = { 1, 1, 1 };

/* One entry of one level's library; NULL: not on this machine. */
static hal_cpu_entry *entry_of(const struct halbin *bin, const char *variant,
                               const char *kernel, void **out_lib)
{
    const struct hal_kernel_desc *k = halbin_find(bin, kernel);
    char path[] = "/tmp/halcyon-test-XXXXXX", symbol[64];
    const struct hal_image *image = NULL;
    hal_cpu_entry *entry;
    int fd;

    assert_non_null(k);
    for (uint32_t i = 0; i < k->n_images; i++)
        if (!strcmp(k->images[i].variant, variant))
            image = &k->images[i];
    assert_non_null(image);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->blob, image->blob_bytes),
                     image->blob_bytes);
    close(fd);
    *out_lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*out_lib)
        fail_msg("%s", dlerror());
    unlink(path);
    snprintf(symbol, sizeof symbol, "hal_kernel_%s", kernel);
    entry = (hal_cpu_entry *)dlsym(*out_lib, symbol);
    assert_non_null(entry);
    return entry;
}

/* Memory that ends where memory that may not be touched begins. */
static char *edge(size_t bytes)
{
    char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + 2 * 4096, 4096, PROT_NONE), 0);
    assert_true(bytes <= 4096);
    return p + 2 * 4096 - bytes;
}

static void edge_free(char *p, size_t bytes)
{
    munmap(p + bytes - 2 * 4096, 3 * 4096);
}

static uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, 4);
    return u;
}

/* All upper halves, with the lower ones that decide a rounding. */
static void check_both(hal_cpu_entry *both)
{
    static const uint32_t low[LOW_BITS] = {
        0, 1, 0x7fff, 0x8000, 0x8001, 0xffff
    };
    uint32_t *x = malloc(MANY * 4);
    uint16_t *v = malloc(MANY * 2), *s = malloc(MANY * 2);
    float *ve = malloc(MANY * 4), *se = malloc(MANY * 4);
    uint64_t args[] = { (uintptr_t)x,  (uintptr_t)v,  (uintptr_t)s,
                        (uintptr_t)ve, (uintptr_t)se, MANY };

    assert_true(x && v && s && ve && se);
    for (uint32_t i = 0; i < MANY; i++)
        x[i] = (i / LOW_BITS) << 16 | low[i % LOW_BITS];
    both(args, grid, 0, 1, NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t a = bits_of(ve[i]), b = bits_of(se[i]);

        if (v[i] != s[i])
            fail_msg("%08x becomes %04x, not %04x", x[i], v[i], s[i]);
        /* neighbours in the order of positive numbers are as many ulp apart */
        if ((a & 0x7fffffff) > 0x7f800000 ? (b & 0x7fffffff) <= 0x7f800000
                                          : (a > b ? a - b : b - a) > 4)
            fail_msg("exp of %08x is %08x, not %08x", x[i], a, b);
    }
    free(x);
    free(v);
    free(s);
    free(ve);
    free(se);
}

static void check_limits(hal_cpu_entry *limits)
{
    static const uint32_t ends[] = { 0,          0x80000000, 0x3f800000,
                                     0xbf800000, 0x7f800000, 0xff800000,
                                     1,          0x7fc00000 };
    const unsigned n = sizeof ends / sizeof *ends;
    float x[16], w[16], y[16], z[16];
    uint64_t args[] = { (uintptr_t)x, (uintptr_t)w, (uintptr_t)y,
                        (uintptr_t)z };

    for (unsigned i = 0; i < n * n; i++) {
        float a, b;

        for (unsigned j = 0; j < 16; j++) {
            memcpy(&x[j], &ends[i / n], 4);
            memcpy(&w[j], &ends[i % n], 4);
        }
        limits(args, grid, 0, 1, NULL);
        a = x[0];
        b = w[0];
        for (unsigned j = 0; j < 16; j++) {
            /* the second where neither is larger, as MAX and MIN have it */
            assert_int_equal(bits_of(y[j]), bits_of(a > b ? a : b));
            assert_int_equal(bits_of(z[j]), bits_of(a < b ? a : b));
        }
    }
}

static void check_turned(hal_cpu_entry *turned)
{
    float x[16], w[16], y[64];
    uint64_t args[] = { (uintptr_t)x, (uintptr_t)w, (uintptr_t)y };

    for (int j = 0; j < 16; j++) {
        x[j] = (float)j;
        w[j] = (float)(j + 16);
    }
    turned(args, grid, 0, 1, NULL);
    for (int j = 0; j < 16; j++) {
        assert_true(y[j] == (float)(2 * j));
        assert_true(y[16 + j] == (float)(2 * j + 1));
        assert_true(y[32 + j] == (float)(j / 2 + (j % 2) * 16));
        assert_true(y[48 + j] == (float)(j / 2 + 8 + (j % 2) * 16));
    }
}

/* Every length up to two vectors, before memory that may not be touched. */
static void check_some(hal_cpu_entry *some)
{
    for (size_t n = 1; n <= 33; n++) {
        uint16_t *h = (uint16_t *)(void *)edge(n * 2);
        float *x = (float *)(void *)edge(n * 4);
        int8_t *b = (int8_t *)edge(n);
        float *y = (float *)(void *)edge(n * 4);
        uint16_t *z = (uint16_t *)(void *)edge(n * 2);
        float *w = (float *)(void *)edge(n * 4);
        uint64_t args[] = { (uintptr_t)h,
                            (uintptr_t)x,
                            (uintptr_t)b,
                            (uintptr_t)y,
                            (uintptr_t)z,
                            (uintptr_t)w,
                            n };

        for (size_t i = 0; i < n; i++) {
            h[i] = (uint16_t)(0x3f80 + i);
            x[i] = (float)(i + 1);
            b[i] = (int8_t)(3 - (int)i);
        }
        some(args, grid, 0, 1, NULL);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(bits_of(y[i]), (uint32_t)h[i] << 16);
            assert_int_equal(z[i], bits_of(x[i]) >> 16);
            assert_true(w[i] == (float)b[i]);
        }
        edge_free((char *)h, n * 2);
        edge_free((char *)x, n * 4);
        edge_free((char *)b, n);
        edge_free((char *)y, n * 4);
        edge_free((char *)z, n * 2);
        edge_free((char *)w, n * 4);
    }
}

static void check_level(const struct halbin *bin, const char *variant)
{
    static const struct {
        const char *name;
        void (*check)(hal_cpu_entry *entry);
    } kernels[] = { { "both", check_both },
                    { "limits", check_limits },
                    { "turned", check_turned },
                    { "some", check_some } };

    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        void *lib;

        kernels[i].check(entry_of(bin, variant, kernels[i].name, &lib));
        dlclose(lib);
    }
}

static void test_levels(void **state)
{
    struct halbin bin = { 0 };

    (void)state;
    if (compile(text, &everything[0], 1, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
#if defined(__x86_64__)
    check_level(&bin, "cpu.base");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        check_level(&bin, "cpu.v3");
    if (__builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512bf16"))
        check_level(&bin, "cpu.v4");
#elif defined(__aarch64__)
    check_level(&bin, "cpu.aarch64");
#else
    check_level(&bin, "cpu.other");
#endif
    halbin_close(&bin);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_levels) };

    return cmocka_run_group_tests_name("cpu_vectors", tests, NULL, NULL);
}
