/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_source and the tools behind it: one small kernel in all variants,
 * the CPU's really run, errors that name file and line on every target, tools
 * that are missing or hang, and the choice of variants.
 */
#include "compiler/expand.h"
#include "compiler/tool.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char source[] = "#pragma hal instance T=f32 NAME=twice\n"
                             "#pragma hal instance T=bf16 NAME=twice_bf16\n"
                             "#include \"hal_dialect.h\"\n"
                             "\n"
                             "KERNEL(NAME, IN(T, x), OUT(T, y), ARG(uint, n))\n"
                             "{\n"
                             "    for (idx i = GROUP_X; i < n; i += GRID_X)\n"
                             "        ONCE ST(T, y, i, LD(T, x, i) * 2.0f);\n"
                             "}\n";

static const struct compile_target everything[] = {
    { HAL_TARGET_CPU, ~0ull, 0, 0 },
    { HAL_TARGET_OPENCL, ~0ull, 0, 0 },
    { HAL_TARGET_VULKAN, ~0ull, 0, 0 },
    { HAL_TARGET_CUDA, ~0ull, 0, 0 },
};

static struct hal_message msg;

static enum compile_status compile(const char *text,
                                   const struct compile_target *targets,
                                   uint32_t n, struct halbin *out)
{
    struct compile_request req = {
        .source = text, .name = "t.k", .targets = targets, .n_targets = n
    };

    msg.text[0] = 0;
    return compile_source(&req, out, &msg);
}

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

/* A fault in line 8 is reported as t.k:8 by every compiler that we call. */
static void test_error_lines(void **state)
{
    static const struct {
        uint8_t target;
        const char *what;
    } tools[] = { { HAL_TARGET_CPU, "cc" }, { HAL_TARGET_VULKAN, "GLSL" } };
    char bad[sizeof source + 100];
    struct halbin bin = { .n_kernels = 9 };
    char *at;

    (void)state;
    strcpy(bad, source);
    at = strstr(bad, "LD(T, x, i)");
    assert_non_null(at);
    memcpy(at, "nonsense   ", 11);
    for (size_t i = 0; i < 2; i++) {
        struct compile_target t = { tools[i].target, ~0ull, 0, 0 };

        assert_int_equal(compile(bad, &t, 1, &bin), COMPILE_ERROR);
        if (strncmp(msg.text, "t.k:8:", 6) != 0 ||
            !strstr(msg.text, "nonsense"))
            fail_msg("%s: %s", tools[i].what, msg.text);
        assert_int_equal(bin.n_kernels, 9);
    }
}

static void expect_error(const char *text, const char *want)
{
    struct halbin bin = { .n_kernels = 9 };

    assert_int_equal(compile(text, &everything[1], 1, &bin), COMPILE_ERROR);
    if (strncmp(msg.text, "t.k:", 4) != 0 || !strstr(msg.text, want))
        fail_msg("'%s', not '%s'", msg.text, want);
    assert_int_equal(bin.n_kernels, 9);
}

#define KERNEL_WITH(params) \
    "#include \"hal_dialect.h\"\nKERNEL(k, " params ") { }\n"

static void test_source_errors(void **state)
{
    (void)state;
    expect_error("int x;\n", "no KERNEL");
    expect_error("", "no KERNEL");
    expect_error("#include \"nowhere.h\"\n", "t.k:1: #include");
    expect_error("#pragma hal instance T=f32\n#pragma hal instance T=f16\n"
                 "#include \"hal_dialect.h\"\nKERNEL(k, IN(T, x)) { }\n",
                 "t.k:2: kernel 'k' twice: by this instance and by the one of "
                 "line 1");
    expect_error(KERNEL_WITH("IN(f31, x)"), "parameter 'x': 'f31' is no stor");
    expect_error(KERNEL_WITH("ARG(f32, x)"), "parameter 'x': 'f32' is no sca");
    expect_error(KERNEL_WITH("IN(f32, x), IN(f32, x)"), "parameter 'x' twice");
    expect_error(KERNEL_WITH("LOCAL(float, m, N)"), "a name that is no const");
    expect_error(KERNEL_WITH("LOCAL(float, m, 0)"), "a count is 0");
    expect_error(KERNEL_WITH("LOCAL(float, m, 4), OUT(f32, y)"),
                 "parameter 'y' stands after LOCAL");
    expect_error(KERNEL_WITH("LOCAL(float, m, 4 / 0)"), "division by zero");
    expect_error(KERNEL_WITH("LOCAL(frob, m, 4)"), "unknown type 'frob'");
    expect_error(KERNEL_WITH("LOCAL(float, m, 1 << 29)"), "LOCAL memory");
    expect_error("#define GROUP 0\n" KERNEL_WITH("IN(f32, x)"), "GROUP is 0");
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
    /* all left out: the kernel is known and has no image */
    snprintf(text, sizeof text, "#pragma hal skip opencl why not\n%s", source);
    assert_int_equal(compile(text, &small, 1, &bin), COMPILE_OK);
    assert_int_equal(bin.n_kernels, 2);
    assert_int_equal(bin.kernels[0].n_images, 0);
    halbin_close(&bin);
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

/* ---- tools --------------------------------------------------------------- */

static void write_script(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_missing_tools(void **state)
{
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };

    (void)state;
    setenv("HALCYON_CC", "/nowhere/cc", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "/nowhere/cc"));
    assert_non_null(strstr(msg.text, "package gcc"));
    unsetenv("HALCYON_CC");
}

/* Must be the first test: the tool that is found stays open. */
static void test_missing_spirv_tools(void **state)
{
    struct halbin bin = { 0 };

    (void)state;
    setenv("HALCYON_SHADERC", "/nowhere/libshaderc.so", 1);
    setenv("HALCYON_GLSLC", "/nowhere/glslc", 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "package glslc"));
    /* a library that is another one */
    setenv("HALCYON_SHADERC", "libm.so.6", 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "it lacks shaderc_"));
    unsetenv("HALCYON_SHADERC");
    unsetenv("HALCYON_GLSLC"); /* found at the next call */
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_OK);
    halbin_close(&bin);
}

/* The state letter in a /proc/PID/stat; 0: no such process. */
static int file_state(const char *path)
{
    char line[300] = "";
    FILE *f = fopen(path, "r");
    const char *end;

    if (!f)
        return 0;
    if (!fgets(line, sizeof line, f))
        line[0] = 0;
    fclose(f);
    end = strrchr(line, ')');
    return end ? end[2] : 0;
}

/* Whether the process whose id is in the file "pid" ends soon. */
static int is_gone(const char *dir)
{
    char path[64], name[32];
    void *text;
    size_t size;
    int gone = 0;

    snprintf(path, sizeof path, "%s/pid", dir);
    assert_int_equal(file_read(path, 100, &text, &size), 0);
    snprintf(name, sizeof name, "/proc/%d/stat", atoi(text));
    free(text);
    unlink(path);
    for (int i = 0; i < 100 && !gone; i++) {
        /* gone, or a zombie whose new parent has not looked yet */
        gone = file_state(name) == 'Z' || file_state(name) == 0;
        usleep(20000);
    }
    return gone;
}

/* A compiler that says yes, and what it made is none. */
static void test_lying_compiler(void **state)
{
    static const char *const makes[] = {
        "",               /* no file */
        ": > \"$out\"\n", /* an empty one */
        "printf '\\177EL' > \"$out\"\n",
        "echo 'no shared object' > \"$out\"\n",
        "mkfifo \"$out\"\n",
    };
    char path[] = "/tmp/halcyon-test-XXXXXX", text[200], says[100];
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(path, 0700), 0);
    setenv("HALCYON_CC", path, 1);
    snprintf(says, sizeof says, "the compiler (%s) wrote no shared object",
             path);
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) {
        snprintf(text, sizeof text,
                 "#!/bin/sh\nfor out; do :; done\n%sexit 0\n", makes[i]);
        write_script(path, text);
        assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
        if (!strstr(msg.text, says))
            fail_msg("%zu: \"%s\"", i, msg.text);
    }
    unsetenv("HALCYON_CC");
    unlink(path);
}

static void test_hanging_compiler(void **state)
{
    char dir[] = "/tmp/halcyon-test-XXXXXX", path[64];
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };
    time_t begin = time(NULL);

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/cc", dir);
    /* with a child that keeps the pipe open */
    write_script(path, "#!/bin/sh\nsleep 100 &\necho $! >$TMPDIR/pid\n"
                       "sleep 100\n");
    setenv("HALCYON_CC", path, 1);
    setenv("HALCYON_CC_TIMEOUT", "1", 1);
    setenv("TMPDIR", dir, 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "more than 1 s"));
    assert_true(time(NULL) - begin < 20);
    assert_true(is_gone(dir)); /* the child's child too */

    write_script(path, "#!/bin/sh\nyes 'x: error: oh' | head -c 9000000\n"
                       "exit 1\n");
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
    assert_string_equal(msg.text, "x: error: oh");

    write_script(path, "#!/bin/sh\nkill -9 $$\n");
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);

    unsetenv("HALCYON_CC");
    unsetenv("HALCYON_CC_TIMEOUT");
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_IO);
    unsetenv("TMPDIR");
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
}

static void test_cached(void **state)
{
    char dir[] = "/tmp/halcyon-test-XXXXXX", command[100];
    struct compile_request req = { .source = source,
                                   .name = "t.k",
                                   .targets = everything,
                                   .n_targets = 4,
                                   .use_cache = 1 };
    struct halbin first = { 0 }, second = { 0 };

    (void)state;
    assert_non_null(mkdtemp(dir));
    setenv("HALCYON_CACHE_DIR", dir, 1);
    if (compile_source(&req, &first, &msg) != COMPILE_OK)
        fail_msg("%s", msg.text);
    /* without a place for temporary files nothing can be compiled */
    setenv("TMPDIR", "/nowhere", 1);
    if (compile_source(&req, &second, &msg) != COMPILE_OK)
        fail_msg("not from the cache: %s", msg.text);
    for (uint32_t i = 0; i < first.kernels[0].n_images; i++)
        assert_true(first.kernels[0].images[i].hash ==
                    second.kernels[0].images[i].hash);
    halbin_close(&first);
    halbin_close(&second);
    req.options = "-DGROUP=2"; /* other text, other entry */
    assert_int_equal(compile_source(&req, &second, &msg), COMPILE_IO);
    unsetenv("TMPDIR");
    unsetenv("HALCYON_CACHE_DIR");
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
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
        cmocka_unit_test(test_missing_spirv_tools), /* first: see there */
        cmocka_unit_test(test_missing_tools),
        cmocka_unit_test(test_all_variants),
        cmocka_unit_test(test_error_lines),
        cmocka_unit_test(test_source_errors),
        cmocka_unit_test(test_memory_sizes),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_two_kernels),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_lying_compiler),
        cmocka_unit_test(test_hanging_compiler),
        cmocka_unit_test(test_cached),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
