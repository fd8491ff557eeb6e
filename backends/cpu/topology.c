/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topology.c - hwloc: which CPUs the process may use and where they are.
 *
 * Workers are bound to the NUMA node of their share of the cores, not to one
 * CPU: memory stays near, and the scheduler can still move a worker off a CPU
 * that someone else took.  Threads of ours are always bound explicitly, since
 * a new thread inherits the mask of whichever thread happened to start it.
 */
#include <hwloc.h>
#include <stdlib.h>

#include "backends/cpu/cpu.h"

struct cpu_topology {
    hwloc_topology_t hwloc;
    hwloc_bitmap_t mask; /* CPUs of the process */
    unsigned n_cores;
    unsigned n_nodes;
};

static halError_t topology_load(hwloc_topology_t *out_hwloc)
{
    /* Device components would start other drivers inside this process. */
    static const char *const unwanted[] = { "opencl", "cuda", "nvml",
                                            "rsmi",   "gl",   "levelzero",
                                            "pci" };
    hwloc_topology_t hwloc;

    if (hwloc_topology_init(&hwloc) != 0)
        return hal_fail(halErrorHostMemory, "cpu: hwloc does not start");
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
        (void)hwloc_topology_set_components(
            hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, unwanted[i]);
    if (hwloc_topology_load(hwloc) != 0) {
        hwloc_topology_destroy(hwloc);
        return hal_fail(halErrorNoDriver,
                        "cpu: hwloc cannot read this machine's topology");
    }
    *out_hwloc = hwloc;
    return halSuccess;
}

/* Objects of a type that have a CPU in the mask. */
static unsigned count_inside(hwloc_topology_t hwloc, hwloc_obj_type_t type,
                             hwloc_const_bitmap_t mask)
{
    hwloc_obj_t obj = NULL;
    unsigned n = 0;

    while ((obj = hwloc_get_next_obj_by_type(hwloc, type, obj)))
        n += obj->cpuset && hwloc_bitmap_intersects(obj->cpuset, mask);
    return n;
}

halError_t cpu_topology_open(struct cpu_topology **out_topology,
                             struct cpu_topology_info *out_info)
{
    struct cpu_topology *t = calloc(1, sizeof *t);
    struct cpu_topology_info info = { 0 };
    hwloc_obj_t l2;
    halError_t st;

    if (!t)
        return hal_fail(halErrorHostMemory, "cpu: %zu bytes", sizeof *t);
    st = topology_load(&t->hwloc);
    if (st != halSuccess)
        goto out;
    t->mask = hwloc_bitmap_alloc();
    if (!t->mask) {
        st = hal_fail(halErrorHostMemory, "cpu: a CPU mask");
        goto out;
    }
    if (hwloc_get_cpubind(t->hwloc, t->mask, HWLOC_CPUBIND_PROCESS) != 0 ||
        hwloc_bitmap_iszero(t->mask))
        hwloc_bitmap_copy(t->mask, hwloc_topology_get_allowed_cpuset(t->hwloc));

    info.n_cpus = count_inside(t->hwloc, HWLOC_OBJ_PU, t->mask);
    info.n_cores = count_inside(t->hwloc, HWLOC_OBJ_CORE, t->mask);
    if (!info.n_cpus)
        info.n_cpus = 1;
    if (!info.n_cores)
        info.n_cores = info.n_cpus; /* machines that hide their cores */
    info.n_nodes = count_inside(t->hwloc, HWLOC_OBJ_NUMANODE, t->mask);
    l2 = hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_L2CACHE, 0);
    if (l2 && l2->attr && l2->attr->cache.size <= UINT32_MAX)
        info.l2_bytes = (uint32_t)l2->attr->cache.size;
    t->n_cores = info.n_cores;
    t->n_nodes = info.n_nodes;

    *out_info = info;
    *out_topology = t;
    t = NULL;
out:
    cpu_topology_close(t);
    return st;
}

void cpu_topology_close(struct cpu_topology *t)
{
    if (!t)
        return;
    hwloc_bitmap_free(t->mask);
    if (t->hwloc)
        hwloc_topology_destroy(t->hwloc);
    free(t);
}

/* The node whose cores hold worker `index` when `count` workers are dealt out
 * evenly, nodes in order; NULL if it cannot be told. */
static hwloc_obj_t node_of_worker(const struct cpu_topology *t, unsigned index,
                                  unsigned count)
{
    unsigned want = (unsigned)((uint64_t)(index % count) * t->n_cores / count);
    unsigned seen = 0;
    hwloc_obj_t node = NULL;

    while ((node = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_NUMANODE,
                                              node))) {
        hwloc_obj_t core = NULL;

        while ((core = hwloc_get_next_obj_inside_cpuset_by_type(
                    t->hwloc, node->cpuset, HWLOC_OBJ_CORE, core)))
            seen += (unsigned)hwloc_bitmap_intersects(core->cpuset, t->mask);
        if (seen > want)
            return node;
    }
    return NULL;
}

void cpu_topology_bind(struct cpu_topology *t, unsigned index, unsigned count)
{
    hwloc_bitmap_t set;
    hwloc_obj_t node;

    if (!t)
        return;
    set = hwloc_bitmap_dup(t->mask);
    if (!set)
        return;
    node = count && t->n_nodes > 1 ? node_of_worker(t, index, count) : NULL;
    if (node)
        hwloc_bitmap_and(set, set, node->cpuset);
    if (hwloc_bitmap_iszero(set))
        hwloc_bitmap_copy(set, t->mask);
    (void)hwloc_set_cpubind(t->hwloc, set, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(set);
}

void cpu_topology_interleave(struct cpu_topology *t, void *addr, size_t size)
{
    if (t && t->n_nodes > 1)
        (void)hwloc_set_area_membind(t->hwloc, addr, size, t->mask,
                                     HWLOC_MEMBIND_INTERLEAVE, 0);
}
