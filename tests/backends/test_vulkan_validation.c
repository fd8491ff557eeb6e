/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vulkan_validation.c - the backend under VK_LAYER_KHRONOS_validation: no
 * complaint about what it does, and a complaint ends in an error of the next
 * wait, with the layer's words.
 */
#include "tests/backends/vulkan_test.h"

static int layer_missing;

static int open_validated(void **state)
{
    unsigned count;

    setenv("HALCYON_VULKAN_VALIDATION", "1", 0);
    vulkan_test_drivers();
    if (hal_backend_vulkan.probe(&count) != halSuccess &&
        strstr(halGetErrorDetail(), "vulkan-validationlayers"))
        layer_missing = 1;
    return vulkan_test_open(state);
}

static void note_fn(void *arg)
{
    *(int *)arg = 1;
}

static void work(struct hal_dev *dev, struct test_kernel *k)
{
    enum { BYTES = 1 << 20 };
    static unsigned char host[BYTES];
    struct hal_mem x, y, pin;
    void *s, *t, *e, *late, *pinned;
    int noted = 0, i;
    float ms;

    OK(dev->ops->stream_create(dev, 0, &s));
    OK(dev->ops->stream_create(dev, 0, &t));
    OK(dev->ops->event_create(dev, 1, &e));
    OK(dev->ops->event_create(dev, 1, &late));
    OK(dev->ops->mem_alloc(dev, BYTES, HAL_MEM_DEVICE, &x));
    OK(dev->ops->mem_alloc(dev, 600 << 20, HAL_MEM_DEVICE, &y));
    OK(dev->opt->host_alloc(dev, BYTES, 0, &pinned, &pin));
    const union hal_arg args[] = { arg_buffer(&x, BYTES, 0),
                                   arg_buffer(&y, 600u << 20, 20),
                                   arg_scalar(1000), arg_f32(2) };
    for (i = 0; i < 3; i++) {
        OK(dev->ops->host_func(dev, s, note_fn, &noted));
        OK(dev->ops->copy_in(dev, s, x.impl, 0, host, BYTES, 0));
        OK(dev->ops->event_record(dev, s, e));
        OK(dev->ops->stream_wait(dev, t, e));
        OK(dev->ops->fill(dev, t, x.impl, 3, 1001, 7, 1));
        OK(test_launch(dev, t, k, 16, args));
        OK(test_launch(dev, t, k, 16, args));
        OK(dev->ops->copy(dev, t, y.impl, 1, x.impl, 2, 999));
        OK(dev->ops->copy_out(dev, t, pinned, y.impl, 0, BYTES,
                              HAL_COPY_PINNED));
        OK(dev->ops->copy_out(dev, t, host, y.impl, 0, BYTES, HAL_COPY_PINNED));
        OK(dev->ops->event_record(dev, t, late));
        OK(dev->ops->stream_wait(dev, s, late));
        OK(dev->ops->stream_sync(dev, s));
        OK(dev->ops->event_elapsed(dev, e, late, &ms));
    }
    dev->ops->stream_destroy(dev, s);
    dev->ops->stream_destroy(dev, t);
    dev->ops->event_destroy(dev, e);
    dev->ops->event_destroy(dev, late);
    dev->ops->mem_free(dev, x.impl);
    dev->ops->mem_free(dev, y.impl);
    dev->opt->host_free(dev, pinned, pin.impl);
}

static void good_code_is_clean(void **state)
{
    (void)state;
    if (layer_missing)
        skip();
    EACH_DEVICE(dev)
    {
        struct test_kernel k;

        test_kernel_desc(&k, "scale", "ffss");
        test_kernel_image(&k, "vulkan.ssbo", HAL_CAP_SSBO, SCALE_SSBO);
        if (dev->info.caps & HAL_CAP_BDA)
            test_kernel_image(&k, "vulkan.bda", HAL_CAP_BDA, SCALE_BDA);
        OK(test_kernel_create(dev, &k));
        work(dev, &k);
        dev->ops->kernel_destroy(dev, k.kernel);
        test_kernel_free(&k);
    }
}

static void bad_code_is_named(void **state)
{
    (void)state;
    if (layer_missing)
        skip();
    EACH_DEVICE(dev)
    {
        struct hal_mem x;
        void *s;

        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, 256, HAL_MEM_DEVICE, &x));
        /* A copy of no bytes, which the core never asks for: the layer
         * objects, and the driver touches nothing. */
        OK(dev->ops->copy(dev, s, x.impl, 0, x.impl, 128, 0));
        assert_int_equal(dev->ops->stream_sync(dev, s), halErrorInternal);
        assert_non_null(strstr(halGetErrorDetail(), "validation layer"));
        assert_non_null(strstr(halGetErrorDetail(), "vkCmdCopyBuffer"));
        OK(dev->ops->stream_sync(dev, s)); /* each once */
        dev->ops->mem_free(dev, x.impl);
        dev->ops->stream_destroy(dev, s);
    }
}

/* Objects that are left, and mistakes of closing, are complaints too. */
static void closing_is_clean(void **state)
{
    unsigned count, i;
    struct hal_dev *dev;

    (void)state;
    if (layer_missing || !n_test_devs)
        skip();
    OK(vulkan_test_close(NULL) ? halErrorInternal : halSuccess);
    OK(hal_backend_vulkan.probe(&count));
    for (i = 0; i < count; i++) {
        void *s;

        OK(hal_backend_vulkan.device_open(i, &dev));
        dev->ops->device_close(dev);
        OK(hal_backend_vulkan.device_open(i, &dev));
        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->stream_sync(dev, s)); /* says what closing complained of */
        dev->ops->stream_destroy(dev, s);
        dev->ops->device_close(dev);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_code_is_clean),
        cmocka_unit_test(bad_code_is_named),
        cmocka_unit_test(closing_is_clean),
    };

    return cmocka_run_group_tests_name("vulkan validation", tests,
                                       open_validated, vulkan_test_close);
}
