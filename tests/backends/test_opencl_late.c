/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_opencl_late.c - the OpenCL backend where things come late: kernels that
 * take long on a driver that runs them in the calling thread, and callbacks
 * that come after their event's completion, or never.
 */
#include "tests/backends/opencl_fake.h"

#include <pthread.h>

static halError_t advance(struct held *h, void *stream, uint32_t scalar)
{
    union hal_arg args[] = { arg_buffer(&h->a, 4), arg_scalar(1),
                             arg_scalar(scalar) };

    return test_run(h->dev, stream, h->kernel, 1, args, 3);
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
static int settle_inline(struct fake_opencl *fake, struct held *h)
{
    for (int i = 0; i < 1000; i++) {
        if (advance(h, h->stream, SHORT) != halSuccess ||
            h->dev->ops->stream_sync(h->dev, h->stream) != halSuccess)
            return 0;
        if (fake->launcher == (unsigned long)pthread_self())
            return 1;
    }
    return 0;
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
IN_CHILD(busy)
IN_CHILD(late_callback)
IN_CHILD(no_callback)
IN_CHILD(last_user)
IN_CHILD(close_waits)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grown),         cmocka_unit_test(busy),
        cmocka_unit_test(late_callback), cmocka_unit_test(no_callback),
        cmocka_unit_test(last_user),     cmocka_unit_test(close_waits),
    };

    return fake_main(tests, sizeof tests / sizeof tests[0]);
}
