/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_opencl_late.c - the OpenCL backend where things come late: kernels that
 * take long on a driver that runs them in the calling thread, and callbacks
 * that come after their event's completion, or never.
 */
#include "tests/backends/opencl_fake.h"

#include <pthread.h>

static halError_t advance_by(struct held *h, void *stream, uint32_t n,
                             uint32_t times)
{
    union hal_arg args[] = { arg_buffer(&h->a, 4), arg_scalar(n),
                             arg_scalar(times) };

    return test_run(h->dev, stream, h->kernel, 1, args, 3);
}

static halError_t advance(struct held *h, void *stream, uint32_t scalar)
{
    return advance_by(h, stream, 1, scalar);
}

/* ---- launches that may block --------------------------------------------- */

#define SHORT 3
#define LONG  1000

static int prepare_inline(struct fake_opencl **fake, struct held *h,
                          struct test_kernel *k)
{
    *fake = fake_load();
    CHECK(*fake);
    (*fake)->is_inline = 1;
    (*fake)->long_above = LONG - 1;
    alarm(60); /* a launch that waits would wait for ever */
    return prepare(fake, h, k);
}

/* Launches until a launch runs in this thread; 0 if none does. */
static int settle_by(struct fake_opencl *fake, struct held *h, uint32_t n,
                     uint32_t times)
{
    for (int i = 0; i < 1000; i++) {
        if (advance_by(h, h->stream, n, times) != halSuccess ||
            h->dev->ops->stream_sync(h->dev, h->stream) != halSuccess)
            return 0;
        if (fake->launcher == (unsigned long)pthread_self())
            return 1;
    }
    return 0;
}

static int settle_inline(struct fake_opencl *fake, struct held *h)
{
    return settle_by(fake, h, 1, SHORT);
}

/* A kernel that becomes slow because a scalar grew does not block its caller,
 * not even once, and leaves the short launches where they are. */
static int grown_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    int n_inline = 0;

    if (prepare_inline(&fake, &h, &k))
        return 1;
    CHECK(!advance(&h, h.stream, SHORT));
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    CHECK(fake->launcher != (unsigned long)pthread_self()); /* the first */
    CHECK(settle_inline(fake, &h));
    for (int i = 0; i < 100; i++) {
        CHECK(!advance(&h, h.stream, LONG));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        CHECK(fake->launcher != (unsigned long)pthread_self());
        CHECK(!advance(&h, h.stream, SHORT));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        n_inline += fake->launcher == (unsigned long)pthread_self();
    }
    CHECK(fake->n_long == 100);
    /* Other load may make a short one look long when it is timed, and then the
     * next one too. */
    CHECK(n_inline >= 50);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* What is known of two launches says nothing about a third that has one scalar
 * of each: it is handed over, however often. */
static int combined_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };

    if (prepare_inline(&fake, &h, &k))
        return 1;
    CHECK(settle_by(fake, &h, 1, LONG - 1));
    CHECK(settle_by(fake, &h, LONG - 1, 1));
    for (int i = 0; i < 100; i++) {
        CHECK(!advance_by(&h, h.stream, LONG - 1, LONG - 1));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        CHECK(fake->launcher != (unsigned long)pthread_self());
    }
    CHECK(fake->n_long == 100);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* Nor does a negative scalar, whose bits are a large number, say anything about
 * the numbers beneath. */
static int negative_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };

    if (prepare_inline(&fake, &h, &k))
        return 1;
    CHECK(settle_by(fake, &h, 1, (uint32_t)-1));
    for (uint32_t i = 0; i < 100; i++) {
        CHECK(!advance(&h, h.stream, LONG + i));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        CHECK(fake->launcher != (unsigned long)pthread_self());
    }
    CHECK(fake->n_long == 100);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* A larger grid, or more shared memory, is another launch too. */
static int shape_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    union hal_arg args[3];

    if (prepare_inline(&fake, &h, &k))
        return 1;
    CHECK(settle_inline(fake, &h));
    args[0] = arg_buffer(&h.a, 4);
    args[1] = arg_scalar(1);
    args[2] = arg_scalar(SHORT);
    for (int i = 0; i < 4; i++) {
        struct hal_launch launch = { .grid = { 1, 1, 1 },
                                     .n_args = 3,
                                     .args = args };

        if (i < 3)
            launch.grid[i] = 2;
        else
            launch.shared_bytes = 64;
        CHECK(!h.dev->ops->launch(h.dev, h.stream, h.kernel, &launch));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        CHECK(fake->launcher != (unsigned long)pthread_self());
    }
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* Launches that take longer than they did, with the same numbers, block their
 * caller only a few times, and one that takes `ms` only once. */
static int slower_by(int ms, int n_most)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    int n_inline = 0;

    if (prepare_inline(&fake, &h, &k))
        return 1;
    CHECK(settle_inline(fake, &h));
    fake->long_above = SHORT - 1; /* now SHORT is long */
    fake->long_ms = ms;
    for (int i = 0; i < 40; i++) {
        /* Another launch of the kernel takes its turn: it must not take all
         * the samples. */
        CHECK(!advance(&h, h.stream, 1));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        CHECK(!advance(&h, h.stream, SHORT));
        CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
        n_inline += fake->launcher == (unsigned long)pthread_self();
    }
    CHECK(n_inline <= n_most);
    CHECK(fake->n_long == 40);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

static int slower_body(void)
{
    return slower_by(1, 16);
}

static int much_slower_body(void)
{
    return slower_by(25, 1);
}

/* While a long launch runs on one stream, the same kernel's launch on another
 * returns. */
static int busy_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };

    if (prepare_inline(&fake, &h, &k))
        return 1;
    CHECK(settle_inline(fake, &h));
    fake->hold_long = 1;
    CHECK(!advance(&h, h.stream, LONG));
    while (!fake->n_long)
        usleep(100);
    CHECK(!advance(&h, h.second, SHORT)); /* returns */
    CHECK(h.dev->ops->stream_query(h.dev, h.second) == halErrorNotReady);
    fake->hold_long = 0;
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    CHECK(!h.dev->ops->stream_sync(h.dev, h.second));
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* ---- callbacks ------------------------------------------------------------
 */

static int prepare_callbacks(struct fake_opencl **fake, struct held *h,
                             struct test_kernel *k)
{
    *fake = fake_load();
    CHECK(*fake);
    (*fake)->slow_clock = 1;
    alarm(60);
    if (prepare(fake, h, k))
        return 1;
    (*fake)->hold_callbacks = 1;
    CHECK(!h->dev->ops->event_record(h->dev, h->stream, h->start));
    CHECK(!h->dev->ops->event_record(h->dev, h->stream, h->end));
    return 0;
}

static void *call_back(void *arg)
{
    struct fake_opencl *fake = arg;

    usleep(30000);
    fake->run_callbacks();
    return NULL;
}

/* One that comes a little later than its event is waited for. */
static int late_callback_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    pthread_t thread;
    float ms = -1;

    if (prepare_callbacks(&fake, &h, &k))
        return 1;
    CHECK(!pthread_create(&thread, NULL, call_back, fake));
    CHECK(!h.dev->ops->event_elapsed(h.dev, h.start, h.end, &ms));
    CHECK(ms >= 0 && ms < 60000);
    pthread_join(thread, NULL);
    CHECK(fake->n_in_callback == 0);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* One that never comes is an error, not a wait without end. */
static int no_callback_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    float ms = -1;

    if (prepare_callbacks(&fake, &h, &k))
        return 1;
    CHECK(h.dev->ops->event_elapsed(h.dev, h.start, h.end, &ms) ==
          halErrorInternal);
    CHECK(strstr(halGetErrorDetail(), "does not tell"));
    CHECK(ms == -1);
    fake->event_status = 1; /* still running: said at once */
    CHECK(h.dev->ops->event_elapsed(h.dev, h.start, h.end, &ms) ==
          halErrorNotReady);
    fake->event_status = 0;
    fake->run_callbacks();
    CHECK(!h.dev->ops->event_elapsed(h.dev, h.start, h.end, &ms));
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* A callback that is its record's last user calls nothing: the driver may hold
 * its locks around it. */
static int last_user_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };

    if (prepare_callbacks(&fake, &h, &k))
        return 1;
    h.dev->ops->event_destroy(h.dev, h.start);
    h.dev->ops->event_destroy(h.dev, h.end);
    h.start = h.end = SAME;
    fake->run_callbacks();
    CHECK(fake->n_in_callback == 0);
    give_back(&h);
    CHECK(fake->n_live == 0); /* and nothing is lost */
    return 0;
}

/* A device that is closed outlives the callbacks that are under way. */
static int close_waits_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    pthread_t thread;

    if (prepare_callbacks(&fake, &h, &k))
        return 1;
    CHECK(!pthread_create(&thread, NULL, call_back, fake));
    give_back(&h); /* the address sanitizer watches the callback */
    CHECK(fake->n_live == 0);
    pthread_join(thread, NULL);
    return 0;
}

IN_CHILD(grown)
IN_CHILD(combined)
IN_CHILD(negative)
IN_CHILD(shape)
IN_CHILD(slower)
IN_CHILD(much_slower)
IN_CHILD(busy)
IN_CHILD(late_callback)
IN_CHILD(no_callback)
IN_CHILD(last_user)
IN_CHILD(close_waits)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grown),       cmocka_unit_test(combined),
        cmocka_unit_test(negative),    cmocka_unit_test(shape),
        cmocka_unit_test(slower),      cmocka_unit_test(much_slower),
        cmocka_unit_test(busy),        cmocka_unit_test(late_callback),
        cmocka_unit_test(no_callback), cmocka_unit_test(last_user),
        cmocka_unit_test(close_waits),
    };

    return fake_main(tests, sizeof tests / sizeof tests[0]);
}
