/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_source: one small kernel in all variants, the CPU's really run, the
 * choice of variants, skips, options, and many threads at once.
 */
#include "tests/compiler/compile_test.h"

#include <dlfcn.h>
#include <pthread.h>

static const struct hal_image *image_of(const struct hal_kernel_desc *k,
                                        const char *variant)
{
    for (uint32_t i = 0; i < k->n_images; i++)
        if (!strcmp(k->images[i].variant, variant))
            return &k->images[i];
    return NULL;
}

static void *load(const struct hal_image *i, const char *symbol,
                  hal_cpu_entry **out)
{
    char path[] = "/tmp/halcyon-test-XXXXXX";
    int fd = mkstemp(path);
    void *lib;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, i->blob, i->blob_bytes), i->blob_bytes);
    close(fd);
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        fail_msg("%s", dlerror());
    unlink(path);
    *out = (hal_cpu_entry *)dlsym(lib, symbol);
    assert_non_null(*out);
    return lib;
}

static void run_on_cpu(const struct hal_kernel_desc *k, const char *symbol)
{
#if defined(__x86_64__)
    const struct hal_image *i = image_of(k, "cpu.base");
#elif defined(__aarch64__)
    const struct hal_image *i = image_of(k, "cpu.aarch64");
#else
    const struct hal_image *i = image_of(k, "cpu.other");
#endif
    static _Alignas(64) char scratch[4096];
    float x[5] = { 1, 2, 3, 4, 5 }, y[5] = { 0 };
    uint64_t args[3] = { (uintptr_t)x, (uintptr_t)y, 4 };
    uint32_t grid[3] = { 2, 1, 1 };
    hal_cpu_entry *entry;
    void *lib;

    assert_non_null(i);
    lib = load(i, symbol, &entry);
    entry(args, grid, 0, 1, scratch); /* the first of the two groups */
    assert_true(y[0] == 2 && y[1] == 0 && y[2] == 6);
    entry(args, grid, 1, 2, scratch);
    assert_true(y[1] == 4 && y[3] == 8 && y[4] == 0);
    dlclose(lib);
}

static void test_all_variants(void **state)
{
    struct halbin bin = { 0 };
    const struct hal_kernel_desc *k, *l;
    uint32_t want = 0;

    (void)state;
    if (compile(source, everything, 4, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
    assert_int_equal(bin.n_kernels, 2);
    k = halbin_find(&bin, "twice");
    l = halbin_find(&bin, "twice_bf16");
    assert_non_null(k);
    assert_non_null(l);
    assert_int_equal(k->n_params, 3);
    assert_int_equal(k->params[0].kind, HAL_PARAM_IN);
    assert_int_equal(k->params[1].kind, HAL_PARAM_OUT);
    assert_int_equal(k->params[2].kind, HAL_PARAM_ARG);
    assert_int_equal(k->params[0].alignment, 4);
    assert_int_equal(l->params[0].alignment, 2);
    assert_string_equal(k->params[1].name, "y");
    for (uint32_t v = 0; v < n_variants; v++) {
        const struct hal_image *i = image_of(k, variants[v].name);

        if (variants[v].target == HAL_TARGET_CPU && !cc_can_build(&variants[v]))
            continue;
        if (variants[v].target == HAL_TARGET_PTX)
            continue; /* test_ptx.c */
        want++;
        assert_non_null(i);
        assert_int_equal(i->target, variants[v].target);
        assert_true(i->caps == variants[v].caps);
        assert_int_equal(i->rank, variants[v].rank);
        assert_int_equal(i->group, variants[v].group);
        if (i->target == HAL_TARGET_CPU) {
            assert_memory_equal(i->blob, "\177ELF", 4);
            /* one object for all instances of the file */
            assert_ptr_equal(i->blob, image_of(l, i->variant)->blob);
        } else if (i->target == HAL_TARGET_VULKAN) {
            uint32_t word[2];

            memcpy(word, i->blob, 8);
            assert_int_equal(word[0], 0x07230203);
            assert_int_equal(word[1], 0x00010300);
            assert_int_equal(i->blob_bytes % 4, 0);
        } else {
            assert_non_null(strstr(i->blob, "twice"));
            assert_non_null(strstr(i->blob, "#line 5 \"t.k\""));
        }
    }
    assert_int_equal(k->n_images, want);
    run_on_cpu(k, "hal_kernel_twice");
    halbin_close(&bin);
}

static void test_memory_sizes(void **state)
{
    struct halbin bin = { 0 };
    const struct hal_image *i;

    (void)state;
    if (compile("#include \"hal_dialect.h\"\n"
                "KERNEL(k, OUT(f32, y), LOCAL(float, a, GROUP * (2 + 1)), "
                "PRIV(v16, b, 2), PRIV(float, c, 1)) { }\n",
                &everything[1], 1, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
    assert_int_equal(bin.kernels[0].n_params, 1);
    i = image_of(&bin.kernels[0], "opencl");
    assert_non_null(i);
    assert_true(i->shared_bytes >= 64 * 3 * 4);
    assert_int_equal(i->priv_bytes, 2 * 64 + 4);
    halbin_close(&bin);
}

static void test_choice(void **state)
{
    static const struct compile_target small = { HAL_TARGET_OPENCL,
                                                 HAL_CAP_SMALL_GROUPS, 0, 0 },
                                       large = { HAL_TARGET_OPENCL,
                                                 HAL_CAP_SMALL_GROUPS |
                                                     HAL_CAP_LARGE_LOCAL,
                                                 0, 0 },
                                       big = { HAL_TARGET_OPENCL, 0, 0, 0 },
                                       tiny = { HAL_TARGET_OPENCL, 0, 12, 0 },
                                       none = { HAL_TARGET_VULKAN, 0, 0, 0 };
    struct compile_target both[2] = { small, big };
    struct halbin bin = { 0 };
    char text[sizeof source + 100];

    (void)state;
    assert_int_equal(compile(source, &small, 1, &bin), COMPILE_OK);
    assert_int_equal(bin.kernels[0].n_images, 1);
    assert_string_equal(bin.kernels[0].images[0].variant, "opencl.small");
    halbin_close(&bin);
    assert_int_equal(compile(source, &large, 1, &bin), COMPILE_OK);
    assert_int_equal(bin.kernels[0].n_images, 1);
    assert_string_equal(bin.kernels[0].images[0].variant, "opencl.large");
    halbin_close(&bin);
    assert_int_equal(compile(source, &big, 1, &bin), COMPILE_OK);
    assert_int_equal(bin.kernels[0].n_images, 1);
    assert_string_equal(bin.kernels[0].images[0].variant, "opencl");
    halbin_close(&bin);
    assert_int_equal(compile(source, both, 2, &bin), COMPILE_OK);
    assert_int_equal(bin.kernels[0].n_images, 2);
    halbin_close(&bin);

    /* a default group shrinks to what the device has; one asked for is an
     * error that says so */
    assert_int_equal(compile(source, &tiny, 1, &bin), COMPILE_OK);
    assert_int_equal(bin.kernels[0].images[0].group, 8);
    halbin_close(&bin);
    snprintf(text, sizeof text, "#define GROUP 64\n%s", source);
    assert_int_equal(compile(text, &tiny, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "64 threads in a group; the device has "
                                     "12"));
    assert_int_equal(compile(source, &none, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "no variant for Vulkan"));
}

static void test_skip(void **state)
{
    static const struct compile_target small = { HAL_TARGET_OPENCL,
                                                 HAL_CAP_SMALL_GROUPS, 0, 0 };
    struct halbin bin = { 0 };
    char text[sizeof source + 200];

    (void)state;
    /* the best variant is left out: the next one serves */
    snprintf(text, sizeof text, "#pragma hal skip opencl.small\n%s", source);
    assert_int_equal(compile(text, &small, 1, &bin), COMPILE_OK);
    assert_int_equal(bin.kernels[0].n_images, 1);
    assert_string_equal(bin.kernels[0].images[0].variant, "opencl");
    halbin_close(&bin);
    /* one target of two: the other serves */
    snprintf(text, sizeof text, "#pragma hal skip cuda why not\n%s", source);
    assert_int_equal(compile(text, &everything[2], 2, &bin), COMPILE_OK);
    assert_int_equal(bin.n_kernels, 2);
    assert_int_equal(bin.kernels[0].n_images, 3);
    halbin_close(&bin);
    /* all left out: nothing would be in it */
    snprintf(text, sizeof text, "#pragma hal skip opencl why not\n%s", source);
    assert_int_equal(compile(text, &small, 1, &bin), COMPILE_ERROR);
    assert_string_equal(msg.text, "t.k:1: nothing is left to make: each "
                                  "variant of the targets asked for is left "
                                  "out by a #pragma hal skip");
    snprintf(text, sizeof text, "\n#pragma hal skip nonsense\n%s", source);
    expect_error(
        text,
        "t.k:2: #pragma hal skip nonsense: there is no such "
        "variant; there are cpu cpu.base cpu.v3 cpu.v4 "
        "cpu.aarch64 cpu.other opencl opencl.small "
        "opencl.large vulkan vulkan.packed vulkan.bda vulkan.ssbo cuda ptx "
        "ptx.sm70 ptx.sm80 ptx.sm89 ptx.sm90a");
    snprintf(text, sizeof text, "#if 0\n#pragma hal skip vulkan.\n#endif\n%s",
             source);
    expect_error(text, "t.k:2: #pragma hal skip vulkan.: there is no such");
    /* for one instance, when it is expanded */
    snprintf(text, sizeof text,
             "#define HAL_IS_twice 1\n#define IS(n) IS_(n)\n"
             "#define IS_(n) HAL_IS_##n\n#if IS(NAME)\n"
             "#pragma hal skip opencl\n#endif\n%s",
             source);
    assert_int_equal(compile(text, &small, 1, &bin), COMPILE_OK);
    assert_int_equal(halbin_find(&bin, "twice")->n_images, 0);
    assert_int_equal(halbin_find(&bin, "twice_bf16")->n_images, 1);
    halbin_close(&bin);
}

#define BODY(text)                                                        \
    "#include \"hal_dialect.h\"\n"                                        \
    "FN(float) half_of(float v) { return v * 0.5f; }\n"                   \
    "KERNEL(k, OUT(f32, y), OUT(i32, z), ARG(uint, n), ARG(int, m),\n"    \
    "       ARG(float, a))\n{\n    float f = a; int i = m; uint u = n;\n" \
    "    idx j = IDX(n);\n    ONCE {\n" text                              \
    " ST(f32, y, j, f); ST(i32, z, 0, i + INT(u)); }\n}\n"

/* What docs/dialect.md says of types and conversions. */
static void test_conversions(void **state)
{
    static const char *const not_glsl[] = {
        BODY("i = n;"),
        BODY("i += n;"),
        BODY("i = a;"),
        BODY("u = a;"),
        BODY("ST(i32, z, 1, n);"),
        BODY("i = j;"),
        BODY("i = m > 3;"),
        BODY("f = (float)m;"),
        BODY("u = 7ul;"),
        BODY("i = 'a';"),
        BODY("float x[4] = { 0.0f }; f = x[1];"),
        BODY("float x[2] = { [1] = a }; f = x[1];"),
        BODY("if (m) f = 1.0f;"),
        BODY("f = m ? 1.0f : 2.0f;"),
        BODY("if (!m) f = 1.0f;"),
        BODY("if (m != 0 && n) f = 1.0f;"),
    };
    struct halbin bin = { 0 };

    (void)state;
    if (compile(BODY("f = m; f = f * n + 1; u = m; u += m; u = n & 7;\n"
                     "f = half_of(m) + half_of(j) + half_of(n);\n"
                     "i = INT(m > 3) + INT(n) + INT(a); u = UINT(a) + 7u;\n"
                     "float x[2] = { a, 1 }; f = x[1]; float w[2][3];\n"
                     "w[1][2] = f; f = w[1][2]; f = FLOAT(i);\n"
                     "if (m != 0 && n > 3) f = m > 2 ? 1.0f : f;\n"),
                everything, 3, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
    halbin_close(&bin);
    for (size_t i = 0; i < sizeof not_glsl / sizeof *not_glsl; i++) {
        if (compile(not_glsl[i], &everything[2], 1, &bin) != COMPILE_ERROR)
            fail_msg("GLSL takes:\n%s", not_glsl[i]);
        if (strncmp(msg.text, "t.k:9: ", 7) != 0)
            fail_msg("%s, of:\n%s", msg.text, not_glsl[i]);
    }
}

static void test_two_kernels(void **state)
{
    static const char two[] =
        "#include \"hal_dialect.h\"\n"
        "KERNEL(one, OUT(f32, y)) { ONCE ST(f32, y, 0, 1.0f); }\n"
        "KERNEL(two, OUT(f32, z), ARG(uint, n))\n"
        "{\n    ONCE ST(f32, z, n, 2.0f);\n}\n";
    struct halbin bin = { 0 };

    (void)state;
    if (compile(two, everything, 4, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
    assert_int_equal(bin.n_kernels, 2);
    assert_int_equal(bin.kernels[0].n_images, bin.kernels[1].n_images);
    assert_int_equal(halbin_find(&bin, "two")->n_params, 2);
    assert_null(strstr(image_of(&bin.kernels[0], "opencl")->blob, "two"));
    halbin_close(&bin);
}

static void test_options(void **state)
{
    struct compile_request req = { .source = source,
                                   .name = "t.k",
                                   .targets = &everything[1],
                                   .n_targets = 1 };
    struct halbin bin = { 0 };

    (void)state;
    req.options = "-DGROUP=16  -DX";
    assert_int_equal(compile_source(&req, &bin, &msg), COMPILE_OK);
    assert_int_equal(image_of(&bin.kernels[0], "opencl")->group, 16);
    halbin_close(&bin);
    req.name = NULL;
    req.options = "-O3";
    assert_int_equal(compile_source(&req, &bin, &msg), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "-DNAME"));
    req.source = NULL;
    assert_int_equal(compile_source(&req, &bin, &msg), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "no source"));
}

static void test_expand(void **state)
{
    struct compile_request req = { .source = source, .name = "t.k" };
    char *text = NULL;

    (void)state;
    assert_int_equal(compile_expand(&req, "meta", 1, &text, &msg), COMPILE_OK);
    assert_non_null(strstr(text, "@kernel twice_bf16 64 "));
    free(text);
    assert_int_equal(compile_expand(&req, "meta:cuda", 0, &text, &msg),
                     COMPILE_OK);
    assert_non_null(strstr(text, "@kernel twice 256 "));
    free(text);
    assert_int_equal(compile_expand(&req, "vulkan.ssbo", 0, &text, &msg),
                     COMPILE_OK);
    assert_int_equal(strncmp(text, "#version 450\n", 13), 0);
    free(text);
    assert_int_equal(compile_expand(&req, "cpu", 0, &text, &msg),
                     COMPILE_ERROR);
    assert_int_equal(compile_expand(&req, "opencl", 2, &text, &msg),
                     COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "there are 2 instances"));
}

static void *compile_thread(void *arg)
{
    struct compile_request req = {
        .source = source, .name = "t.k", .targets = everything, .n_targets = 4
    };
    struct hal_message own;
    struct halbin bin = { 0 };
    enum compile_status st;

    (void)arg;
    st = compile_source(&req, &bin, &own);
    halbin_close(&bin);
    return (void *)(uintptr_t)(st == COMPILE_OK);
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    void *good;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, compile_thread, NULL), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_variants),
        cmocka_unit_test(test_memory_sizes),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_two_kernels),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
