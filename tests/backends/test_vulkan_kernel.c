/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vulkan_kernel.c - kernels and launches of the Vulkan backend: the two
 * argument ABIs, offsets, buffers beyond the descriptor range and bad SPIR-V,
 * on every Vulkan device that is there.
 */
#include "tests/backends/vulkan_test.h"

static void scale_make(struct hal_dev *dev, struct test_kernel *k, int ssbo,
                       int bda)
{
    test_kernel_desc(k, "scale", "ffss");
    if (ssbo)
        test_kernel_image(k, "vulkan.ssbo", HAL_CAP_SSBO, SCALE_SSBO);
    if (bda)
        test_kernel_image(k, "vulkan.bda", HAL_CAP_BDA, SCALE_BDA);
    OK(test_kernel_create(dev, k));
}

static void scale_check(struct hal_dev *dev, struct test_kernel *k)
{
    enum { N = 1000, ROOM = 8192 };
    static float from[ROOM], to[ROOM];
    struct hal_mem x, y;
    unsigned off, i;
    void *s;

    OK(dev->ops->stream_create(dev, 0, &s));
    OK(dev->ops->mem_alloc(dev, sizeof from, HAL_MEM_DEVICE, &x));
    OK(dev->ops->mem_alloc(dev, sizeof to, HAL_MEM_DEVICE, &y));
    for (off = 0; off < 70; off += 3) {
        const union hal_arg args[] = { arg_buffer(&x, sizeof from, 4 * off),
                                       arg_buffer(&y, sizeof to,
                                                  4 * (2 * off + 1)),
                                       arg_scalar(N), arg_f32(2.5f) };

        for (i = 0; i < ROOM; i++)
            from[i] = (float)(i + off);
        OK(dev->ops->copy_in(dev, s, x.impl, 0, from, sizeof from, 0));
        OK(dev->ops->fill(dev, s, y.impl, 0, sizeof to, 0, 4));
        OK(test_launch(dev, s, k, (N + 63) / 64, args));
        OK(dev->ops->copy_out(dev, s, to, y.impl, 0, sizeof to, 0));
        for (i = 0; i < ROOM; i++) {
            const unsigned at = i - (2 * off + 1);
            const float want = i >= 2 * off + 1 && at < N
                                   ? 2.5f * (float)(at + 2 * off)
                                   : 0.0f;

            if (to[i] != want)
                fail_msg("offset %u: y[%u] is %g, not %g", off, i,
                         (double)to[i], (double)want);
        }
    }
    dev->ops->mem_free(dev, x.impl);
    dev->ops->mem_free(dev, y.impl);
    dev->ops->stream_destroy(dev, s);
}

static void both_abis_take_offsets(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct test_kernel k;

        scale_make(dev, &k, 1, 0);
        scale_check(dev, &k);
        dev->ops->kernel_destroy(dev, k.kernel);
        test_kernel_free(&k);
        if (!(dev->info.caps & HAL_CAP_BDA))
            continue;
        scale_make(dev, &k, 0, 1);
        scale_check(dev, &k);
        dev->ops->kernel_destroy(dev, k.kernel);
        test_kernel_free(&k);
    }
}

static void pointers_must_be_aligned(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct test_kernel k;
        struct hal_mem x;
        union hal_arg args[4];
        void *s;

        scale_make(dev, &k, 1, 0);
        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, 4096, HAL_MEM_DEVICE, &x));
        args[0] = arg_buffer(&x, 4096, 0);
        args[1] = arg_buffer(&x, 4096, 1030);
        args[2] = arg_scalar(4);
        args[3] = arg_f32(1);
        assert_int_equal(test_launch(dev, s, &k, 1, args),
                         halErrorInvalidArgument);
        OK(dev->ops->stream_sync(dev, s));
        dev->ops->mem_free(dev, x.impl);
        dev->ops->stream_destroy(dev, s);
        dev->ops->kernel_destroy(dev, k.kernel);
        test_kernel_free(&k);
    }
}

/* A launch reaches the end of a buffer that no descriptor spans: through an
 * offset where a window will do, through addresses where it will not. */
static void large_buffers(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        const uint64_t size = (uint64_t)300 << 20;
        const uint64_t last = size - 4096;
        struct test_kernel k;
        struct hal_mem x;
        float from[4] = { 1, 2, 3, 4 }, to[4] = { 0 };
        void *s;

        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, size, HAL_MEM_DEVICE, &x));
        OK(dev->ops->copy_in(dev, s, x.impl, last, from, 16, 0));
        for (int bda = 0; bda < 2; bda++) {
            union hal_arg args[] = { arg_buffer(&x, size, last),
                                     arg_buffer(&x, size, 64), arg_scalar(4),
                                     arg_f32(3) };

            if (bda && !(dev->info.caps & HAL_CAP_BDA))
                continue;
            scale_make(dev, &k, 1, bda);
            OK(test_launch(dev, s, &k, 1, args));
            OK(dev->ops->copy_out(dev, s, to, x.impl, 64, 16, 0));
            assert_true(to[0] == 3 && to[3] == 12);
            args[0] = arg_buffer(&x, size, 64);
            args[1] = arg_buffer(&x, size, last + 64);
            OK(test_launch(dev, s, &k, 1, args));
            OK(dev->ops->copy_out(dev, s, to, x.impl, last + 64, 16, 0));
            assert_true(to[0] == 9 && to[3] == 36);
            dev->ops->kernel_destroy(dev, k.kernel);
            test_kernel_free(&k);
        }
        dev->ops->mem_free(dev, x.impl);
        dev->ops->stream_destroy(dev, s);
    }
}

/* 1000 dependent launches: more than a batch, each reads what the one before
 * wrote. */
static void launches_are_ordered(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct test_kernel k;
        struct hal_mem x;
        float v = 1;
        double t;
        void *s;
        int i;

        scale_make(dev, &k, 1, 0);
        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, 1024, HAL_MEM_DEVICE, &x));
        const union hal_arg up[] = { arg_buffer(&x, 1024, 0),
                                     arg_buffer(&x, 1024, 512), arg_scalar(64),
                                     arg_f32(2) };
        const union hal_arg down[] = { arg_buffer(&x, 1024, 512),
                                       arg_buffer(&x, 1024, 0), arg_scalar(64),
                                       arg_f32(1) };
        const union hal_arg half[] = { arg_buffer(&x, 1024, 512),
                                       arg_buffer(&x, 1024, 0), arg_scalar(64),
                                       arg_f32(0.25f) };
        OK(dev->ops->copy_in(dev, s, x.impl, 0, &v, 4, 0));
        OK(test_launch(dev, s, &k, 1, up));
        OK(dev->ops->stream_sync(dev, s));
        t = now_ms();
        for (i = 0; i < 500; i++) {
            OK(test_launch(dev, s, &k, 1, up));
            OK(test_launch(dev, s, &k, 1, i % 2 ? half : down));
        }
        OK(dev->ops->copy_out(dev, s, &v, x.impl, 0, 4, 0));
        t = now_ms() - t;
        print_message("%s: %.1f us a launch, enqueued\n", dev->info.prop.name,
                      t);
        assert_true(v == 1.0f);
        dev->ops->mem_free(dev, x.impl);
        dev->ops->stream_destroy(dev, s);
        dev->ops->kernel_destroy(dev, k.kernel);
        test_kernel_free(&k);
    }
}

/* ---- what comes from outside ----------------------------------------- */

static void refuse(struct hal_dev *dev, const void *blob, size_t size)
{
    struct test_kernel k;

    test_kernel_desc(&k, "bad", "ffss");
    k.n_images = 1;
    k.images[0].blob = blob;
    k.images[0].blob_bytes = size;
    k.images[0].target = HAL_TARGET_VULKAN;
    k.images[0].caps = HAL_CAP_SSBO;
    k.kernel = (void *)9;
    assert_int_equal(test_kernel_create(dev, &k), halErrorKernelBuild);
    assert_ptr_equal(k.kernel, (void *)9);
}

static void bad_spirv_is_refused(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        uint32_t *words;
        void *blob;
        size_t size;

        glsl_compile(SCALE_SSBO, &blob, &size);
        words = blob;
        refuse(dev, blob, 0);
        refuse(dev, NULL, 0);
        refuse(dev, blob, 7);
        refuse(dev, blob, 16);
        refuse(dev, blob, 20);       /* a header and nothing else */
        refuse(dev, blob, size - 4); /* the function does not end */
        refuse(dev, blob, size - 8); /* nor does its block */
        words[0] ^= 1;
        refuse(dev, blob, size);
        words[0] ^= 1;
        words[1] = 0x00020000;
        refuse(dev, blob, size);
        words[1] = 0x00010000;
        words[3] = 0xffffffff;
        refuse(dev, blob, size);
        words[3] = 100;
        words[5] &= 0xffff; /* an instruction of no words */
        refuse(dev, blob, size);
        words[5] |= 0xffff0000; /* and one of too many */
        refuse(dev, blob, size);
        free(blob);
        glsl_compile(SCALE_SSBO, &blob, &size);
        words = blob;
        for (size_t at = 5; at < size / 4; at += words[at] >> 16)
            if ((words[at] & 0xffff) == 16) /* OpExecutionMode LocalSize */
                words[at + 3] = 100000;
        refuse(dev, blob, size);
        free(blob);
    }
}

static void too_many_arguments(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct test_kernel k;

        /* 16 addresses are 128 bytes, what every device takes. */
        test_kernel_desc(&k, "wide", "ffffffffffffffff");
        test_kernel_image(&k, "vulkan.ssbo", HAL_CAP_SSBO,
                          "#version 450\nlayout(local_size_x = 1) in;\n"
                          "void main() {}\n");
        OK(test_kernel_create(dev, &k));
        dev->ops->kernel_destroy(dev, k.kernel);
        test_kernel_free(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_abis_take_offsets),
        cmocka_unit_test(pointers_must_be_aligned),
        cmocka_unit_test(large_buffers),
        cmocka_unit_test(launches_are_ordered),
        cmocka_unit_test(bad_spirv_is_refused),
        cmocka_unit_test(too_many_arguments),
    };

    return cmocka_run_group_tests_name("vulkan kernel", tests, vulkan_test_open,
                                       vulkan_test_close);
}
