/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_test.h - allocations of the library's own that fail on demand: the
 * linker leads its calls here (mk/test.mk names the programs).  What vendors'
 * libraries allocate is not touched.
 */
#ifndef TESTS_HAL_MEMORY_TEST_H
#define TESTS_HAL_MEMORY_TEST_H

#include <stdatomic.h>
#include <stddef.h>

/* Who includes this may define it: 1 while a call is not to be counted. */
#ifndef MEMORY_IS_SPARED
#define MEMORY_IS_SPARED 0
#endif

static atomic_int n_until; /* allocations that succeed; then one fails */

static int is_short(void)
{
    return !MEMORY_IS_SPARED && atomic_load(&n_until) > 0 &&
           atomic_fetch_sub(&n_until, 1) == 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return is_short() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_short() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_short() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return is_short() ? NULL : __real_aligned_alloc(alignment, size);
}

#endif
