/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and fills: kinds, bounds, rows, and devices that differ. */
#include "tests/hal/hal_test.h"

#include <pthread.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

enum { N = 1021 };

static void pattern(unsigned char *p, size_t n, unsigned seed)
{
    size_t i;

    for (i = 0; i < n; i++)
        p[i] = (unsigned char)((i * 7 + seed) ^ (i >> 8));
}

static void *device_buffer(int device, size_t size)
{
    int now;
    void *p;

    OK(halGetDevice(&now));
    OK(halSetDevice(device));
    OK(halMalloc(&p, size));
    OK(halSetDevice(now));
    return p;
}

/* There and back, between any two devices, at odd offsets. */
static void all_pairs(void **state)
{
    unsigned char in[N], out[N];
    int from, to;

    (void)state;
    for (from = 0; from < 4; from++) {
        for (to = 0; to < 4; to++) {
            char *a = device_buffer(from, N + 3), *b = device_buffer(to, N + 5);

            pattern(in, N, (unsigned)(from * 4 + to));
            memset(out, 0, N);
            OK(halMemcpy(a + 3, in, N, halMemcpyHostToDevice));
            OK(halMemcpy(b + 5, a + 3, N, halMemcpyDeviceToDevice));
            OK(halMemcpy(out, b + 5, N, halMemcpyDefault));
            assert_memory_equal(in, out, N);
            pattern(in, N, 99);
            OK(halMemcpy(a + 3, in, N, halMemcpyDefault));
            OK(halMemcpyPeer(b + 5, to, a + 3, from, N));
            OK(halMemcpy(out, b + 5, N, halMemcpyDeviceToHost));
            assert_memory_equal(in, out, N);
            OK(halFree(a));
            OK(halFree(b));
        }
    }
}

static void kinds(void **state)
{
    char *dev = device_buffer(0, N), *made = device_buffer(2, N);
    char host[N] = { 0 }, host2[N];
    void *pinned;

    (void)state;
    FAILS(halErrorInvalidValue, "host memory",
          halMemcpy(dev, host, N, halMemcpyHostToHost));
    FAILS(halErrorInvalidValue, "host memory",
          halMemcpy(host, made, N, halMemcpyHostToHost));
    FAILS(halErrorInvalidPointer, "device memory",
          halMemcpy(host2, host, N, halMemcpyHostToDevice));
    FAILS(halErrorInvalidPointer, "device memory",
          halMemcpy(host2, host, N, halMemcpyDeviceToHost));
    FAILS(halErrorInvalidPointer, "device memory",
          halMemcpy(dev, host, N, halMemcpyDeviceToDevice));
    FAILS(halErrorInvalidValue, "host memory",
          halMemcpy(dev, made, N, halMemcpyHostToDevice));
    FAILS(halErrorInvalidValue, "kind",
          halMemcpy(dev, host, N, (halMemcpyKind)9));
    FAILS(halErrorInvalidValue, "dst is NULL",
          halMemcpy(NULL, host, N, halMemcpyDefault));
    OK(halMemcpy(NULL, NULL, 0, halMemcpyDefault));
    OK(halMemcpy(host2, host, N, halMemcpyDefault));
    assert_memory_equal(host, host2, N);
    FAILS(halErrorInvalidValue, "not of device",
          halMemcpyPeer(dev, 1, made, 2, N));
    FAILS(halErrorInvalidDevice, "ordinals",
          halMemcpyPeer(dev, 0, made, 17, N));

    /* Page-locked host memory is device memory only where it is mapped. */
    OK(halSetDevice(2));
    OK(halMallocHost(&pinned, N));
    FAILS(halErrorInvalidPointer, "page-locked",
          halMemcpy(pinned, host, N, halMemcpyHostToDevice));
    FAILS(halErrorInvalidPointer, "page-locked",
          halMemcpy(made, pinned, N, halMemcpyDeviceToDevice));
    FAILS(halErrorInvalidPointer, "page-locked",
          halMemcpyPeer(made, 2, pinned, 2, N));
    OK(halMemcpy(made, pinned, N, halMemcpyHostToDevice));
    OK(halFreeHost(pinned));
    OK(halSetDevice(0));
    OK(halHostAlloc(&pinned, N, halHostAllocMapped));
    OK(halMemcpy(pinned, dev, N, halMemcpyDeviceToDevice));
    OK(halFreeHost(pinned));
    OK(halMallocManaged(&pinned, N, halMemAttachGlobal));
    OK(halMemcpy(pinned, dev, N, halMemcpyDeviceToDevice));
    OK(halFree(pinned));
    OK(halFree(dev));
    OK(halFree(made));
}

static void bounds(void **state)
{
    int device;

    (void)state;
    for (device = 0; device < 4; device += 2) {
        char *p = device_buffer(device, N), *q = device_buffer(device, 2 * N);
        char host[2 * N] = { 0 };

        FAILS(halErrorInvalidValue, "leave",
              halMemcpy(p, host, N + 1, halMemcpyDefault));
        FAILS(halErrorInvalidValue, "leave",
              halMemcpy(host, p + 1, N, halMemcpyDefault));
        FAILS(halErrorInvalidValue, "leave",
              halMemcpy(q, p, N + 1, halMemcpyDefault));
        FAILS(halErrorInvalidValue, "",
              halMemcpy(p, host, SIZE_MAX - 4096, halMemcpyDefault));
        FAILS(halErrorInvalidValue, "leave", halMemset(p + N - 1, 0, 2));
        FAILS(halErrorInvalidValue, "overlap",
              halMemcpy(q, q + 1, N, halMemcpyDefault));
        FAILS(halErrorInvalidValue, "overlap",
              halMemcpy(q + N - 1, q, N, halMemcpyDefault));
        FAILS(halErrorInvalidValue, "overlap",
              halMemcpy(host, host + 1, N, halMemcpyDefault));
        OK(halMemcpy(q + N, q, N, halMemcpyDefault)); /* they touch */
        OK(halFree(p));
        OK(halFree(q));
    }
}

static void fills(void **state)
{
    int device;

    (void)state;
    for (device = 0; device < 4; device += 2) {
        unsigned char host[64];
        char *p = device_buffer(device, 64);
        int i;

        OK(halMemset(p, 0x11, 64));
        OK(halMemset(p + 3, 0x1a5, 5)); /* the low byte counts */
        OK(halMemsetD16(p + 10, 0x1234, 3));
        OK(halMemsetD32(p + 20, 0x89abcdef, 2));
        OK(halMemset2D(p + 32, 8, 0x77, 3, 4));
        OK(halMemcpy(host, p, 64, halMemcpyDefault));
        for (i = 0; i < 64; i++) {
            unsigned want = 0x11;

            if (i >= 3 && i < 8)
                want = 0xa5;
            if (i >= 10 && i < 16)
                want = i % 2 ? 0x12 : 0x34;
            if (i >= 20 && i < 28)
                want = 0x89abcdefu >> (8 * (i % 4)) & 255;
            if (i >= 32 && i < 64 && i % 8 < 3)
                want = 0x77;
            assert_int_equal(host[i], want);
        }
        FAILS(halErrorInvalidValue, "aligned", halMemsetD16(p + 1, 0, 1));
        FAILS(halErrorInvalidValue, "aligned", halMemsetD32(p + 2, 0, 1));
        FAILS(halErrorInvalidValue, "overflow",
              halMemsetD32(p, 0, SIZE_MAX / 2));
        FAILS(halErrorInvalidValue, "pitch", halMemset2D(p, 4, 0, 5, 2));
        FAILS(halErrorInvalidPointer, "not know", halMemset(host, 0, 4));
        FAILS(halErrorInvalidValue, "NULL", halMemset(NULL, 0, 4));
        OK(halMemset(NULL, 0, 0));
        OK(halFree(p));
    }
}

/* 5 rows of 7 bytes out of pitch 16 into pitch 9, for every pair of ends. */
static void rows(void **state)
{
    unsigned char in[80], out[45], want[45];
    int from, to, i;

    (void)state;
    for (from = -1; from < 4; from++) {
        for (to = -1; to < 4; to++) {
            void *a = from < 0 ? NULL : device_buffer(from, 80);
            void *b = to < 0 ? NULL : device_buffer(to, 45);

            pattern(in, 80, 5);
            memset(out, 0xee, 45);
            memset(want, 0xee, 45);
            for (i = 0; i < 5; i++)
                memcpy(want + 9 * i, in + 16 * i, 7);
            if (a)
                OK(halMemcpy(a, in, 80, halMemcpyDefault));
            if (b)
                OK(halMemcpy(b, out, 45, halMemcpyDefault));
            OK(halMemcpy2D(b ? b : out, 9, a ? a : in, 16, 7, 5,
                           halMemcpyDefault));
            if (b)
                OK(halMemcpy(out, b, 45, halMemcpyDefault));
            assert_memory_equal(out, want, 45);
            OK(halFree(a));
            OK(halFree(b));
        }
    }
}

static void rows_checks(void **state)
{
    char *p = device_buffer(2, 100), *large = device_buffer(2, 20 << 20);
    char host[100];

    (void)state;
    FAILS(halErrorInvalidValue, "pitch",
          halMemcpy2D(p, 4, host, 10, 5, 2, halMemcpyDefault));
    FAILS(halErrorInvalidValue, "leave",
          halMemcpy2D(p, 20, host, 10, 10, 6, halMemcpyDefault));
    FAILS(halErrorInvalidValue, "overflow",
          halMemcpy2D(p, SIZE_MAX / 2, host, 10, 10, 6, halMemcpyDefault));
    FAILS(halErrorInvalidValue, "a pitch of",
          halMemcpy2D(large, 9 << 20, host, 10, 10, 2, halMemcpyDefault));
    /* Left half to right half of one matrix: the rows do not meet. */
    OK(halMemcpy2D(p + 10, 20, p, 20, 10, 5, halMemcpyDefault));
    FAILS(halErrorInvalidValue, "overlap",
          halMemcpy2D(p + 9, 20, p, 20, 10, 4, halMemcpyDefault));
    OK(halMemcpy2D(p, 20, host, 10, 10, 5, halMemcpyDefault));
    OK(halMemcpy2D(NULL, 0, NULL, 0, 0, 5, halMemcpyDefault));
    OK(halFree(p));
    OK(halFree(large));
}

/* Larger than a staging chunk, with a tail, in both shapes. */
static void cross_large(void **state)
{
    const size_t size = ((size_t)9 << 20) + 13;
    unsigned char *in = malloc(size), *out = calloc(1, size);
    char *a = device_buffer(0, size), *b = device_buffer(2, size);
    halStream_t s;

    (void)state;
    pattern(in, size, 3);
    OK(halMemcpy(a, in, size, halMemcpyDefault));
    OK(halMemcpy(b, a, size, halMemcpyDefault));
    OK(halMemcpy(out, b, size, halMemcpyDefault));
    assert_memory_equal(in, out, size);

    /* Two rows of more than a chunk each, on a stream of either device. */
    OK(halSetDevice(2));
    OK(halStreamCreate(&s));
    OK(halMemsetAsync(b, 0, size, s));
    OK(halMemcpy2DAsync(b, size / 2, a, size / 2, size / 2 - 5, 2,
                        halMemcpyDeviceToDevice, s));
    OK(halMemcpyAsync(out, b, size, halMemcpyDefault, s));
    OK(halStreamSynchronize(s));
    assert_memory_equal(in, out, size / 2 - 5);
    assert_int_equal(out[size / 2 - 1], 0);
    assert_memory_equal(in + size / 2, out + size / 2, size / 2 - 5);
    OK(halStreamDestroy(s));
    OK(halFree(a));
    OK(halFree(b));
    free(in);
    free(out);
}

/* Pinned copies return at once; pageable ones are done with the host range. */
static void asynchronous(void **state)
{
    char *p = device_buffer(0, N), *b = device_buffer(2, N);
    unsigned char *pinned, in[N], out[N], want[N];
    halStream_t s;

    (void)state;
    OK(halSetDevice(0));
    OK(halStreamCreate(&s));
    OK(halMallocHost((void **)&pinned, N));
    pattern(in, N, 1);
    pattern(pinned, N, 2);
    memcpy(want, in, N);
    fake_hold(1);
    OK(halMemcpyAsync(p, in, N, halMemcpyDefault, s));
    memset(in, 0, N); /* read already */
    fake_hold(0);
    OK(halMemcpyAsync(out, p, N, halMemcpyDefault, s));
    assert_memory_equal(out, want, N); /* written already */
    fake_hold(1);
    OK(halMemcpyAsync(p, pinned, N, halMemcpyDefault, s));
    OK(halMemcpyPeerAsync(b, 2, p, 0, N, s)); /* across, in order */
    OK(halMemcpyAsync(pinned, b, N, halMemcpyDefault, s));
    assert_int_equal(halStreamQuery(s), halErrorNotReady);
    pattern(pinned, N, 4); /* not read yet */
    fake_hold(0);
    OK(halStreamSynchronize(s));
    pattern(want, N, 4);
    assert_memory_equal(pinned, want, N);
    OK(halMemcpy(out, b, N, halMemcpyDefault));
    assert_memory_equal(out, want, N);
    OK(halStreamDestroy(s));
    OK(halFreeHost(pinned));
    OK(halFree(p));
    OK(halFree(b));
}

/* Memory that a copy across devices still uses is not freed under it. */
static void free_waits_for_cross(void **state)
{
    char *a = device_buffer(0, N), *b = device_buffer(2, N);
    unsigned char in[N], out[N];
    halStream_t s;

    (void)state;
    OK(halSetDevice(0));
    OK(halStreamCreate(&s));
    pattern(in, N, 8);
    OK(halMemcpy(a, in, N, halMemcpyDefault));
    fake_delay_us(3000);
    OK(halMemcpyAsync(b, a, N, halMemcpyDefault, s));
    OK(halMemcpyAsync(a, b, N, halMemcpyDefault, s));
    OK(halFree(b));
    OK(halMemcpy(out, a, N, halMemcpyDefault));
    assert_memory_equal(in, out, N);
    OK(halFree(a));
    OK(halStreamDestroy(s));
}

struct crossing {
    char *from, *to;
    unsigned char in[N];
    halError_t st;
};

static void *cross_thread(void *arg)
{
    struct crossing *x = arg;

    x->st = halMemcpy(x->to, x->from, N, halMemcpyDeviceToDevice);
    return NULL;
}

/* Copies share a side stream, not their failures: the one that succeeds has
 * copied, and one does. */
static void cross_blame(void **state)
{
    struct crossing x[3];
    int round, i;

    (void)state;
    for (i = 0; i < 3; i++) { /* the last goes the other way */
        x[i].from = device_buffer(i == 2 ? 2 : 0, N);
        x[i].to = device_buffer(i == 2 ? 0 : 2, N);
    }
    for (round = 0; round < 20; round++) {
        pthread_t threads[3];
        int n_failed = 0;

        fake_delay_us(0);
        for (i = 0; i < 3; i++) {
            pattern(x[i].in, N, (unsigned)(round * 3 + i));
            OK(halMemcpy(x[i].from, x[i].in, N, halMemcpyDefault));
            OK(halMemset(x[i].to, 0, N));
        }
        OK(halSetDevice(2));
        OK(halDeviceSynchronize());
        OK(halSetDevice(0));
        OK(halDeviceSynchronize());
        fake_delay_us(500);
        fake_fail_async(1 + (unsigned)round % 3, halErrorLaunchFailure);
        for (i = 0; i < 3; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, cross_thread, &x[i]), 0);
        for (i = 0; i < 3; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        fake_fail_async(0, halSuccess);
        fake_delay_us(0);
        for (i = 0; i < 3; i++) {
            unsigned char out[N];

            if (x[i].st != halSuccess) {
                n_failed++;
                continue;
            }
            OK(halMemcpy(out, x[i].to, N, halMemcpyDefault));
            assert_memory_equal(out, x[i].in, N);
        }
        assert_int_equal(n_failed, 1);
    }
    for (i = 0; i < 3; i++) {
        OK(halFree(x[i].from));
        OK(halFree(x[i].to));
    }
}

/* Mapped host memory that the caller names by its device address, which the
 * host cannot read: every way of a copy and of a fill finds the bytes. */
static void device_address(void **state)
{
    unsigned char in[256], out[256];
    unsigned char *h, *a, *other_h, *other_a;
    void *p, *q;
    int i;

    (void)state;
    fake_alias(1);
    OK(halSetDevice(1));
    OK(halMalloc(&q, 256));
    OK(halSetDevice(0));
    OK(halMalloc(&p, 256));
    OK(halHostAlloc((void **)&h, 256, halHostAllocMapped));
    OK(halHostAlloc((void **)&other_h, 256, halHostAllocMapped));
    OK(halHostGetDevicePointer((void **)&a, h, 0));
    OK(halHostGetDevicePointer((void **)&other_a, other_h, 0));
    assert_ptr_not_equal(a, h);
    for (i = 0; i < 256; i++)
        in[i] = (unsigned char)(i * 7 + 1);
    OK(halMemset(a, 3, 256));
    OK(halMemsetD16(a + 10, 0x0505, 2));
    OK(halMemset2D(a + 100, 20, 6, 10, 2));
    assert_true(h[0] == 3 && h[9] == 3 && h[10] == 5 && h[13] == 5);
    assert_true(h[109] == 6 && h[110] == 3 && h[129] == 6 && h[130] == 3);
    OK(halMemcpy(a, in, 256, halMemcpyDefault)); /* plain host memory */
    assert_memory_equal(h, in, 256);
    OK(halMemcpy(out, a, 256, halMemcpyDeviceToHost));
    assert_memory_equal(out, in, 256);
    OK(halMemcpy(p, a + 6, 250, halMemcpyDefault)); /* its device */
    OK(halMemcpy(other_a, p, 250, halMemcpyDefault));
    assert_memory_equal(other_h, in + 6, 250);
    memset(h, 0, 256);
    OK(halMemcpyAsync(a, other_a, 250, halMemcpyDefault, NULL)); /* pinned */
    OK(halStreamSynchronize(NULL));
    assert_memory_equal(h, in + 6, 250);
    OK(halMemcpy2D(other_a, 20, a, 10, 10, 5, halMemcpyDefault));
    assert_memory_equal(other_h + 80, h + 40, 10);
    OK(halMemcpy(q, a, 250, halMemcpyDefault)); /* another device */
    memset(h, 0, 256);
    OK(halMemcpy(a, q, 250, halMemcpyDefault));
    assert_memory_equal(h, in + 6, 250);
    /* The two addresses are of the same bytes. */
    FAILS(halErrorInvalidValue, "overlap",
          halMemcpy(h + 50, a, 100, halMemcpyDefault));
    FAILS(halErrorInvalidValue, "leave",
          halMemcpy(a + 200, in, 100, halMemcpyDefault));
    OK(halFreeHost(h));
    OK(halFreeHost(other_h));
    OK(halFree(p));
    OK(halFree(q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(all_pairs, reset_all),
        cmocka_unit_test_teardown(kinds, reset_all),
        cmocka_unit_test_teardown(bounds, reset_all),
        cmocka_unit_test_teardown(fills, reset_all),
        cmocka_unit_test_teardown(rows, reset_all),
        cmocka_unit_test_teardown(rows_checks, reset_all),
        cmocka_unit_test_teardown(cross_large, reset_all),
        cmocka_unit_test_teardown(asynchronous, reset_all),
        cmocka_unit_test_teardown(free_waits_for_cross, reset_all),
        cmocka_unit_test_teardown(cross_blame, reset_all),
        cmocka_unit_test_teardown(device_address, reset_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
