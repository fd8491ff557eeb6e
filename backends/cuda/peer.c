/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.c - kernels of one GPU on the memory of another.  Invariant: access is
 * on for the peer's context and for its pool, or for neither.
 */
#include "backends/cuda/cuda.h"

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

static unsigned pool_access(struct cuda_dev *dev, struct cuda_dev *peer,
                            unsigned flags)
{
    const struct cuda_access access = {
        .location_type = CUDA_LOCATION_DEVICE,
        .location_id = dev->id,
        .flags = flags,
    };

    if (!peer->pool)
        return CUDA_OK;
    return cuda_cu.MemPoolSetAccess(peer->pool, (const void *)&access, 1);
}

halError_t cuda_peer_enable(struct hal_dev *hal, struct hal_dev *peer)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_dev *other = cuda_dev_of(peer);
    halError_t st = halSuccess;
    unsigned code;
    bool pushed;

    CUDA_ENTER(dev, pushed);
    code = cuda_cu.CtxEnablePeerAccess(other->context, 0);
    if (code != CUDA_OK && code != CUDA_PEER_ALREADY_ENABLED) {
        st = cuda_fail(dev, code, "cuda_cu.CtxEnablePeerAccess");
        goto out;
    }
    code = pool_access(dev, other, CUDA_ACCESS_READWRITE);
    if (code != CUDA_OK) {
        st = cuda_fail(dev, code, "cuda_cu.MemPoolSetAccess");
        (void)cuda_cu.CtxDisablePeerAccess(other->context);
    }
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_peer_disable(struct hal_dev *hal, struct hal_dev *peer)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_dev *other = cuda_dev_of(peer);
    halError_t st = halSuccess;
    unsigned code;
    bool pushed;

    CUDA_ENTER(dev, pushed);
    CUDA_OR_GOTO(out, st, dev, pool_access(dev, other, CUDA_ACCESS_NONE));
    code = cuda_cu.CtxDisablePeerAccess(other->context);
    if (code != CUDA_OK && code != CUDA_PEER_NOT_ENABLED)
        st = cuda_fail(dev, code, "cuda_cu.CtxDisablePeerAccess");
out:
    cuda_leave(pushed);
    return st;
}
