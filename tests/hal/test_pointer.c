/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pointer.c - the table of allocations as launches see it: what a thread
 * has found before is believed no longer than it is true.
 */
#include "tests/hal/hal_test.h"

#include <pthread.h>

#include "hal/internal.h"

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

static struct hal_view find(const void *ptr)
{
    const void *ptrs[3] = { NULL, ptr, ptr };
    struct hal_view views[3];

    hal__pointer_find_all(ptrs, views, 3);
    assert_null(views[0].alloc); /* a scalar's place */
    assert_ptr_equal(views[1].alloc, views[2].alloc);
    assert_int_equal(views[1].offset, views[2].offset);
    return views[1];
}

static void expect(char *base, uint64_t size, uint64_t offset)
{
    struct hal_view v = find(base + offset);

    assert_non_null(v.alloc);
    assert_int_equal(v.alloc->base, (uintptr_t)base);
    assert_int_equal(v.offset, offset);
    assert_int_equal(v.avail, size - offset);
}

static void *free_it(void *ptr)
{
    return halFree(ptr) == halSuccess ? ptr : NULL;
}

/* What was found and is freed, by this thread or another, is unknown. */
static void freed(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        char *p = NULL;

        OK(halMalloc((void **)&p, 4096));
        expect(p, 4096, 0);
        expect(p, 4096, 4095);
        assert_null(find(p + 4096).alloc);
        if (i % 2) {
            pthread_t thread;
            void *rc = NULL;

            assert_int_equal(pthread_create(&thread, NULL, free_it, p), 0);
            pthread_join(thread, &rc);
            assert_ptr_equal(rc, p);
        } else {
            OK(halFree(p));
        }
        assert_null(find(p).alloc);
        assert_null(find(p + 4095).alloc);
    }
}

/* The same addresses with other bounds: registered memory, since it comes back
 * where it was. */
static void other_bounds(void **state)
{
    static char host[8192] __attribute__((aligned(4096)));

    (void)state;
    OK(halHostRegister(host, 4096, halHostRegisterDefault));
    expect(host, 4096, 100);
    assert_null(find(host + 5000).alloc);
    OK(halHostUnregister(host));
    assert_null(find(host + 100).alloc);
    OK(halHostRegister(host, 8192, halHostRegisterDefault));
    expect(host, 8192, 100);
    expect(host, 8192, 5000);
    OK(halHostUnregister(host));
    OK(halHostRegister(host + 64, 64, halHostRegisterDefault));
    expect(host + 64, 64, 36);
    assert_null(find(host + 5000).alloc);
    OK(halHostUnregister(host + 64));
}

/* More pointers than a thread remembers, coming and going. */
static void many(void **state)
{
    static struct {
        char *p;
        uint64_t size;
    } held[300];
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        unsigned i;

        seed = seed * 1664525u + 1013904223u;
        i = (seed >> 8) % 300;
        if (held[i].p) {
            expect(held[i].p, held[i].size, held[i].size / 2);
            OK(halFree(held[i].p));
            assert_null(find(held[i].p + held[i].size / 2).alloc);
            held[i].p = NULL;
        } else {
            held[i].size = 1 + (seed >> 16) % 3000;
            OK(halMalloc((void **)&held[i].p, held[i].size));
        }
        for (unsigned k = 0; k < 300; k += 37)
            if (held[k].p)
                expect(held[k].p, held[k].size, held[k].size - 1);
    }
    for (unsigned i = 0; i < 300; i++)
        OK(halFree(held[i].p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(freed, reset_all),
        cmocka_unit_test_teardown(other_bounds, reset_all),
        cmocka_unit_test_teardown(many, reset_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
