/* SPDX-License-Identifier: Apache-2.0 */
/* Device and host memory, and pointers to them. */
#include "tests/hal/hal_test.h"

#include <sys/mman.h>
#include <unistd.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

#define REAL 0 /* ordinals: fake:0 has addresses, */
#define MADE 2 /* bare:0 has none */

static void malloc_on(int device)
{
    struct halPointerAttributes a;
    char *p = NULL, *q = NULL;

    OK(halSetDevice(device));
    OK(halMalloc((void **)&p, 1000));
    OK(halMalloc((void **)&q, 1));
    assert_non_null(p);
    assert_true((uintptr_t)p % 256 == 0);
    OK(halPointerGetAttributes(&a, p + 999));
    assert_int_equal(a.type, halMemoryTypeDevice);
    assert_int_equal(a.device, device);
    assert_ptr_equal(a.base, p);
    assert_ptr_equal(a.devicePointer, p + 999);
    assert_null(a.hostPointer);
    assert_int_equal(a.size, 1000);
    OK(halPointerGetAttributes(&a, p + 1000)); /* one past: not ours */
    assert_int_equal(a.type, halMemoryTypeUnregistered);
    assert_int_equal(a.device, -1);
    FAILS(halErrorInvalidPointer, "inside", halFree(p + 8));
    FAILS(halErrorInvalidPointer, "never allocated", halFree(&a));
    OK(halFree(p));
    FAILS(halErrorInvalidPointer, "freed", halFree(p));
    OK(halFree(q));
    OK(halFree(NULL));
    p = (char *)1;
    OK(halMalloc((void **)&p, 0));
    assert_null(p);
}

static void malloc_real(void **state)
{
    (void)state;
    malloc_on(REAL);
}

static void malloc_made(void **state)
{
    (void)state;
    malloc_on(MADE);
}

/* A made-up address is not handed out again soon, so a stale one is caught. */
static void stale_pointer(void **state)
{
    void *first, *p;
    char host[16];
    int i;

    (void)state;
    OK(halSetDevice(MADE));
    OK(halMalloc(&first, 16));
    OK(halFree(first));
    for (i = 0; i < 1000; i++) {
        OK(halMalloc(&p, 16));
        assert_ptr_not_equal(p, first);
        OK(halFree(p));
    }
    FAILS(halErrorInvalidPointer, "freed",
          halMemcpy(host, first, 16, halMemcpyDefault));
    FAILS(halErrorInvalidPointer, "freed",
          halMemcpy(host, first, 16, halMemcpyDeviceToHost));
    FAILS(halErrorInvalidPointer, "freed", halMemset(first, 0, 16));
}

static void out_of_memory(void **state)
{
    void *p = (void *)7, *blocks[8];
    size_t has, total;
    int i;

    (void)state;
    OK(halSetDevice(MADE));
    FAILS(halErrorMemoryAllocation, "one allocation", halMalloc(&p, SIZE_MAX));
    FAILS(halErrorMemoryAllocation, "one allocation",
          halMalloc(&p, FAKE_MEMORY / 2 + 1));
    assert_ptr_equal(p, (void *)7);
    for (i = 0; i < 4; i++)
        OK(halMalloc(&blocks[i], FAKE_MEMORY / 4));
    FAILS(halErrorMemoryAllocation, "left", halMalloc(&p, 4096));
    assert_ptr_equal(p, (void *)7);
    OK(halMemGetInfo(&has, &total));
    assert_int_equal(has, 0);
    assert_int_equal(total, FAKE_MEMORY);
    OK(halFree(blocks[2]));
    OK(halMalloc(&blocks[2], FAKE_MEMORY / 4));
    assert_int_equal(halGetLastError(), halErrorMemoryAllocation);
    assert_int_equal(halGetLastError(), halSuccess);
    FAILS(halErrorInvalidValue, "NULL", halMalloc(NULL, 1));
}

static void pitch(void **state)
{
    size_t pitch = 7;
    void *p = (void *)7;

    (void)state;
    OK(halMallocPitch(&p, &pitch, 100, 10));
    assert_int_equal(pitch, 128);
    OK(halFree(p));
    p = (void *)7;
    pitch = 7;
    FAILS(halErrorInvalidValue, "overflow",
          halMallocPitch(&p, &pitch, SIZE_MAX - 5, 1));
    FAILS(halErrorInvalidValue, "overflow",
          halMallocPitch(&p, &pitch, (size_t)1 << 40, (size_t)1 << 40));
    assert_ptr_equal(p, (void *)7);
    assert_int_equal(pitch, 7);
    OK(halMallocPitch(&p, &pitch, 100, 0));
    assert_null(p);
}

static void managed(void **state)
{
    struct halPointerAttributes a;
    int *p, i;

    (void)state;
    OK(halSetDevice(REAL));
    OK(halMallocManaged((void **)&p, 400, halMemAttachGlobal));
    OK(halMemsetD32(p, 5, 100));
    OK(halDeviceSynchronize());
    for (i = 0; i < 100; i++)
        assert_int_equal(p[i], 5);
    OK(halPointerGetAttributes(&a, p));
    assert_int_equal(a.type, halMemoryTypeManaged);
    assert_ptr_equal(a.hostPointer, p);
    FAILS(halErrorInvalidPointer, "halFree", halFreeHost(p));
    OK(halFree(p));
    FAILS(halErrorInvalidValue, "flags", halMallocManaged((void **)&p, 400, 0));
    OK(halSetDevice(MADE));
    FAILS(halErrorNotSupported, "halMalloc",
          halMallocManaged((void **)&p, 400, halMemAttachGlobal));
}

static void host_memory(void **state)
{
    struct halPointerAttributes a;
    char *p, *q = (char *)7;
    void *dev = (void *)7;

    (void)state;
    OK(halSetDevice(REAL));
    OK(halHostAlloc((void **)&p, 100, halHostAllocMapped));
    memset(p, 1, 100);
    OK(halHostGetDevicePointer(&dev, p + 3, 0));
    assert_ptr_equal(dev, p + 3);
    OK(halPointerGetAttributes(&a, p + 5));
    assert_int_equal(a.type, halMemoryTypeHost);
    assert_ptr_equal(a.hostPointer, p + 5);
    assert_ptr_equal(a.base, p);
    FAILS(halErrorInvalidPointer, "halFreeHost", halFree(p));
    FAILS(halErrorInvalidPointer, "halFreeHost", halHostUnregister(p));
    FAILS(halErrorInvalidPointer, "inside", halFreeHost(p + 1));
    OK(halFreeHost(p));
    FAILS(halErrorInvalidPointer, "freed", halFreeHost(p));
    OK(halFreeHost(NULL));
    FAILS(halErrorInvalidValue, "flags", halHostAlloc((void **)&q, 1, 64));
    assert_ptr_equal(q, (char *)7);

    OK(halSetDevice(MADE));
    OK(halMallocHost((void **)&p, 100));
    assert_true((uintptr_t)p % 64 == 0);
    dev = (void *)7;
    FAILS(halErrorNotSupported, "copy", halHostGetDevicePointer(&dev, p, 0));
    assert_ptr_equal(dev, (void *)7);
    OK(halFreeHost(p));
}

static void host_register(void **state)
{
    static char area[8192];
    void *dev;

    (void)state;
    OK(halSetDevice(REAL));
    OK(halHostRegister(area + 100, 4000, halHostRegisterMapped));
    OK(halHostGetDevicePointer(&dev, area + 200, 0));
    assert_ptr_equal(dev, area + 200);
    FAILS(halErrorAlreadyRegistered, "registered",
          halHostRegister(area + 100, 4000, 0));
    FAILS(halErrorAlreadyRegistered, "registered",
          halHostRegister(area, 101, 0));
    FAILS(halErrorAlreadyRegistered, "registered",
          halHostRegister(area + 4099, 1, 0));
    OK(halHostRegister(area, 100, 0)); /* they touch, they do not meet */
    OK(halHostRegister(area + 4100, 1, 0));
    FAILS(halErrorInvalidPointer, "inside", halHostUnregister(area + 101));
    FAILS(halErrorInvalidPointer, "halHostUnregister", halFreeHost(area + 100));
    OK(halHostUnregister(area + 100));
    FAILS(halErrorInvalidPointer, "end of", halHostUnregister(area + 100));
    FAILS(halErrorInvalidValue, "0 bytes", halHostRegister(area, 0, 0));
    FAILS(halErrorInvalidValue, "bytes at", halHostRegister(area, SIZE_MAX, 0));
    OK(halHostUnregister(area));
    OK(halHostUnregister(area + 4100));
}

/* A range with a hole is refused, wherever the hole is, and named by its first
 * address; the memory around it is as registrable as before. */
static void register_hole(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *area = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *made = NULL, at[64];
    size_t n;

    (void)state;
    assert_ptr_not_equal(area, MAP_FAILED);
    assert_int_equal(munmap(area + 5 * page, page), 0);
    OK(halSetDevice(REAL));
    snprintf(at, sizeof at, "none at %p", (void *)(area + 5 * page));
    FAILS(halErrorInvalidValue, at, halHostRegister(area, 8 * page, 0));
    FAILS(halErrorInvalidValue, at,
          halHostRegister(area + 100, 5 * page - 99, 0));
    FAILS(halErrorInvalidValue, at,
          halHostRegister(area + 5 * page - 1, 2 * page, 0));
    snprintf(at, sizeof at, "none at %p", (void *)(area + 5 * page + 17));
    FAILS(halErrorInvalidValue, at,
          halHostRegister(area + 5 * page + 17, page, 0));
    for (n = 1; n < 5; n++) /* each place of the search */
        FAILS(halErrorInvalidValue, "not all mapped",
              halHostRegister(area + n * page, 8 * page - n * page, 0));
    OK(halHostRegister(area + 100, 5 * page - 100, 0));
    OK(halHostRegister(area + 6 * page, 2 * page, 0));
    OK(halHostUnregister(area + 100));
    OK(halHostUnregister(area + 6 * page));
    munmap(area, 8 * page);
    FAILS(halErrorInvalidValue, "not all mapped", halHostRegister(area, 1, 0));
    /* Made-up device addresses are mapped, but hold nothing. */
    OK(halSetDevice(MADE));
    OK(halMalloc((void **)&made, 10));
    FAILS(halErrorAlreadyRegistered, "allocated", halHostRegister(made, 10, 0));
    OK(halFree(made));
    FAILS(halErrorInvalidValue, "device addresses",
          halHostRegister(made, 10, 0));
}

/* Mapped memory that copies could not read and write is refused, too. */
static void register_forbidden(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *area = mmap(NULL, 6 * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char at[64];

    (void)state;
    assert_ptr_not_equal(area, MAP_FAILED);
    OK(halSetDevice(MADE)); /* no driver of its own looks at the range */
    assert_int_equal(mprotect(area + 2 * page, page, PROT_NONE), 0);
    snprintf(at, sizeof at, "%p cannot be read and", (void *)(area + 2 * page));
    FAILS(halErrorInvalidValue, at, halHostRegister(area, 6 * page, 0));
    FAILS(halErrorInvalidValue, at, halHostRegister(area + 2 * page - 1, 2, 0));
    snprintf(at, sizeof at, "%p cannot be read and",
             (void *)(area + 2 * page + 5));
    FAILS(halErrorInvalidValue, at,
          halHostRegister(area + 2 * page + 5, 10, 0));
    assert_int_equal(mprotect(area + 2 * page, page, PROT_READ), 0);
    FAILS(halErrorInvalidValue, "written",
          halHostRegister(area + page, 3 * page, 0));
    OK(halHostRegister(area, 2 * page, 0));
    OK(halHostRegister(area + 3 * page, 3 * page, 0));
    OK(halHostUnregister(area));
    OK(halHostUnregister(area + 3 * page));
    munmap(area, 6 * page);
}

/* Many allocations in odd order: the table stays right. */
static void many(void **state)
{
    enum { N = 500 };
    static char *p[N];
    struct halPointerAttributes a;
    int i;

    (void)state;
    for (i = 0; i < N; i++) {
        OK(halSetDevice(i % 2 ? REAL : MADE));
        OK(halMalloc((void **)&p[i], 64 + (size_t)i));
    }
    for (i = 0; i < N; i += 3)
        OK(halFree(p[i]));
    for (i = 0; i < N; i++) {
        OK(halPointerGetAttributes(&a, p[i] + 63));
        if (i % 3 == 0)
            continue;
        assert_int_equal(a.type, halMemoryTypeDevice);
        assert_int_equal(a.size, 64 + i);
        assert_ptr_equal(a.base, p[i]);
    }
    for (i = 0; i < N; i++)
        if (i % 3)
            OK(halFree(p[i]));
}

/* Free returns when the work that uses the memory has ended. */
static void free_waits(void **state)
{
    halStream_t s;
    void *p, *host;

    (void)state;
    OK(halStreamCreateWithFlags(&s, halStreamNonBlocking));
    fake_delay_us(20000);
    OK(halMalloc(&p, 64));
    OK(halMemsetAsync(p, 1, 64, s));
    OK(halFree(p));
    OK(halStreamQuery(s));
    OK(halMalloc(&p, 64));
    OK(halMallocHost(&host, 64));
    OK(halMemcpyAsync(p, host, 64, halMemcpyDefault, s));
    OK(halFreeHost(host));
    OK(halStreamQuery(s));
    OK(halFree(p));
    OK(halStreamDestroy(s));
}

static void pool(void **state)
{
    halStream_t s1, s2;
    char host[256];
    void *p, *q, *r;
    size_t has, total;

    (void)state;
    OK(halSetDevice(REAL));
    OK(halStreamCreateWithFlags(&s1, halStreamNonBlocking));
    OK(halStreamCreateWithFlags(&s2, halStreamNonBlocking));
    OK(halMallocAsync(&p, 100000, s1));
    OK(halMemsetAsync(p, 3, 100000, s1));
    fake_hold(1);
    OK(halMemcpyAsync(p, p + 50000, 50000, halMemcpyDefault, s1));
    OK(halFreeAsync(p, s1));
    FAILS(halErrorInvalidPointer, "freed", halFreeAsync(p, s1));
    FAILS(halErrorInvalidPointer, "freed", halFree(p));
    OK(halMallocAsync(&q, 100000, s2)); /* its work is under way */
    assert_ptr_not_equal(p, q);
    OK(halMallocAsync(&r, 99990, s1)); /* in order: reused */
    assert_ptr_equal(r, p);
    fake_hold(0);
    OK(halFreeAsync(r, s1));
    OK(halStreamSynchronize(s1));
    OK(halMallocAsync(&r, 100000, s2)); /* done: reused */
    assert_ptr_equal(r, p);
    FAILS(halErrorInvalidValue, "leave",
          halMemcpyAsync(host, (char *)r + 99999, 2, halMemcpyDefault, s2));
    OK(halFree(r)); /* plain free takes it too */
    OK(halFreeAsync(q, s2));
    /* Held blocks give way when memory is short. */
    OK(halMallocAsync(&p, FAKE_MEMORY / 2, s1));
    OK(halMallocAsync(&q, FAKE_MEMORY / 4, s1));
    OK(halFreeAsync(p, s1));
    OK(halFreeAsync(q, s1));
    OK(halMemGetInfo(&has, &total));
    assert_true(has < FAKE_MEMORY / 2);
    OK(halMalloc(&p, FAKE_MEMORY / 2 - 5));
    OK(halFree(p));
    OK(halStreamDestroy(s1));
    OK(halStreamDestroy(s2));
    OK(halMallocAsync(&p, 0, NULL));
    assert_null(p);
    OK(halFreeAsync(NULL, NULL));
}

/* At most an eighth of a pooled block is wasted, whatever its size. */
static void pool_sizes(void **state)
{
    size_t size, before, after, total;
    void *p;

    (void)state;
    OK(halSetDevice(REAL));
    for (size = 4096; size < FAKE_MEMORY / 4; size += size / 7 + 1) {
        OK(halMemGetInfo(&before, &total));
        OK(halMallocAsync(&p, size, NULL));
        OK(halMemGetInfo(&after, &total));
        assert_in_range(before - after, size, size + size / 8);
        OK(halFree(p)); /* past the pool */
    }
    for (size = 4096; size < FAKE_MEMORY / 4; size *= 2) {
        OK(halMemGetInfo(&before, &total));
        OK(halMallocAsync(&p, size + 1, NULL));
        OK(halMemGetInfo(&after, &total));
        assert_in_range(before - after, size + 1, size + size / 8);
        OK(halFree(p));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(malloc_real, reset_all),
        cmocka_unit_test_teardown(malloc_made, reset_all),
        cmocka_unit_test_teardown(stale_pointer, reset_all),
        cmocka_unit_test_teardown(out_of_memory, reset_all),
        cmocka_unit_test_teardown(pitch, reset_all),
        cmocka_unit_test_teardown(managed, reset_all),
        cmocka_unit_test_teardown(host_memory, reset_all),
        cmocka_unit_test_teardown(host_register, reset_all),
        cmocka_unit_test_teardown(register_hole, reset_all),
        cmocka_unit_test_teardown(register_forbidden, reset_all),
        cmocka_unit_test_teardown(many, reset_all),
        cmocka_unit_test_teardown(free_waits, reset_all),
        cmocka_unit_test_teardown(pool, reset_all),
        cmocka_unit_test_teardown(pool_sizes, reset_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
