/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_nvrtc.c - CUDA C++ text on the CUDA backend: through a fake NVRTC,
 * whose code the emulator runs, and NVIDIA's own where it is installed, which
 * needs no GPU.  Runs at the root of the tree; needs g++.
 */
#include "tests/backends/cuda_test.h"

#include <glob.h>

#define KERNEL "extern \"C\" __global__ void __launch_bounds__(32) "

static const char text_triple[] =
    KERNEL "triple(float *__restrict__ x, float add)\n"
           "{ unsigned i = blockIdx.x * 32 + threadIdx.x;\n"
           "  x[i] = 3.0f * x[i] + add; }\n";
static const char text_advance_cu[] =
    KERNEL "advance(unsigned *x, unsigned n, unsigned add)\n"
           "{ if (threadIdx.x < n) *x = *x * 3 + add; }\n";
static const char text_wrong[] =
    KERNEL "wrong(float *x)\n{ *x = no_such_name; }\n";

static struct fake_cuda *open_with(const char *nvrtc, int capability,
                                   struct hal_dev **dev)
{
    struct fake_cuda *fake = fake_load();
    unsigned n;

    if (!fake)
        return NULL;
    setenv("HALCYON_NVRTC_LIB", nvrtc, 1);
    fake->capability = capability;
    if (hal_backend_cuda.probe(&n) || hal_backend_cuda.device_open(0, dev))
        return NULL;
    return fake;
}

static struct fake_cuda *open_fake(int capability, struct hal_dev **dev)
{
    char path[PATH_MAX + 32];

    fake_path(path, "fake_nvrtc.so");
    return open_with(path, capability, dev);
}

static void cuda_kernel(struct test_kernel *k, const char *name,
                        const char *text, const char *kinds)
{
    test_kernel_init(k, name, text, kinds);
    k->image.target = HAL_TARGET_CUDA;
}

/* Uses all of it: 57,600 words that a block's 32 threads share. */
static const char text_wide[] =
    KERNEL "wide(unsigned *y, unsigned n)\n"
           "{ extern __shared__ unsigned d[];\n"
           "  for (unsigned i = threadIdx.x; i < n; i += 32) d[i] = i;\n"
           "  __syncthreads();\n"
           "  unsigned sum = 0;\n"
           "  for (unsigned i = threadIdx.x; i < n; i += 32)\n"
           "      sum += d[n - 1 - i];\n"
           "  y[threadIdx.x] = sum; }\n";

static int wide_body(void)
{
    const uint32_t words = 57600;
    struct test_kernel k;
    struct fake_cuda *fake;
    struct hal_dev *dev;
    struct hal_mem m;
    uint32_t y[32], sum = 0;
    union hal_arg args[2];
    struct hal_launch launch = { .grid = { 1, 1, 1 },
                                 .shared_bytes = words * 4,
                                 .n_args = 2,
                                 .args = args };
    void *kernel, *s;

    fake = open_fake(90, &dev);
    CHECK(fake);
    cuda_kernel(&k, "wide", text_wide, "bs");
    CHECK(!test_kernel_create(dev, &k, &kernel));
    CHECK(!dev->ops->mem_alloc(dev, sizeof y, HAL_MEM_DEVICE, &m));
    CHECK(!dev->ops->stream_create(dev, 0, &s));
    args[0] = arg_buffer(&m, 0);
    args[1] = arg_scalar(words);
    CHECK(!dev->ops->launch(dev, s, kernel, &launch));
    CHECK(!dev->ops->copy_out(dev, s, y, m.impl, 0, sizeof y, 0));
    for (int i = 0; i < 32; i++)
        sum += y[i];
    CHECK(sum == words / 2 * (words - 1));
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
    dev->ops->kernel_destroy(dev, kernel);
    dev->ops->device_close(dev);
    return clean(fake);
}

static int triple_run(struct hal_dev *dev, void *kernel)
{
    float x[64], y[64], add = 0.5f;
    struct hal_mem m;
    union hal_arg args[2];
    uint32_t bits;
    void *s;

    for (int i = 0; i < 64; i++)
        x[i] = (float)i;
    memcpy(&bits, &add, sizeof bits);
    CHECK(!dev->ops->mem_alloc(dev, sizeof x, HAL_MEM_DEVICE, &m));
    CHECK(!dev->ops->stream_create(dev, 0, &s));
    CHECK(!dev->ops->copy_in(dev, s, m.impl, 0, x, sizeof x, 0));
    args[0] = arg_buffer(&m, 0);
    args[1] = arg_scalar(bits);
    CHECK(!test_run(dev, s, kernel, 2, args, 2));
    CHECK(!dev->ops->copy_out(dev, s, y, m.impl, 0, sizeof y, 0));
    for (int i = 0; i < 64; i++)
        CHECK(y[i] == 3.0f * (float)i + 0.5f);
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
    return 0;
}

static int runs_body(void)
{
    struct test_kernel k, bad;
    struct fake_cuda *fake;
    struct hal_dev *dev;
    void *kernel = SAME, *out = SAME;

    fake = open_fake(90, &dev);
    CHECK(fake);
    cuda_kernel(&k, "triple", text_triple, "bs");
    CHECK(!test_kernel_create(dev, &k, &kernel));
    if (triple_run(dev, kernel))
        return 1;
    cuda_kernel(&bad, "wrong", text_wrong, "b");
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &bad, &out),
                "kernel wrong on NVRTC 13.0: ");
    CHECK(strstr(halGetErrorDetail(), "no_such_name"));
    CHECK(out == SAME);
    /* From the cache: there is no compiler any more. */
    setenv("HALCYON_CXX", "false", 1);
    dev->ops->kernel_destroy(dev, kernel);
    CHECK(!test_kernel_create(dev, &k, &kernel));
    dev->ops->kernel_destroy(dev, kernel);
    cuda_kernel(&k, "advance", text_advance_cu, "bss");
    CHECK(test_kernel_create(dev, &k, &out) == halErrorKernelBuild);
    dev->ops->device_close(dev);
    return clean(fake);
}

/* Older than all that NVRTC knows. */
static int too_old_body(void)
{
    struct fake_cuda *fake;
    struct test_kernel k;
    struct hal_dev *dev;
    void *out = SAME;

    fake = open_fake(70, &dev);
    CHECK(fake);
    cuda_kernel(&k, "triple", text_triple, "bs");
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &k, &out),
                "compiles for compute capability 7.5 and newer, this GPU has "
                "7.0");
    dev->ops->device_close(dev);
    return clean(fake);
}

/* No PTX that fits, then text; and no compiler at all. */
static int missing_body(void)
{
    static const char newer[] = PTX("9.5", "90", "triple");
    const struct hal_image *list[2];
    struct hal_kernel_info info;
    struct test_kernel k, ptx;
    struct fake_cuda *fake;
    struct hal_dev *dev;
    void *out = SAME;

    fake = open_with("/nonexistent/libnvrtc.so", 90, &dev);
    CHECK(fake);
    cuda_kernel(&k, "triple", text_triple, "bs");
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &k, &out),
                "CUDA C++ text needs NVRTC and /nonexistent/libnvrtc.so is not "
                "found; install it");
    test_kernel_init(&ptx, "triple", newer, "bs");
    list[0] = &ptx.image;
    list[1] = &k.image;
    CHECK_FAILS(halErrorKernelBuild,
                dev->ops->kernel_create(dev, &k.desc, list, 2, &out, &info),
                "needs NVRTC");
    CHECK(out == SAME);
    /* a library of something else */
    setenv("HALCYON_NVRTC_LIB", getenv("HALCYON_CUDA_LIB"), 1);
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &k, &out),
                "fake_cuda.so is broken: it lacks nvrtc");
    dev->ops->device_close(dev);
    return clean(fake);
}

/* In a process whose LD_LIBRARY_PATH has an NVRTC of another major version than
 * the driver, 12.4. */
static int found_body(void)
{
    char word[48];
    struct fake_cuda *fake;
    struct test_kernel k;
    struct hal_dev *dev;
    void *out = SAME;
    unsigned n;

    fake = fake_load();
    CHECK(fake);
    fake->version = 12040;
    CHECK(!hal_backend_cuda.probe(&n));
    CHECK(!hal_backend_cuda.device_open(0, &dev));
    cuda_kernel(&k, "wrong", text_wrong, "b");
    snprintf(word, sizeof word, "kernel wrong on NVRTC %s.",
             getenv("FAKE_NVRTC_MAJOR"));
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &k, &out), word);
    dev->ops->device_close(dev);
    return clean(fake);
}

static void search(const char *major, const char *name)
{
    char command[3 * PATH_MAX], fake[PATH_MAX + 32], self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    assert_true(n > 0);
    self[n] = '\0';
    fake_path(fake, "fake_nvrtc.so");
    snprintf(command, sizeof command,
             "d=$HALCYON_CACHE_DIR/%s && mkdir -p $d && ln -sf $(realpath "
             "%.3000s) $d/%s && env -u HALCYON_NVRTC_LIB FAKE_NVRTC_MAJOR=%s "
             "LD_LIBRARY_PATH=$d %.3000s search",
             name, fake, name, major, self);
    assert_int_equal(system(command), 0);
}

/* Whether the dynamic linker finds what the backend would take before what the
 * test puts into LD_LIBRARY_PATH: this program, run as "own" without one. */
static bool machine_has_own(void)
{
    char command[PATH_MAX + 64], self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    int status;

    assert_true(n > 0);
    self[n] = '\0';
    snprintf(command, sizeof command, "env -u LD_LIBRARY_PATH %s own", self);
    status = system(command);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return WEXITSTATUS(status) == 0;
}

static int own_main(void)
{
    static const char *const names[] = {
        "libnvrtc.so.12",
        "/usr/local/cuda-12/lib64/libnvrtc.so",
        "libnvrtc.so",
        "/usr/local/cuda/lib64/libnvrtc.so",
        "/usr/local/cuda/lib/libnvrtc.so",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        unsigned (*version)(int *, int *) = NULL;
        int major = 0, minor;

        if (lib)
            *(void **)&version = dlsym(lib, "nvrtcVersion");
        if (version && version(&major, &minor) == 0 && major <= 12)
            return 0;
    }
    return 1;
}

/* An older one comes before a newer one, which is better than none. */
static void other_versions(void **state)
{
    (void)state;
    if (machine_has_own()) {
        print_message("this machine has the driver's own, or an older one\n");
        skip();
    }
    search("11", "libnvrtc.so.11.2");
    search("13", "libnvrtc.so.13");
}

static bool find_real(char path[PATH_MAX])
{
    static const char *const patterns[] = {
        "/usr/local/cuda*/lib64/libnvrtc.so", "/usr/local/cuda*/lib/libnvrtc.so"
    };
    bool found = false;

    for (int i = 0; i < 2 && !found; i++) {
        glob_t g;

        found = glob(patterns[i], 0, NULL, &g) == 0 && g.gl_pathc;
        if (found)
            snprintf(path, PATH_MAX, "%s", g.gl_pathv[0]);
        globfree(&g);
    }
    return found;
}

/* PTX of the real one, which the fake driver reads; a cubin, which it does not
 * and which so must have been made; and the compiler's own complaint. */
static int real_body(void)
{
    char path[PATH_MAX];
    struct test_kernel k;
    struct fake_cuda *fake;
    struct hal_dev *dev;
    void *kernel = SAME;

    CHECK(find_real(path));
    fake = open_with(path, 91, &dev); /* no chip: PTX of the next older one */
    CHECK(fake);
    fake->ptx_version = 999;
    cuda_kernel(&k, "advance", text_advance_cu, "bss");
    CHECK(!test_kernel_create(dev, &k, &kernel));
    dev->ops->kernel_destroy(dev, kernel);
    cuda_kernel(&k, "wrong", text_wrong, "b");
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &k, &kernel),
                "identifier \"no_such_name\" is undefined");
    dev->ops->device_close(dev);
    fake->capability = 90;
    CHECK(!hal_backend_cuda.device_open(0, &dev));
    cuda_kernel(&k, "advance", text_advance_cu, "bss");
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(dev, &k, &kernel),
                "CUDA_ERROR_INVALID_IMAGE");
    dev->ops->device_close(dev);
    return clean(fake);
}

IN_CHILD(runs)
IN_CHILD(too_old)
IN_CHILD(missing)
IN_CHILD(wide)
IN_CHILD(found)

static void real(void **state)
{
    char path[PATH_MAX];

    (void)state;
    if (!find_real(path)) {
        print_message("no NVRTC here\n");
        skip();
    }
    in_child(real_body);
}

static int search_main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(found) };

    return cuda_main("cuda nvrtc found", tests, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs),           cmocka_unit_test(too_old),
        cmocka_unit_test(missing),        cmocka_unit_test(wide),
        cmocka_unit_test(other_versions), cmocka_unit_test(real),
    };

    if (argc == 2 && !strcmp(argv[1], "search"))
        return search_main();
    if (argc == 2 && !strcmp(argv[1], "own"))
        return own_main();
    return cuda_main("cuda nvrtc", tests, sizeof tests / sizeof tests[0]);
}
