/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.c - kernels of one GPU on the memory of another.  Invariant: a link in
 * the list has access to its peer's memory, and what this file has not switched
 * on it does not switch off.
 *
 * The memory of a pool is open to whom the pool says, whatever the contexts
 * allow (the programming guide, "Stream Ordered Memory Allocator"), and the
 * pools are ours: the primary contexts, which belong to the whole process, are
 * touched only for a GPU that has no pools.  Two devices may stand on one GPU
 * (a stand-in beside the real one) and share what was switched on.
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>

struct link {
    struct link *next;
    struct cuda_dev *from, *to;
    bool is_ours; /* this link has switched on the context's access */
};

static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;
static struct link *links;

static bool is_ours(const struct hal_dev *dev, const struct hal_dev *peer)
{
    return peer->ops == dev->ops;
}

halError_t cuda_peer_can_access(struct hal_dev *hal, struct hal_dev *peer,
                                int *out_can)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_dev *other = cuda_dev_of(peer);
    halError_t st = halSuccess;
    int can = 0;

    /* A stand-in on the same GPU shares its context: nothing to enable. */
    if (is_ours(hal, peer) && other->id != dev->id)
        CUDA_OR_GOTO(out, st, dev,
                     cuda_cu.DeviceCanAccessPeer(&can, dev->id, other->id));
    *out_can = can != 0;
out:
    return st;
}

/* Another link that needs what this one needs, under the lock: the same pool's
 * access, or the same two contexts'. */
static struct link *sharer_of(const struct link *l)
{
    for (struct link *i = links; i; i = i->next)
        if (i != l && i->from->id == l->from->id &&
            (l->to->pool ? i->to == l->to
                         : !i->to->pool && i->to->id == l->to->id))
            return i;
    return NULL;
}

static unsigned pool_access(const struct link *l, unsigned flags)
{
    const struct cuda_access access = {
        .location_type = CUDA_LOCATION_DEVICE,
        .location_id = l->from->id,
        .flags = flags,
    };

    return cuda_cu.MemPoolSetAccess(l->to->pool, (const void *)&access, 1);
}

/* Between cuda_enter of l->from and cuda_leave, under the lock. */
static halError_t switch_on(struct link *l)
{
    halError_t st = halSuccess;
    unsigned code;

    if (l->to->pool) {
        CUDA_OR_GOTO(out, st, l->from, pool_access(l, CUDA_ACCESS_READWRITE));
        return halSuccess;
    }
    code = cuda_cu.CtxEnablePeerAccess(l->to->context, 0);
    l->is_ours = code == CUDA_OK;
    if (code != CUDA_OK && code != CUDA_PEER_ALREADY_ENABLED)
        st = cuda_fail(l->from, code, "cuda_cu.CtxEnablePeerAccess");
out:
    return st;
}

static halError_t switch_off(struct link *l)
{
    struct link *sharer = sharer_of(l);
    halError_t st = halSuccess;
    unsigned code;

    if (sharer) {
        sharer->is_ours |= l->is_ours;
        l->is_ours = false;
        return halSuccess;
    }
    if (l->to->pool)
        CUDA_OR_GOTO(out, st, l->from, pool_access(l, CUDA_ACCESS_NONE));
    if (l->is_ours) {
        code = cuda_cu.CtxDisablePeerAccess(l->to->context);
        if (code != CUDA_OK && code != CUDA_PEER_NOT_ENABLED)
            st = cuda_fail(l->from, code, "cuda_cu.CtxDisablePeerAccess");
    }
out:
    return st;
}

halError_t cuda_peer_enable(struct hal_dev *hal, struct hal_dev *peer)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct link *l = calloc(1, sizeof *l);
    halError_t st = halSuccess;
    bool pushed = false;

    if (!l)
        return hal_fail(halErrorHostMemory, "cuda: peer_enable: %zu bytes",
                        sizeof *l);
    l->from = dev;
    l->to = cuda_dev_of(peer);
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    pthread_mutex_lock(&links_lock);
    st = switch_on(l);
    if (st == halSuccess) {
        l->next = links;
        links = l;
        l = NULL;
    }
    pthread_mutex_unlock(&links_lock);
out:
    cuda_leave(pushed);
    free(l);
    return st;
}

halError_t cuda_peer_disable(struct hal_dev *hal, struct hal_dev *peer)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct link **at, *l;
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    pthread_mutex_lock(&links_lock);
    for (at = &links; *at; at = &(*at)->next)
        if ((*at)->from == dev && (*at)->to == cuda_dev_of(peer))
            break;
    l = *at;
    if (l) {
        st = switch_off(l);
        *at = l->next;
        free(l);
    }
    pthread_mutex_unlock(&links_lock);
out:
    cuda_leave(pushed);
    return st;
}

void cuda_peers_close(struct cuda_dev *dev)
{
    struct link **at = &links;

    pthread_mutex_lock(&links_lock);
    while (*at) {
        struct link *l = *at;
        bool pushed;

        if (l->from != dev && l->to != dev) {
            at = &l->next;
            continue;
        }
        if (cuda_enter(l->from, &pushed) == CUDA_OK)
            (void)switch_off(l);
        cuda_leave(pushed);
        *at = l->next;
        free(l);
    }
    pthread_mutex_unlock(&links_lock);
}
