/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call into a backend, and every allocation of the core's, is made to
 * fail, one after the other: the call that needed it reports an error,
 * out-parameters stay as they were, nothing leaks, and the devices work again
 * afterwards.
 */
#include "tests/hal/hal_test.h"

#define MEMORY_IS_SPARED fake_is_allocating
#include "tests/hal/memory_test.h"

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

#define POISON ((void *)(uintptr_t)0x5a5a5a5a)

static void *image;
static size_t image_size;

struct objects {
    void *mem, *far, *pooled, *pinned, *managed;
    halStream_t s, t;
    halEvent_t e, f;
    halModule_t m;
    halFunction_t fn;
};

/* A failed call that made something has not touched where it goes. */
static halError_t kept(halError_t st, void *out)
{
    if (st != halSuccess && out != POISON) {
        print_error("an out-parameter was written: %s\n", halGetErrorDetail());
        _fail(__FILE__, __LINE__);
    }
    return st;
}

#define TRY(call)             \
    do {                      \
        st = (call);          \
        if (st != halSuccess) \
            return st;        \
    } while (0)
#define MAKE(out, call) TRY(kept((call), (void *)(out)))

static halError_t make_all(struct objects *o, int near, int other)
{
    halError_t st;

    TRY(halSetDevice(other));
    MAKE(o->far, halMalloc(&o->far, 5000));
    MAKE(o->t, halStreamCreate(&o->t));
    TRY(halSetDevice(near));
    MAKE(o->mem, halMalloc(&o->mem, 5000));
    MAKE(o->s, halStreamCreate(&o->s));
    MAKE(o->pooled, halMallocAsync(&o->pooled, 3000, o->s));
    MAKE(o->pinned, halHostAlloc(&o->pinned, 5000, 0));
    MAKE(o->e, halEventCreate(&o->e));
    MAKE(o->f, halEventCreate(&o->f));
    if (near < 2)
        MAKE(o->managed,
             halMallocManaged(&o->managed, 100, halMemAttachGlobal));
    MAKE(o->m, halModuleLoadData(&o->m, image, image_size));
    MAKE(o->fn, halModuleGetFunction(&o->fn, o->m, "scale"));
    return halSuccess;
}

static halError_t use_all(struct objects *o)
{
    static float host[1250];
    float a = 2, ms;
    unsigned n = 10;
    void *args[] = { &o->mem, &a, &n };
    halDim3 one = { 1, 1, 1 }, any = { 0, 0, 0 };
    size_t has, total;
    halError_t st;

    TRY(halMemGetInfo(&has, &total));
    TRY(halMemset(o->mem, 0, 5000));
    TRY(halMemcpy(o->mem, host, 5000, halMemcpyDefault));
    TRY(halEventRecord(o->e, o->s));
    TRY(halLaunchKernel(o->fn, one, any, args, 0, o->s));
    TRY(halMemcpyAsync(o->pooled, o->mem, 3000, halMemcpyDefault, o->s));
    TRY(halMemcpy2DAsync(o->mem, 100, o->pooled, 50, 50, 20, halMemcpyDefault,
                         o->s));
    TRY(halMemcpyAsync(o->pinned, o->mem, 5000, halMemcpyDefault, o->s));
    TRY(halMemcpyAsync(o->far, o->mem, 5000, halMemcpyDefault, o->s));
    TRY(halEventRecord(o->f, o->s));
    TRY(halStreamWaitEvent(o->t, o->f, 0));
    TRY(halMemset2DAsync(o->far, 100, 1, 10, 50, o->t));
    TRY(halMemset(o->mem, 1, 10));
    TRY(halStreamSynchronize(o->t));
    TRY(halStreamSynchronize(o->s));
    TRY(halEventSynchronize(o->f));
    TRY(halEventElapsedTime(&ms, o->e, o->f));
    TRY(halFreeAsync(o->pooled, o->s));
    o->pooled = POISON;
    TRY(halMemcpy(host, o->far, 5000, halMemcpyDefault));
    return halDeviceSynchronize();
}

/* Destroying works whatever has failed. */
static void end_all(struct objects *o)
{
    if (o->m != POISON)
        OK(halModuleUnload(o->m));
    if (o->e != POISON)
        OK(halEventDestroy(o->e));
    if (o->f != POISON)
        OK(halEventDestroy(o->f));
    if (o->s != POISON)
        OK(halStreamDestroy(o->s));
    if (o->t != POISON)
        OK(halStreamDestroy(o->t));
    if (o->mem != POISON)
        OK(halFree(o->mem));
    if (o->far != POISON)
        OK(halFree(o->far));
    if (o->pooled != POISON)
        OK(halFree(o->pooled));
    if (o->managed != POISON)
        OK(halFree(o->managed));
    if (o->pinned != POISON)
        OK(halFreeHost(o->pinned));
}

static void sweep(halError_t error, int near, int other)
{
    unsigned n;
    int is_done = 0;

    for (n = 1; !is_done; n++) {
        struct objects o;
        void **p = (void **)&o;
        halError_t st, late = halSuccess;
        size_t i;
        int d;

        assert_true(n < 1000);
        for (i = 0; i < sizeof o / sizeof *p; i++)
            p[i] = POISON;
        fake_fail_at(n, error);
        st = make_all(&o, near, other);
        if (st == halSuccess)
            st = use_all(&o);
        is_done = !fake_has_failed();
        /* Work that a stream does by itself fails late. */
        for (d = 0; d < 4 && st == halSuccess && !is_done; d++) {
            OK(halSetDevice(d));
            late = halDeviceSynchronize();
            if (late != halSuccess)
                break;
        }
        if (is_done)
            assert_int_equal(st, halSuccess);
        else if (st == halSuccess && late == halSuccess)
            /* Only a query that has an answer anyway may be forgiven. */
            assert_int_equal(error, halErrorMemoryAllocation);
        else
            assert_true(st == error || late == error ||
                        (error == halErrorMemoryAllocation &&
                         st == halErrorHostMemory));
        fake_fail_at(0, halSuccess);
        end_all(&o);
        assert_int_equal(reset_all(NULL), 0);
    }
    print_message("%u calls were made to fail\n", n - 2);
    assert_true(n > 40);
}

static void no_memory(void **state)
{
    (void)state;
    sweep(halErrorMemoryAllocation, 0, 2);
    sweep(halErrorMemoryAllocation, 2, 0);
    sweep(halErrorMemoryAllocation, 0, 1);
}

static void device_lost(void **state)
{
#ifdef __SANITIZE_THREAD__
    /* A wait for a lost device ends at once, so nothing orders what the other
     * device does next with what the lost one's copy may still write. */
    skip();
#endif
    (void)state;
    sweep(halErrorDeviceLost, 0, 3);
    sweep(halErrorDeviceLost, 2, 0);
}

/* ---- the host's memory ----------------------------------------------------
 */

static void sweep_host(int near, int other)
{
    int is_done = 0, n, d;

    for (n = 1; !is_done; n++) {
        struct objects o;
        void **p = (void **)&o;
        halError_t st;
        size_t i;

        assert_true(n < 1000);
        for (i = 0; i < sizeof o / sizeof *p; i++)
            p[i] = POISON;
        atomic_store(&n_until, n);
        st = make_all(&o, near, other);
        if (st == halSuccess)
            st = use_all(&o);
        for (d = 0; d < 4 && st == halSuccess; d++) {
            OK(halSetDevice(d));
            st = halDeviceSynchronize();
        }
        is_done = atomic_load(&n_until) > 0;
        atomic_store(&n_until, 0);
        if (st != (is_done ? halSuccess : halErrorHostMemory)) {
            print_error("allocation %d: %s: %s\n", n, halGetErrorName(st),
                        halGetErrorDetail());
            fail();
        }
        end_all(&o);
        assert_int_equal(reset_all(NULL), 0);
    }
    print_message("%d allocations were made to fail\n", n - 2);
    assert_true(n > 20);
}

static void no_host_memory(void **state)
{
    (void)state;
    sweep_host(0, 2);
    sweep_host(2, 0);
    sweep_host(0, 1);
}

/* A reset has no way to fail. */
static void reset(void **state)
{
    unsigned n;

    (void)state;
    for (n = 1; n < 12; n++) {
        struct objects o;

        assert_int_equal(make_all(&o, 0, 2), halSuccess);
        assert_int_equal(use_all(&o), halSuccess);
        OK(halSetDevice(0));
        fake_fail_at(n, halErrorDeviceLost);
        OK(halDeviceReset());
        fake_fail_at(0, halSuccess);
        assert_int_equal(reset_all(NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory),
        cmocka_unit_test(device_lost),
        cmocka_unit_test(no_host_memory),
        cmocka_unit_test(reset),
    };
    int rc;

    image = fake_halbin(&image_size);
    if (!image)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(image);
    return rc;
}
