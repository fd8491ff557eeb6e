/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the core's files share.
 *
 * Locks, in the order in which they are taken (a thread may skip some, never
 * go back):  hal_device.open_lock, hal_event.lock, one side stream's side_lock,
 * the default stream's lock, another stream's lock, hal_device.lock,
 * hal_device.record_lock, the pointer table, the handle table's free list; last
 * the leaves: hal_device.users_lock, who waits for an allocation's end.  No
 * lock but a stream's is held across a backend call that may wait, and none at
 * all while the core waits for a device, but for these two.  open_lock: only
 * who opens or resets the same device wants it, and nobody holds two.
 * side_lock: what a side stream carries waits for no other stream and runs no
 * host function, so its end needs no thread's help.
 *
 * Lifetime of a device: see reset.c.
 *
 * Lifetime of memory: a submission looks pointers up with its stream's lock
 * held (launches), or holds a reference until it is submitted (copies) or done
 * (copies between devices).  Freeing takes the allocation out of the table,
 * waits until its reference is the last, then passes every stream's lock of
 * the device and waits for the stream: after that no work can use it.
 */
#ifndef HAL_INTERNAL_H
#define HAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "compiler/compile.h"
#include "hal/backend.h"
#include "hal/hal.h"

_Static_assert(sizeof(void *) == 8, "handles and pointers are 64 bits wide");

#define HAL_DETAIL_BYTES 512
#define HAL_MAX_DEVICES  64 /* known ones, stand-ins included */
#define HAL_MAX_BACKENDS 32

struct hal_device;

/* ---- errors.c ---------------------------------------------------------- */

/* Ends every public call: records a failure as the thread's last error, and
 * leaves the devices that the call has entered. */
halError_t hal__done(halError_t st);

/* An error of asynchronous work that waits for somebody to synchronise. */
struct hal_deferred {
    _Atomic int error;
    char text[HAL_DETAIL_BYTES];
};
/* Keeps the first; the text is this thread's detail. */
void hal__deferred_set(struct hal_deferred *d, halError_t st);
/* Takes it out and makes it this thread's failure. */
halError_t hal__deferred_take(struct hal_deferred *d);

/* ---- fork.c ------------------------------------------------------------ */

#define HAL_FORK_TEXT                                                        \
    "this process was forked from one that had used Halcyon already, whose " \
    "drivers and threads it does not have; fork before the first call, or "  \
    "exec a program in the child"

#define HAL_HOST_FUNC_TEXT                                                     \
    "a function of halLaunchHostFunc() calls the library, whose stream waits " \
    "for it; hand the work to another thread"

/* Set for good in a child of fork() once the library was in use. */
extern int hal__is_forked;
/* Set on a thread while it runs a function of halLaunchHostFunc(). */
extern _Thread_local int hal__in_host_func;
/* From now on children of this process are marked so. */
void hal__fork_watch(void);
halError_t hal__entry_fail(void);

static inline int hal__is_barred(void)
{
    return hal__is_forked || hal__in_host_func;
}

/* Stands before the first lock on every way into the library;
 * hal__registry() shows an empty registry with this error instead. */
static inline halError_t hal__entry_check(void)
{
    return hal__is_barred() ? hal__entry_fail() : halSuccess;
}

/* ---- list.h in small: intrusive, circular ------------------------------ */

struct hal_link {
    struct hal_link *prev, *next;
};
static inline void hal__list_init(struct hal_link *head)
{
    head->prev = head->next = head;
}
static inline void hal__list_add(struct hal_link *head, struct hal_link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}
static inline void hal__list_remove(struct hal_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->prev = l->next = l;
}
#define HAL_ITEM(link, type, member) \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* ---- handle.c: objects with checked handles ---------------------------- */

enum hal_kind {
    HAL_KIND_FUNCTION = 1,
    HAL_KIND_MODULE = 2,
    HAL_KIND_EVENT = 3,
    HAL_KIND_STREAM = 4
};

/* The head of every object that the public API hands out. */
struct hal_object {
    struct hal_device *dev;
    struct hal_link link; /* in dev->objects, under dev->lock */
    uint64_t serial;      /* rises within dev->objects */
    enum hal_kind kind;
    uint32_t slot;
    /* Gives the backend's part back; called once. */
    void (*close)(struct hal_object *obj);
    /* Frees the rest. */
    void (*free)(struct hal_object *obj);
};

/* Gives obj a handle and one reference, and lists it with dev. */
halError_t hal__object_create(struct hal_object *obj, struct hal_device *dev,
                              enum hal_kind kind,
                              void (*close)(struct hal_object *),
                              void (*free)(struct hal_object *));
void *hal__object_handle(const struct hal_object *obj);
/* The live object behind a handle, with a reference; else the error. */
halError_t hal__object_get(const void *handle, enum hal_kind kind,
                           struct hal_object **out_obj);
void hal__object_retain(struct hal_object *obj);
/* The last release closes and frees. */
void hal__object_release(struct hal_object *obj);
/* Makes the handle stale; 1 for the one caller that did, who then owes an
 * unlist and a release. */
int hal__object_retire(struct hal_object *obj);
/* Walks of the device no longer meet the object. */
void hal__object_unlist(struct hal_object *obj);
/* Both at once; 1 for the one caller, who then owes a release. */
int hal__object_kill(struct hal_object *obj);
/* The first object of the device with this kind and serial > after, with a
 * reference, or NULL: a walk that needs no memory and holds no lock. */
struct hal_object *hal__object_next(struct hal_device *dev, enum hal_kind kind,
                                    uint64_t after);

/* ---- pointer.c: which allocation an address belongs to ----------------- */

enum hal_origin {
    HAL_FROM_MALLOC,
    HAL_FROM_POOL,
    HAL_FROM_MANAGED,
    HAL_FROM_HOST_ALLOC,
    HAL_FROM_REGISTER
};

struct hal_alloc {
    struct hal_device *dev;
    enum hal_origin origin;
    halMemoryType type;
    unsigned flags;    /* halHostAlloc* or halHostRegister* */
    uintptr_t base;    /* the address that the user knows it by */
    uintptr_t alias;   /* a second one, or 0 (mapped host memory) */
    uint64_t size;     /* as asked for */
    uint64_t capacity; /* as the backend made it */
    struct hal_mem mem;
    void *host;       /* where the host reaches it, or NULL */
    int has_mem;      /* mem is valid */
    int backend_host; /* host came from opt.host_alloc */
    atomic_uint refs; /* the table's, and copies' between devices */
};

/* An address and what it belongs to. */
struct hal_view {
    struct hal_alloc *alloc; /* NULL: memory that Halcyon does not know */
    uint64_t offset;         /* from the start of alloc */
    uint64_t avail;          /* bytes to its end */
};

/* Reserved addresses for memory that has none. */
struct hal_reserve {
    uintptr_t low, high, next;
};

/* Enters a->base .. + size (and the alias).  With a->base 0 it first takes
 * addresses from the device's reserved range. */
halError_t hal__pointer_insert(struct hal_alloc *a);
/* Takes it out if it is the live allocation that starts at ptr and `accept`
 * says yes; the caller then owns the table's reference, and has entered the
 * allocation's device. */
halError_t hal__pointer_take(const void *ptr, const char *call,
                             halError_t (*accept)(const struct hal_alloc *a,
                                                  const char *call,
                                                  const void *context),
                             const void *context, struct hal_alloc **out_alloc);
/* Any allocation of dev, taken out; NULL when there is none left. */
struct hal_alloc *hal__pointer_take_any(struct hal_device *dev);
/* The view of ptr; .alloc NULL if unknown.  The allocation stays valid while
 * the caller holds the lock of a stream of its device. */
struct hal_view hal__pointer_find(const void *ptr);
/* As find, for n pointers at once (launches). */
void hal__pointer_find_all(const void *const *ptrs, struct hal_view *views,
                           unsigned n);
/* As find, with a reference to release. */
struct hal_view hal__pointer_hold(const void *ptr);
void hal__alloc_retain(struct hal_alloc *a);  /* NULL is fine */
void hal__alloc_release(struct hal_alloc *a); /* NULL is fine */
/* Waits until the caller's reference is the only one. */
void hal__alloc_wait_unused(struct hal_alloc *a);
/* Whether [ptr, ptr + size) meets a live allocation. */
int hal__pointer_meets(const void *ptr, uint64_t size);
/* Whether ptr lies in a range of made-up device addresses. */
int hal__pointer_is_reserved(const void *ptr);
/* "freed or never allocated", and so on, for messages about unknown ptr. */
const char *hal__pointer_describe(const void *ptr);

/* ---- registry.c, plugin.c, profile.c ----------------------------------- */

struct hal_profile;

struct hal_backend_entry {
    const struct hal_backend *backend; /* NULL: a plug-in that was refused */
    int is_needed, is_probed;
    struct halBackendInfo info;
};

struct hal_registry {
    struct hal_backend_entry backends[HAL_MAX_BACKENDS];
    int n_backends;
    struct hal_device *known[HAL_MAX_DEVICES]; /* by rank */
    int n_known;
    int rank;     /* of what is added now: by backend, then the stand-ins */
    char *wanted; /* names that are loaded for; NULL: everything is */
    struct hal_device *devices[HAL_MAX_DEVICES]; /* ordinals */
    int n_devices;
    halError_t status; /* of HALCYON_DEVICES, or of a forked process */
    char detail[HAL_DETAIL_BYTES];
};

/* Loads what HALCYON_DEVICES may mean at the first call, after which devices,
 * status and detail are constant; backends and known are to be read in... */
const struct hal_registry *hal__registry(void);
/* ...this one, whose first call loads the rest too. */
const struct hal_registry *hal__registry_whole(void);
/* Whether a name that is loaded for is `name` itself. */
int hal__registry_wants(const struct hal_registry *reg, const char *name);
/* Checks the table of an opened device; names the slot that is missing. */
halError_t hal__contract_check(const struct hal_backend *backend,
                               const struct hal_dev *dev);
/* prop.c: the same for what an opened device says of itself; one that is
 * refused is closed. */
halError_t hal__prop_check(const struct hal_backend *backend,
                           struct hal_dev *dev);
halError_t hal__contract_backend(const struct hal_backend *backend,
                                 const char *where);
/* Reports what is wrong with a setting that costs no device: an entry of its
 * own among the backends, where listings show it. */
void hal__registry_note(struct hal_registry *reg, const char *name,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The next folder of a search path a:b:c; 0 at its end.  *path may be NULL. */
int hal__path_next(const char **path, char *folder, size_t room);
/* Adds what HALCYON_BACKEND_PATH and the installation hold. */
void hal__plugin_load_all(struct hal_registry *reg);
/* Marks the backends on which the wanted stand-ins may stand... */
void hal__profile_need_all(struct hal_registry *reg);
/* ...and adds these, built in and of HALCYON_PROFILE_PATH. */
void hal__profile_load_all(struct hal_registry *reg);
/* Rewrites what the driver says as the chip would say it. */
void hal__profile_apply(const struct hal_profile *profile,
                        struct hal_dev_info *info);
/* A known device that cannot be used, and why; for listings. */
struct hal_device *hal__known_add(struct hal_registry *reg, const char *name,
                                  const char *about);

/* Parses one profile; NULL and a message "name:line: what" on failure.
 * The fuzzer's entry. */
struct hal_profile *hal__profile_parse(const char *file, const char *text,
                                       size_t size, struct hal_message *msg);
void hal__profile_free(struct hal_profile *profile);

/* ---- device.c ---------------------------------------------------------- */

struct hal_stream;
struct hal_block;

/* Memory that was freed in stream order and waits for its next user. */
struct hal_pool {
    pthread_mutex_t lock;
    struct hal_link blocks; /* oldest first */
    uint64_t bytes;         /* in blocks */
};

/* Page-locked chunks through which copies between devices go. */
struct hal_staging {
    pthread_mutex_t lock;
    struct hal_link free;
    unsigned n_free;
};

/* One device that the registry knows; never freed. */
struct hal_device {
    char name[64];
    char about[256];
    int ordinal;                       /* -1: not admitted */
    const struct hal_backend *backend; /* NULL: `about` says why not */
    unsigned index;
    const struct hal_profile *profile; /* of a stand-in */
    char stands_on[64];

    pthread_mutex_t open_lock;  /* opening and resetting; taken first of all */
    pthread_mutex_t lock;       /* objects, side stream, visits */
    int is_closing;             /* a reset takes it apart: no visits */
    unsigned n_visits;          /* threads that look in from other devices */
    pthread_cond_t changed;     /* visits, objects */
    pthread_mutex_t users_lock; /* for the wait alone; a leaf */
    pthread_cond_t users_changed;
    _Atomic unsigned n_users; /* calls that have entered it */
    atomic_int is_resetting;  /* no more of them */
    atomic_int is_open;
    atomic_int is_lost;
    struct hal_dev *dev;
    const struct hal_ops *ops;
    struct hal_opt_ops opt; /* slots that are missing are NULL */
    struct hal_dev_info info;
    struct hal_deferred deferred; /* of streams that are gone */

    struct hal_link objects;
    uint64_t last_serial;
    unsigned n_objects;       /* that are not freed, listed or not */
    uint64_t n_objects_freed; /* ever */
    struct hal_stream *null_stream;
    struct hal_stream *side_stream; /* for copies that other devices order */

    /* Default stream, under null_stream->lock. */
    struct hal_link blocking;
    _Atomic uint64_t null_epoch; /* rises with each op of the null stream */
    uint64_t null_recorded;      /* epoch that its order event covers */

    pthread_mutex_t record_lock;
    pthread_cond_t record_idle;
    struct hal_link records;

    struct hal_reserve reserve; /* under the pointer table's lock */
    _Atomic uint64_t used_bytes;
    struct hal_pool pool;
    struct hal_staging staging;
    _Atomic uint64_t peers; /* bit: known index of an enabled peer */
    int known_index, rank;
};

/* The opened device of an ordinal; of the calling thread.  Entered. */
halError_t hal__device_at(int ordinal, struct hal_device **out_dev);
halError_t hal__device_current(struct hal_device **out_dev);
/* Fails when the device was lost. */
halError_t hal__device_alive(struct hal_device *d);
/* Passes an op's result on and remembers a lost device. */
halError_t hal__device_check(struct hal_device *d, halError_t st);
/* Waits for all work that was submitted before; errors are kept for the next
 * synchronisation. */
void hal__device_quiesce(struct hal_device *d);
/* The same for every device that may use d's memory: d, those that have it as
 * a peer, or `all` that are open. */
void hal__device_quiesce_users(struct hal_device *d, int all);
/* Returns when every submission that is being made now has been made on d and
 * on those that have it as a peer: who submits has looked its pointers up under
 * its stream's lock. */
void hal__device_pass_users(struct hal_device *d);

/* ---- reset.c ----------------------------------------------------------- */

/* Of how many devices one call may speak. */
#define HAL_ENTERED_MAX 4

struct hal_entered {
    struct hal_device *devices[HAL_ENTERED_MAX];
    int n;
};
extern _Thread_local struct hal_entered hal__entered;

/* Until hal__done() the device is not taken apart; fails while it is.  Once is
 * enough for a call. */
halError_t hal__device_enter(struct hal_device *d);
/* Takes the last enter back. */
void hal__device_leave(void);
void hal__device_leave_all(void);
void hal__device_reset(struct hal_device *d);
/* Whether d may be looked at from another device; then an end is owed. */
int hal__visit_begin(struct hal_device *d);
void hal__visit_end(struct hal_device *d);

/* ---- stream.c, order.c ------------------------------------------------- */

/* Each failed piece of work may be reported by a sync of its own; a driver
 * that never stops reporting is not waited for. */
#define HAL_SETTLE_TRIES 64

struct hal_stream {
    struct hal_object obj;
    void *impl;
    pthread_mutex_t lock;
    unsigned flags;
    int priority;
    int is_blocking; /* ordered against the default stream */
    int is_closing;  /* takes no more work; under lock */
    struct hal_link blocking_link;
    _Atomic uint64_t seen_null; /* the default stream's epoch it waited for */
    atomic_int dirty;           /* work since the default stream waited */
    void *order_event;          /* made at first need */
    struct hal_deferred deferred;
    /* A side stream hands each error out once, and many copies share it: one
     * copy holds this from its submission until its sync. */
    atomic_int is_side;
    pthread_mutex_t side_lock;
};

/* For whoever waits for a stream that may be a side stream. */
static inline void hal__side_lock(struct hal_stream *s)
{
    if (atomic_load(&s->is_side))
        pthread_mutex_lock(&s->side_lock);
}
static inline void hal__side_unlock(struct hal_stream *s)
{
    if (atomic_load(&s->is_side))
        pthread_mutex_unlock(&s->side_lock);
}

/* The stream behind a handle, or the current device's default stream; with a
 * reference. */
halError_t hal__stream_get(halStream_t handle, struct hal_stream **out_stream);
halError_t hal__stream_open(struct hal_device *d, unsigned flags, int priority,
                            int is_blocking, struct hal_stream **out_stream);
/* Side stream of a device, made at first need. */
halError_t hal__stream_side(struct hal_device *d, struct hal_stream **out);
/* Takes the stream's lock with the default stream's order established. */
halError_t hal__stream_begin(struct hal_stream *s);
/* Ends a begin that succeeded. */
void hal__stream_end(struct hal_stream *s);
/* Waits until nothing runs; errors are kept for the next synchronisation. */
void hal__stream_settle(struct hal_stream *s);
/* The same for who holds the side lock already. */
void hal__stream_settle_locked(struct hal_stream *s);
/* Waits; returns and clears errors of asynchronous work. */
halError_t hal__stream_sync(struct hal_stream *s);
/* The same for what was submitted to s itself: the default stream is not made
 * to wait for the others' work of after that. */
halError_t hal__stream_await(struct hal_stream *s);
/* Makes the default stream wait for the others; its lock is held. */
halError_t hal__order_null_locked(struct hal_device *d);
void hal__order_forget(struct hal_stream *s);

static inline void hal__stream_release(struct hal_stream *s)
{
    hal__object_release(&s->obj);
}

/* ---- event.c ----------------------------------------------------------- */

/* One backend event.  It is recorded anew only while nobody else holds it, so
 * that who waits for a record waits for that one. */
struct hal_record {
    struct hal_device *dev;
    struct hal_link link;
    void *impl; /* NULL once the device was reset: all is done */
    unsigned refs, n_waiting;
};

halError_t hal__record_create(struct hal_device *d, int timing,
                              struct hal_record **out_record);
void hal__record_retain(struct hal_record *r);
void hal__record_release(struct hal_record *r);
/* Waits on the host. */
halError_t hal__record_wait(struct hal_record *r);
/* Destroys all backend events of a device whose work is done. */
void hal__record_settle_all(struct hal_device *d);

/* ---- memory.c, host.c, pool.c, staging.c ------------------------------- */

/* Backend memory, accounted; trims the pool when memory is short. */
halError_t hal__mem_alloc(struct hal_device *d, uint64_t size, int kind,
                          struct hal_mem *out_mem);
void hal__mem_free(struct hal_device *d, struct hal_mem *mem, uint64_t size);
/* Waits until no submitted work can use what was just taken out. */
void hal__alloc_settle(struct hal_alloc *a);
/* Frees the backend's part and a itself; nothing uses it. */
void hal__alloc_destroy(struct hal_alloc *a);

/* Freed memory that a device keeps over a synchronisation: enough that a
 * step which allocates and frees its activations does not go to the driver. */
#define HAL_POOL_KEEP_BYTES ((uint64_t)256 << 20)
void hal__pool_init(struct hal_pool *pool);
/* Gives memory back until at most `keep` bytes are held; 1 if any was.  With
 * `wait`, blocks whose work has not ended are waited for. */
int hal__pool_trim(struct hal_device *d, uint64_t keep, int wait);

struct hal_chunk {
    struct hal_link link;
    void *host;
    struct hal_mem mem;
    int backend_host;
};
#define HAL_CHUNK_BYTES ((uint64_t)4 << 20)
void hal__staging_init(struct hal_staging *s);
halError_t hal__staging_take(struct hal_device *d, struct hal_chunk **out);
void hal__staging_give(struct hal_device *d, struct hal_chunk *chunk);
/* Frees all but a few of those that lie idle. */
void hal__staging_trim(struct hal_device *d);
void hal__staging_close(struct hal_device *d);

/* Plain or backend-made page-locked memory. */
halError_t hal__host_alloc(struct hal_device *d, uint64_t size, unsigned flags,
                           void **out_host, struct hal_mem *out_mem,
                           int *out_backend_host);
void hal__host_free(struct hal_device *d, void *host, void *mem,
                    int backend_host);

/* ---- copy.c, copy2d.c, cross.c, fill.c --------------------------------- */

/* A copy of `height` rows; 1D copies have one row. */
struct hal_copy {
    char *dst;
    const char *src;
    uint64_t dst_pitch, src_pitch;
    uint64_t width, height;
    halMemcpyKind kind;
    int is_async;
    int is_waited;               /* who submits it syncs the stream next */
    const char *call;            /* for messages */
    uint64_t dst_span, src_span; /* first to last byte */
    struct hal_view dst_view, src_view;
};

/* Checks everything and runs it on the stream.  s may be NULL for the plain
 * forms: the default stream of the device that the pointers tell. */
halError_t hal__copy_run(struct hal_copy *c, struct hal_stream *s);
/* Runs a checked copy of which one end is of another device than s's. */
halError_t hal__copy_cross(const struct hal_copy *c, struct hal_stream *s);
/* One rectangle with one op, or one a row.  Ends on devices are d's.  s is
 * begun.  What is_waited promises holds for a failure too. */
halError_t hal__rows_submit(struct hal_stream *s, const struct hal_copy *c);
/* Whether source and target rows meet. */
int hal__rows_meet(const struct hal_copy *c);
/* Bytes from the first to the last of `height` rows; 0 on overflow. */
uint64_t hal__rows_span(uint64_t pitch, uint64_t width, uint64_t height);
/* Host to host. */
void hal__rows_copy(const struct hal_copy *c);
/* [ptr, ptr + span) lies in v's allocation; or, if v has none, is host memory
 * as far as one can tell. */
halError_t hal__range_check(const char *call, const char *which,
                            const void *ptr, uint64_t span,
                            const struct hal_view *v);
/* Runs fn(arg) in stream order; s is begun. */
halError_t hal__stream_call(struct hal_stream *s, void (*fn)(void *),
                            void *arg);

static inline int hal__view_is_device(const struct hal_view *v)
{
    return v->alloc && (v->alloc->type == halMemoryTypeDevice ||
                        v->alloc->type == halMemoryTypeManaged);
}

/* Page-locked host memory; and where the host reaches it, for its own address
 * as for its alias. */
static inline int hal__view_is_host(const struct hal_view *v)
{
    return v->alloc && v->alloc->type == halMemoryTypeHost;
}
static inline char *hal__view_host(const struct hal_view *v)
{
    return (char *)v->alloc->host + v->offset;
}

/* ---- module.c, image.c, function.c ------------------------------------- */

struct hal_function;
struct hal_module;

/* Takes the module out of use; its functions first. */
void hal__module_kill(struct hal_module *m);

struct hal_module {
    struct hal_object obj;
    pthread_mutex_t lock; /* functions, is_dead */
    int is_dead;
    struct halbin bin;
    struct hal_function **functions; /* one for each kernel, made lazily */
};

struct hal_function {
    struct hal_object obj;
    struct hal_module *module; /* with a reference */
    const struct hal_kernel_desc *desc;
    const struct hal_image **images; /* that fit, best first */
    uint32_t n_images;
    const struct hal_image *image; /* that runs */
    void *kernel;
    struct hal_kernel_info info;
    atomic_int max_dynamic; /* -1: what the device allows */
};

/* The images that fit the device, best first; *out_images is malloc'ed.
 * halErrorNoImageForDevice says what there is and what the device runs. */
halError_t hal__image_choose(const struct hal_device *d,
                             const struct hal_kernel_desc *desc,
                             const struct hal_image ***out_images,
                             uint32_t *out_n);
int hal__image_any(const struct hal_device *d,
                   const struct hal_kernel_desc *desc);

/* HALCYON_VARIANT names nothing but variants: the compiler's, or `bin`'s, which
 * may be NULL. */
halError_t hal__variant_check(const struct halbin *bin);
/* What to compile for the device: targets[0], which stands for all that it
 * runs, or one target for each listed variant instead. */
halError_t hal__variant_targets(const struct hal_device *d,
                                struct compile_target *targets, uint32_t most,
                                uint32_t *out_n);

halError_t hal__function_open(struct hal_module *m, uint32_t index,
                              struct hal_function **out_function);
/* Bytes of shared memory that it has before a launch adds to them, and those
 * that a launch may add. */
uint32_t hal__function_static(const struct hal_function *f);
uint64_t hal__function_dynamic(const struct hal_function *f);

#endif
