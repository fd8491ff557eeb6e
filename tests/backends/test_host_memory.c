/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_host_memory.c - out of host memory on real drivers: each allocation of
 * the library's own, core and backend, fails once.  Either a call says so, or
 * the work is done and right; everything can be destroyed, and the next round
 * works.  What the drivers allocate is not touched.
 */
#include "tests/backends/real_test.h"

#include "tests/hal/memory_test.h"

#define POISON ((void *)(uintptr_t)0x5a5a5a5a)

enum { N = 60000 }; /* floats: more than a backend keeps to copy through */

static void *image;
static size_t image_size;

/* ---- the work ----------------------------------------------------------- */

struct objects {
    void *mem, *copy, *pinned;
    halStream_t s, t;
    halEvent_t e, f;
    halModule_t m;
};

#define TRY(call)             \
    do {                      \
        st = (call);          \
        if (st != halSuccess) \
            return st;        \
    } while (0)

static halError_t make_all(struct objects *o)
{
    halError_t st;

    TRY(halMalloc(&o->mem, N * sizeof(float)));
    TRY(halStreamCreate(&o->s));
    TRY(halStreamCreate(&o->t));
    TRY(halMallocAsync(&o->copy, N * sizeof(float), o->s));
    TRY(halHostAlloc(&o->pinned, N * sizeof(float), 0));
    TRY(halEventCreate(&o->e));
    TRY(halEventCreate(&o->f));
    return halModuleLoadData(&o->m, image, image_size);
}

/* Twice what is in `in` comes out, with zeros in its first row of 100. */
static halError_t use_all(struct objects *o, const float *in, float *out)
{
    float a = 2, ms;
    unsigned n = N;
    void *args[] = { &o->copy, &a, &n };
    halFunction_t fn;
    halError_t st;

    TRY(halModuleGetFunction(&fn, o->m, "scale"));
    TRY(halMemcpyAsync(o->mem, in, N * sizeof *in, halMemcpyDefault, o->s));
    TRY(halEventRecord(o->e, o->s));
    TRY(halMemcpyAsync(o->copy, o->mem, N * sizeof *in, halMemcpyDefault,
                       o->s));
    TRY(halLaunchKernel(fn, (halDim3){ 64, 1, 1 }, (halDim3){ 0, 0, 0 }, args,
                        0, o->s));
    TRY(halEventRecord(o->f, o->s));
    TRY(halStreamWaitEvent(o->t, o->f, 0));
    TRY(halMemset2DAsync(o->copy, 200, 0, 100, 2, o->t));
    TRY(halMemcpyAsync(o->pinned, o->copy, N * sizeof *in, halMemcpyDefault,
                       o->t));
    TRY(halStreamSynchronize(o->t));
    TRY(halEventElapsedTime(&ms, o->e, o->f));
    TRY(halMemcpy2D(out, 400, o->copy, 400, 400, N / 100, halMemcpyDefault));
    if (memcmp(out, o->pinned, N * sizeof *out) != 0) {
        print_error("two copies of the same memory differ\n");
        _fail(__FILE__, __LINE__);
    }
    return halDeviceSynchronize();
}

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
    if (o->copy != POISON)
        OK(halFree(o->copy));
    if (o->pinned != POISON)
        OK(halFreeHost(o->pinned));
    OK(halDeviceReset());
}

static void check(const float *in, const float *out)
{
    for (int i = 0; i < N; i++) {
        float want = i < 25 || (i >= 50 && i < 75) ? 0 : 2 * in[i];

        if (out[i] != want)
            fail_msg("element %d is %g, not %g", i, (double)out[i],
                     (double)want);
    }
}

static void sweep(const char *name, float *in, float *out)
{
    int is_done = 0, n, n_said = 0;

    for (n = 1; !is_done; n++) {
        struct objects o;
        void **p = (void **)&o;
        halError_t st;

        assert_true(n < 2000);
        for (size_t i = 0; i < sizeof o / sizeof *p; i++)
            p[i] = POISON;
        for (int i = 0; i < N; i++) {
            in[i] = (float)(i + n);
            out[i] = -1;
        }
        atomic_store(&n_until, n);
        st = make_all(&o);
        if (st == halSuccess)
            st = use_all(&o, in, out);
        is_done = atomic_load(&n_until) > 0;
        atomic_store(&n_until, 0);
        if (st == halSuccess) {
            check(in, out);
        } else if (is_done || (st != halErrorHostMemory &&
                               st != halErrorMemoryAllocation)) {
            /* A device's memory may be the host's. */
            fail_msg("%s: allocation %d: %s: %s", name, n, halGetErrorName(st),
                     halGetErrorDetail());
        }
        n_said += st != halSuccess;
        end_all(&o);
    }
    print_message("%s: %d allocations were made to fail, %d calls said so\n",
                  name, n - 2, n_said);
    assert_true(n_said > 20);
}

static void each_device(void **state)
{
    float *in = __real_malloc(N * sizeof *in);
    float *out = __real_malloc(N * sizeof *out);
    int n = 0;

    (void)state;
    OK(halGetDeviceCount(&n));
    assert_true(n > 0 && in && out);
    for (int d = 0; d < n; d++) {
        struct halDeviceProp prop;

        OK(halSetDevice(d));
        OK(halGetDeviceProperties(&prop, d));
        sweep(prop.name, in, out);
    }
    free(in);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device),
    };
    int rc;

    if (real_image(&image, &image_size))
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(image);
    return rc;
}
