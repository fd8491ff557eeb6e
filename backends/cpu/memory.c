/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - device memory, which is the host's.
 *
 * Linux promises more memory than there is and kills the process that touches
 * it, so an allocation is refused here when it exceeds what is available now,
 * or when all allocations together exceed the machine's (or the container's)
 * total.  Large blocks are mapped on 2 MiB boundaries for huge pages; on
 * machines with several NUMA nodes they are interleaved over the nodes, since
 * any worker may touch any part of them.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "backends/cpu/cpu.h"

#define HUGE_BYTES ((size_t)2 << 20)
/* Blocks from here on are mappings of their own with huge pages: +15-130 %
 * read bandwidth where transparent huge pages are on request. */
#define MAP_MIN_BYTES ((size_t)2 << 20)
/* Of every so many bytes one allocation asks how much memory is left, which
 * takes 20 us. */
#define CHECK_BYTES ((uint64_t)16 << 20)
/* Left for the process itself when memory runs out, or an eighth of a small
 * container: whoever takes all of one is killed, not refused. */
#define RESERVE_MAX_BYTES ((uint64_t)256 << 20)

const char *cpu_memory_root = "";

/* Bytes held by all open cpu devices of the process. */
static _Atomic uint64_t allocated;
/* Bytes taken since the system was asked. */
static _Atomic uint64_t unasked;

halError_t cpu_mem_info(struct hal_dev *dev, uint64_t *out_free,
                        uint64_t *out_total)
{
    struct cpu_limits limits;
    uint64_t total = dev->info.prop.totalGlobalMem;
    uint64_t left =
        total -
        (atomic_load(&allocated) < total ? atomic_load(&allocated) : total);

    cpu_limits_read(cpu_memory_root, &limits);
    *out_free = limits.memory_free < left ? limits.memory_free : left;
    *out_total = total;
    return halSuccess;
}

static halError_t ask_system(uint64_t size, uint64_t reserve, halError_t error)
{
    struct cpu_limits limits;

    cpu_limits_read(cpu_memory_root, &limits);
    if (limits.memory_free >= reserve && size <= limits.memory_free - reserve)
        return halSuccess;
    return hal_fail(error,
                    "cpu: %llu bytes do not fit: %llu are free, of which "
                    "%llu are kept for the process",
                    (unsigned long long)size,
                    (unsigned long long)limits.memory_free,
                    (unsigned long long)reserve);
}

/* Counts `size` bytes as held if there is room; whoever cannot use them takes
 * them off again.  `error` is what running out is called: device memory or
 * host memory. */
static halError_t take_room(const struct hal_dev *dev, uint64_t size,
                            halError_t error)
{
    uint64_t total = dev->info.prop.totalGlobalMem;
    uint64_t reserve =
        total / 8 < RESERVE_MAX_BYTES ? total / 8 : RESERVE_MAX_BYTES;
    uint64_t held = atomic_load(&allocated);
    halError_t st;

    do {
        if (size > total - reserve || held > total - reserve - size)
            return hal_fail(
                error,
                "cpu: %llu bytes do not fit: %llu of %llu are in use and %llu "
                "are kept for the process",
                (unsigned long long)size, (unsigned long long)held,
                (unsigned long long)total, (unsigned long long)reserve);
    } while (!atomic_compare_exchange_weak(&allocated, &held, held + size));
    /* Below 2^63, since size is no more than the machine has. */
    if (atomic_fetch_add(&unasked, size) + size < CHECK_BYTES)
        return halSuccess;
    st = ask_system(size, reserve, error);
    if (st == halSuccess)
        atomic_store(&unasked, 0); /* else the next one asks, too */
    else
        atomic_fetch_sub(&allocated, size);
    return st;
}

/* A mapping of `size` bytes that starts on a huge page, or NULL. */
static void *map_huge(struct cpu_device *dev, size_t size)
{
    size_t span = size + HUGE_BYTES, head;
    char *p = mmap(NULL, span, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    head = (HUGE_BYTES - (uintptr_t)p % HUGE_BYTES) % HUGE_BYTES;
    if (head)
        munmap(p, head);
    if (span - head > size)
        munmap(p + head + size, span - head - size);
    p += head;
    (void)madvise(p, size, MADV_HUGEPAGE);
    cpu_topology_interleave(dev->topology, p, size);
    return p;
}

static halError_t mem_make(struct hal_dev *dev, uint64_t size, halError_t error,
                           struct cpu_mem **out_mem)
{
    size_t align = dev->info.prop.memAlign;
    struct cpu_mem *m;
    halError_t st = take_room(dev, size, error);

    if (st != halSuccess)
        return st;
    m = calloc(1, sizeof *m);
    if (!m) {
        atomic_fetch_sub(&allocated, size);
        return hal_fail(halErrorHostMemory, "cpu: %zu bytes", sizeof *m);
    }
    m->size = (size_t)size;
    if (size >= MAP_MIN_BYTES) {
        m->map_size = (m->size + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
        m->addr = map_huge(cpu_device_of(dev), m->map_size);
    } else {
        m->addr = aligned_alloc(align, (m->size + align - 1) & ~(align - 1));
    }
    if (!m->addr) {
        atomic_fetch_sub(&allocated, size);
        free(m);
        return hal_fail(error, "cpu: the system has no %llu bytes",
                        (unsigned long long)size);
    }
    *out_mem = m;
    return halSuccess;
}

static void mem_drop(struct cpu_mem *m)
{
    if (!m)
        return;
    if (!m->foreign) {
        if (m->map_size)
            munmap(m->addr, m->map_size);
        else
            free(m->addr);
        atomic_fetch_sub(&allocated, m->size);
    }
    free(m);
}

halError_t cpu_mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                         struct hal_mem *out_mem)
{
    struct cpu_mem *m;
    halError_t st;

    (void)kind; /* all of it is managed */
    st = mem_make(dev, size, halErrorMemoryAllocation, &m);
    if (st != halSuccess)
        return st;
    *out_mem = (struct hal_mem){ .impl = m, .addr = m->addr };
    return halSuccess;
}

void cpu_mem_free(struct hal_dev *dev, void *mem)
{
    (void)dev;
    mem_drop(mem);
}

halError_t cpu_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                          void **out_host, struct hal_mem *out_mem)
{
    struct cpu_mem *m;
    halError_t st;

    (void)flags;
    st = mem_make(dev, size, halErrorHostMemory, &m);
    if (st != halSuccess)
        return st;
    *out_mem = (struct hal_mem){ .impl = m, .addr = m->addr };
    *out_host = m->addr;
    return halSuccess;
}

void cpu_host_free(struct hal_dev *dev, void *host, void *mem)
{
    (void)dev;
    (void)host;
    mem_drop(mem);
}

halError_t cpu_host_register(struct hal_dev *dev, void *host, uint64_t size,
                             struct hal_mem *out_mem)
{
    struct cpu_mem *m = calloc(1, sizeof *m);

    (void)dev;
    if (!m)
        return hal_fail(halErrorHostMemory, "cpu: %zu bytes", sizeof *m);
    m->addr = host;
    m->size = (size_t)size;
    m->foreign = true;
    *out_mem = (struct hal_mem){ .impl = m, .addr = host };
    return halSuccess;
}

void cpu_host_unregister(struct hal_dev *dev, void *host, void *mem)
{
    (void)dev;
    (void)host;
    mem_drop(mem);
}
