/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reset.c - taking a device apart while other threads may call: who is in it,
 * and in which order its parts go.
 *
 * Three things keep a part of a device in place: a reference to one of its
 * objects, a reference to one of its allocations, or having entered it, as a
 * call does that names the device or takes an allocation out of the table.
 * Invariant: the backend's device is closed when there is none of the three,
 * and no new one can come.  What holds them waits for the device's work, and
 * never for the reset.
 */
#include "hal/internal.h"

/* ---- users --------------------------------------------------------------- */

_Thread_local struct hal_entered hal__entered;

static void user_leave(struct hal_device *d)
{
    if (atomic_fetch_sub(&d->n_users, 1) != 1 || !atomic_load(&d->is_resetting))
        return;
    pthread_mutex_lock(&d->users_lock);
    pthread_cond_broadcast(&d->users_changed);
    pthread_mutex_unlock(&d->users_lock);
}

halError_t hal__device_enter(struct hal_device *d)
{
    struct hal_entered *in = &hal__entered;
    int i;

    for (i = 0; i < in->n; i++)
        if (in->devices[i] == d) {
            in->devices[i] = in->devices[--in->n]; /* leave() takes the last */
            in->devices[in->n++] = d;
            return halSuccess;
        }
    if (in->n == HAL_ENTERED_MAX)
        return hal_fail(halErrorInternal, "one call uses more than %d devices",
                        HAL_ENTERED_MAX);
    atomic_fetch_add(&d->n_users, 1);
    if (atomic_load(&d->is_resetting)) {
        user_leave(d);
        return hal_fail(halErrorBadState, "%s is being reset by another thread",
                        d->name);
    }
    in->devices[in->n++] = d;
    return halSuccess;
}

void hal__device_leave(void)
{
    struct hal_entered *in = &hal__entered;

    user_leave(in->devices[--in->n]);
}

void hal__device_leave_all(void)
{
    while (hal__entered.n)
        hal__device_leave();
}

static void users_refuse(struct hal_device *d)
{
    atomic_store(&d->is_resetting, 1);
    pthread_mutex_lock(&d->users_lock);
    while (atomic_load(&d->n_users))
        pthread_cond_wait(&d->users_changed, &d->users_lock);
    pthread_mutex_unlock(&d->users_lock);
}

/* ---- visitors ------------------------------------------------------------ */

/*
 * Who looks into a device that is not its own visits it, and is told nothing
 * where it is being closed.  Resets visit each other's devices: visitors are
 * shut out once the device's work has ended, and those that are in wait for
 * that work and nothing else.  So nobody waits while others must, too.
 */
int hal__visit_begin(struct hal_device *d)
{
    int is_in;

    pthread_mutex_lock(&d->lock);
    is_in = atomic_load(&d->is_open) && !d->is_closing;
    d->n_visits += (unsigned)is_in;
    pthread_mutex_unlock(&d->lock);
    return is_in;
}

void hal__visit_end(struct hal_device *d)
{
    pthread_mutex_lock(&d->lock);
    if (!--d->n_visits)
        pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static void closing_begin(struct hal_device *d)
{
    pthread_mutex_lock(&d->lock);
    d->is_closing = 1;
    while (d->n_visits)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

static void closing_end(struct hal_device *d)
{
    pthread_mutex_lock(&d->lock);
    d->is_closing = 0;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* ---- parts --------------------------------------------------------------- */

/* Others may hold a reference, or be about to end the object themselves. */
static void objects_kill(struct hal_device *d, enum hal_kind kind)
{
    struct hal_object *obj;
    uint64_t after = 0;

    while ((obj = hal__object_next(d, kind, after))) {
        struct hal_stream *s = HAL_ITEM(obj, struct hal_stream, obj);

        after = obj->serial;
        if (kind == HAL_KIND_MODULE)
            hal__module_kill(HAL_ITEM(obj, struct hal_module, obj));
        else if (kind == HAL_KIND_STREAM &&
                 (s == d->null_stream || atomic_load(&s->is_side)))
            ; /* who holds an allocation may still use these two */
        else if (hal__object_kill(obj))
            hal__object_release(obj);
        hal__object_release(obj);
    }
}

/* Those that are kept for the end; d->lock is held. */
static unsigned n_kept_locked(const struct hal_device *d)
{
    return 1 + (d->side_stream != NULL);
}

/* Ends all objects but the two streams, and waits for threads that use one.
 * Who holds a module may make a function of it meanwhile. */
static void objects_end(struct hal_device *d)
{
    uint64_t seen;
    int is_done;

    do {
        pthread_mutex_lock(&d->lock);
        seen = d->n_objects_freed;
        pthread_mutex_unlock(&d->lock);
        objects_kill(d, HAL_KIND_MODULE);
        objects_kill(d, HAL_KIND_EVENT);
        objects_kill(d, HAL_KIND_STREAM);
        pthread_mutex_lock(&d->lock);
        while (d->n_objects > n_kept_locked(d) && d->n_objects_freed == seen)
            pthread_cond_wait(&d->changed, &d->lock);
        is_done = d->n_objects <= n_kept_locked(d);
        pthread_mutex_unlock(&d->lock);
    } while (!is_done);
}

/* Ends other devices' access to d's memory, after the work that uses it.  One
 * that is being reset at the same time ends its own. */
static void peers_end(struct hal_device *d)
{
    const struct hal_registry *reg = hal__registry();
    const uint64_t bit = 1ull << d->known_index;
    int i;

    for (i = 0; i < reg->n_devices; i++) {
        struct hal_device *other = reg->devices[i];

        while (atomic_load(&other->peers) & bit) {
            if (hal__visit_begin(other)) {
                /* No launch from now on; then those that were made before. */
                if (atomic_fetch_and(&other->peers, ~bit) & bit) {
                    hal__device_quiesce(other);
                    (void)hal__device_check(
                        other, other->opt.peer_disable(other->dev, d->dev));
                }
                hal__visit_end(other);
                continue;
            }
            pthread_mutex_lock(&other->lock);
            while (other->is_closing)
                pthread_cond_wait(&other->changed, &other->lock);
            pthread_mutex_unlock(&other->lock);
        }
    }
}

static void stream_end(struct hal_stream *s)
{
    if (!s)
        return;
    if (hal__object_kill(&s->obj))
        hal__object_release(&s->obj);
}

/* d has no users, no visitors, two streams, and is nobody's peer. */
static void close_locked(struct hal_device *d)
{
    struct hal_stream *null = d->null_stream;
    struct hal_alloc *a;

    hal__record_settle_all(d);
    while ((a = hal__pointer_take_any(d))) {
        /* Waits for those that hold it, and for what they have submitted. */
        hal__alloc_settle(a);
        hal__alloc_destroy(a);
    }
    hal__pool_trim(d, 0, 1);
    hal__staging_close(d);
    /* The default stream goes last: the others' ends take its lock. */
    stream_end(d->side_stream);
    d->side_stream = NULL;
    stream_end(null);
    d->null_stream = NULL;
    atomic_store(&d->null_epoch, 0);
    d->null_recorded = 0;
    d->ops->device_close(d->dev);
    d->dev = NULL;
    /* Not before: it lets the peers' own resets go on. */
    atomic_store(&d->peers, 0);
    atomic_store(&d->is_open, 0);
    atomic_store(&d->is_lost, 0);
}

void hal__device_reset(struct hal_device *d)
{
    pthread_mutex_lock(&d->open_lock);
    if (atomic_load(&d->is_open)) {
        users_refuse(d);
        hal__device_quiesce(d);
        objects_end(d);
        peers_end(d);
        closing_begin(d);
        close_locked(d);
        closing_end(d);
        /* Errors of work that is thrown away are of no use to anyone. */
        (void)hal__deferred_take(&d->deferred);
        atomic_store(&d->is_resetting, 0);
    }
    pthread_mutex_unlock(&d->open_lock);
}
