/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.c - kernels of one device that use the memory of another.  Only a
 * backend can know; across backends the answer is no, and copies work anyway.
 */
#include "hal/internal.h"

static halError_t can_access(struct hal_device *d, struct hal_device *peer,
                             int *out_can)
{
    *out_can = 0;
    if (d == peer || d->backend != peer->backend || !d->opt.peer_can_access ||
        !d->opt.peer_enable || !d->opt.peer_disable)
        return halSuccess;
    return hal__device_check(
        d, d->opt.peer_can_access(d->dev, peer->dev, out_can));
}

halError_t halDeviceCanAccessPeer(int *can, int device, int peer)
{
    struct hal_device *a, *b;
    int answer;
    halError_t st;

    if (!can)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halDeviceCanAccessPeer: can is NULL"));
    st = hal__device_at(device, &a);
    if (st == halSuccess)
        st = hal__device_at(peer, &b);
    if (st == halSuccess)
        st = can_access(a, b, &answer);
    if (st == halSuccess)
        *can = answer;
    return hal__done(st);
}

static halError_t pair_of(int peer, struct hal_device **out_dev,
                          struct hal_device **out_peer)
{
    halError_t st = hal__device_current(out_dev);

    if (st == halSuccess)
        st = hal__device_at(peer, out_peer);
    if (st == halSuccess)
        st = hal__device_alive(*out_dev);
    if (st == halSuccess && *out_dev == *out_peer)
        st =
            hal_fail(halErrorInvalidDevice,
                     "device %d is the current device, not a peer of it", peer);
    return st;
}

halError_t halDeviceEnablePeerAccess(int peer, unsigned flags)
{
    struct hal_device *d, *p;
    uint64_t bit;
    int can;
    halError_t st;

    if (flags)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halDeviceEnablePeerAccess: flags %#x, must "
                                  "be 0",
                                  flags));
    st = pair_of(peer, &d, &p);
    if (st == halSuccess)
        st = can_access(d, p, &can);
    if (st != halSuccess)
        return hal__done(st);
    if (!can)
        return hal__done(hal_fail(halErrorPeerAccess,
                                  "kernels of %s cannot use memory of %s; "
                                  "copy with halMemcpyPeer instead",
                                  d->name, p->name));
    bit = 1ull << p->known_index;
    if (atomic_fetch_or(&d->peers, bit) & bit)
        return hal__done(hal_fail(halErrorPeerAccess,
                                  "access of %s to %s is already on", d->name,
                                  p->name));
    st = hal__device_check(d, d->opt.peer_enable(d->dev, p->dev));
    if (st != halSuccess)
        atomic_fetch_and(&d->peers, ~bit);
    return hal__done(st);
}

halError_t halDeviceDisablePeerAccess(int peer)
{
    struct hal_device *d, *p;
    uint64_t bit;
    halError_t st;

    st = pair_of(peer, &d, &p);
    if (st != halSuccess)
        return hal__done(st);
    bit = 1ull << p->known_index;
    /* While the bit is set, freeing the peer's memory waits for this device:
     * it is cleared when nothing that may use that memory runs any more. */
    if (atomic_load(&d->peers) & bit)
        hal__device_quiesce(d);
    if (!(atomic_fetch_and(&d->peers, ~bit) & bit))
        return hal__done(hal_fail(halErrorPeerAccess,
                                  "access of %s to %s is not on", d->name,
                                  p->name));
    return hal__done(hal__device_check(d, d->opt.peer_disable(d->dev, p->dev)));
}
