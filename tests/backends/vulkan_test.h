/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vulkan_test.h - what the tests of the Vulkan backend share: GLSL compiled
 * when the test runs, and a walk over every real device that is there.  They
 * drive the ops table, as the core does.
 */
#ifndef TESTS_BACKENDS_VULKAN_TEST_H
#define TESTS_BACKENDS_VULKAN_TEST_H

#include "tests/backends/backend_test.h"

#define SWIFTSHADER "/usr/lib/chromium/vk_swiftshader_icd.json"

extern const struct hal_backend hal_backend_vulkan;

/* ---- devices --------------------------------------------------------- */

#define VULKAN_TEST_DEVICES 4
static struct hal_dev *test_devs[VULKAN_TEST_DEVICES];
static unsigned n_test_devs;

/* Both software drivers where they are installed. */
static inline void vulkan_test_drivers(void)
{
    char cache[] = "/tmp/halcyon-vktest-XXXXXX";

    if (access(SWIFTSHADER, R_OK) == 0)
        setenv("VK_ADD_DRIVER_FILES", SWIFTSHADER, 0);
    if (!getenv("HALCYON_CACHE_DIR") && mkdtemp(cache))
        setenv("HALCYON_CACHE_DIR", cache, 1);
}

static inline int vulkan_test_open(void **state)
{
    unsigned count = 0, i;

    (void)state;
    vulkan_test_drivers();
    if (hal_backend_vulkan.probe(&count) != halSuccess)
        return 0; /* each test skips */
    for (i = 0; i < count && i < VULKAN_TEST_DEVICES; i++)
        if (hal_backend_vulkan.device_open(i, &test_devs[i]) != halSuccess)
            return -1;
        else
            n_test_devs++;
    return 0;
}

static inline int vulkan_test_close(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < n_test_devs; i++)
        test_devs[i]->ops->device_close(test_devs[i]);
    n_test_devs = 0;
    return 0;
}

/* Runs `body` for each device: `EACH_DEVICE(dev) { ... }`. */
#define EACH_DEVICE(dev)                                                    \
    if (!n_test_devs) {                                                     \
        print_message("skipped: no Vulkan device (mesa-vulkan-drivers)\n"); \
        skip();                                                             \
    }                                                                       \
    struct hal_dev *dev;                                                    \
    for (unsigned each_ = 0;                                                \
         each_ < n_test_devs && (dev = test_devs[each_], 1); each_++)

/* ---- GLSL ------------------------------------------------------------ */

/* SPIR-V of a compute shader by the glslc program: Debian 12's libshaderc.so.1
 * cannot be opened (unresolved symbols).  free(*out_blob). */
static inline void glsl_compile(const char *text, void **out_blob,
                                size_t *out_size)
{
    test_compile("glslc -fshader-stage=comp --target-env=vulkan1.2 -O -o", text,
                 out_blob, out_size);
}

struct test_kernel {
    struct hal_kernel_desc desc;
    struct hal_image images[2];
    uint32_t n_images;
    void *kernel;
};

/* A parameter list in letters: f b (buffers of 4 and 2 byte elements), s. */
static inline void test_kernel_desc(struct test_kernel *k, const char *name,
                                    const char *params)
{
    size_t i;

    memset(k, 0, sizeof *k);
    snprintf(k->desc.name, sizeof k->desc.name, "%s", name);
    for (i = 0; params[i]; i++) {
        struct hal_param *p = &k->desc.params[i];

        snprintf(p->name, sizeof p->name, "p%zu", i);
        p->kind = params[i] == 's' ? HAL_PARAM_ARG : HAL_PARAM_INOUT;
        p->dtype = params[i] == 'b' ? halU16 : halF32;
        p->alignment = params[i] == 'b' ? 2 : 4;
    }
    k->desc.n_params = (uint32_t)i;
    k->desc.images = k->images;
}

static inline void test_kernel_image(struct test_kernel *k, const char *variant,
                                     uint64_t caps, const char *glsl)
{
    struct hal_image *img = &k->images[k->n_images++];
    void *blob;

    glsl_compile(glsl, &blob, &img->blob_bytes);
    img->blob = blob;
    img->target = HAL_TARGET_VULKAN;
    img->caps = caps;
    img->group = 64;
    snprintf(img->variant, sizeof img->variant, "%s", variant);
    k->desc.n_images = k->n_images;
}

static inline halError_t test_kernel_create(struct hal_dev *dev,
                                            struct test_kernel *k)
{
    const struct hal_image *images[2] = { &k->images[0], &k->images[1] };
    struct hal_kernel_info info;

    return dev->ops->kernel_create(dev, &k->desc, images, k->n_images,
                                   &k->kernel, &info);
}

static inline void test_kernel_free(struct test_kernel *k)
{
    uint32_t i;

    for (i = 0; i < k->n_images; i++)
        free((void *)(uintptr_t)k->images[i].blob);
}

/* y[i] = x[i] * s for i < n: params "ffss" = x, y, n, s. */
#define SCALE_SSBO                                                    \
    "#version 450\n"                                                  \
    "layout(local_size_x = 64) in;\n"                                 \
    "layout(set = 0, binding = 0) buffer X { float x[]; };\n"         \
    "layout(set = 0, binding = 1) buffer Y { float y[]; };\n"         \
    "layout(push_constant) uniform P { uint n; float s; uint x_off; " \
    "uint y_off; };\n"                                                \
    "void main() { uint i = gl_GlobalInvocationID.x;\n"               \
    "  if (i < n) y[y_off + i] = x[x_off + i] * s; }\n"

#define SCALE_BDA                                                            \
    "#version 450\n"                                                         \
    "#extension GL_EXT_buffer_reference : require\n"                         \
    "layout(local_size_x = 64) in;\n"                                        \
    "layout(buffer_reference, std430, buffer_reference_align = 4) buffer F " \
    "{ float v[]; };\n"                                                      \
    "layout(push_constant) uniform P { F x; F y; uint n; float s; };\n"      \
    "void main() { uint i = gl_GlobalInvocationID.x;\n"                      \
    "  if (i < n) y.v[i] = x.v[i] * s; }\n"

/* Busy for a while: params "fs" = out, rounds. */
#define SLOW_SSBO                                                     \
    "#version 450\n"                                                  \
    "layout(local_size_x = 64) in;\n"                                 \
    "layout(set = 0, binding = 0) buffer Y { float y[]; };\n"         \
    "layout(push_constant) uniform P { uint rounds; uint y_off; };\n" \
    "void main() { float a = float(gl_GlobalInvocationID.x);\n"       \
    "  for (uint i = 0; i < rounds; i++) a = sin(a) + 1.0;\n"         \
    "  y[y_off + gl_GlobalInvocationID.x] = a; }\n"

static inline union hal_arg arg_buffer(const struct hal_mem *m, uint64_t size,
                                       uint64_t offset)
{
    union hal_arg a;

    memset(&a, 0, sizeof a);
    a.buffer.mem = m->impl;
    a.buffer.addr = m->addr ? (char *)m->addr + offset : NULL;
    a.buffer.offset = offset;
    a.buffer.avail = size - offset;
    return a;
}

static inline union hal_arg arg_f32(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return arg_scalar(bits);
}

static inline halError_t test_launch(struct hal_dev *dev, void *stream,
                                     struct test_kernel *k, uint32_t groups,
                                     const union hal_arg *args)
{
    return test_run(dev, stream, k->kernel, groups, args, k->desc.n_params);
}

#endif
