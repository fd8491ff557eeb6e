/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cuda_stream.h - part of fake_cuda.c: streams, each with a thread that
 * runs what was enqueued, and events.  Invariant: the items of one stream run
 * one after the other; a context that is lost runs no more of them.
 */
enum item_kind {
    COPY,
    SET,
    COPY_2D,
    LAUNCH,
    CALL,
    RECORD,
    WAIT_EVENT,
    WAIT_VALUE,
    FREE
};

struct record {
    int n_refs;
    bool is_done;
    uint64_t ns;
};

struct item {
    struct item *next;
    enum item_kind kind;
    uint64_t target, source, size; /* COPY, SET, FREE, WAIT_VALUE */
    uint32_t value;
    unsigned width; /* of SET's elements */
    struct cuda_copy_2d copy;
    struct record *record;
    void *bytes; /* the item's own, freed behind it */
    struct launch *launch;
    void (*fn)(void *arg, int runs); /* CALL: another library's */
    void *arg;
};

struct CUstream_st {
    struct CUstream_st *next;
    struct CUctx_st *context;
    pthread_t thread;
    struct item *head, **tail;
    unsigned n_pending;
    atomic_bool quit;
    const void *module; /* of the launch that runs now, or NULL */
};

struct CUevent_st {
    struct CUevent_st *next;
    struct CUctx_st *context;
    unsigned flags;
    struct record *record; /* NULL: never recorded */
};

static struct CUstream_st *streams;
static struct CUevent_st *events;

static unsigned launch_run(const struct launch *l, struct CUctx_st *c);
static void launch_free(struct launch *l);
static const void *launch_module(const struct launch *l);

static void record_drop(struct record *r)
{
    bool last;

    if (!r)
        return;
    pthread_mutex_lock(&lock);
    last = --r->n_refs == 0;
    pthread_mutex_unlock(&lock);
    if (last)
        free(r);
}

static void set(const struct item *i)
{
    char *to = (char *)(uintptr_t)i->target;

    for (uint64_t k = 0; k < i->size; k += i->width)
        memcpy(to + k, &i->value, i->width);
}

static void copy_2d(const struct cuda_copy_2d *c)
{
    for (size_t row = 0; row < c->height; row++)
        memcpy((char *)(uintptr_t)c->dst_device + row * c->dst_pitch,
               (const char *)(uintptr_t)c->src_device + row * c->src_pitch,
               c->width);
}

static void wait_value(const struct CUstream_st *s, const struct item *i)
{
    const _Atomic uint32_t *word = (const void *)(uintptr_t)i->target;

    while ((int32_t)(atomic_load(word) - i->value) < 0 && !s->context->sticky &&
           !s->quit)
        usleep(20);
}

static void wait_record(const struct CUstream_st *s, const struct item *i)
{
    pthread_mutex_lock(&lock);
    while (!i->record->is_done && !s->context->sticky && !s->quit)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* Whoever sees the event done sees the stream past it. */
static void record_end(struct CUstream_st *s, struct record *r)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    pthread_mutex_lock(&lock);
    r->ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    r->is_done = true;
    s->n_pending--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void item_run(struct CUstream_st *s, struct item *i)
{
    unsigned code;

    switch (i->kind) {
    case COPY:
        memmove((void *)(uintptr_t)i->target, (void *)(uintptr_t)i->source,
                i->size);
        return;
    case SET:
        set(i);
        return;
    case COPY_2D:
        copy_2d(&i->copy);
        return;
    case LAUNCH:
        code = launch_run(i->launch, s->context);
        if (code)
            lose(s->context, code);
        return;
    case CALL:
        i->fn(i->arg, !s->context->sticky);
        return;
    case RECORD:
        record_end(s, i->record);
        return;
    case WAIT_EVENT:
        wait_record(s, i);
        return;
    case WAIT_VALUE:
        wait_value(s, i);
        return;
    case FREE:
        block_free(block_take(i->target));
        return;
    }
}

static void item_free(struct item *i)
{
    record_drop(i->record);
    launch_free(i->launch);
    free(i->bytes);
    free(i);
}

static void *stream_main(void *arg)
{
    struct CUstream_st *s = arg;

    pthread_mutex_lock(&lock);
    for (;;) {
        struct item *i = s->head;
        bool runs = !s->context->sticky, counted;

        if (!i) {
            if (s->quit)
                break;
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        s->head = i->next;
        if (!s->head)
            s->tail = &s->head;
        s->module = i->launch ? launch_module(i->launch) : NULL;
        pthread_mutex_unlock(&lock);
        counted = runs && i->kind == RECORD;
        if (runs || i->kind == FREE || i->kind == CALL)
            item_run(s, i);
        item_free(i);
        pthread_mutex_lock(&lock);
        s->n_pending -= !counted;
        s->module = NULL;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static bool stream_ok(const char *call, const struct CUstream_st *s)
{
    const struct CUstream_st *at;

    pthread_mutex_lock(&lock);
    for (at = streams; at && at != s;)
        at = at->next;
    pthread_mutex_unlock(&lock);
    if (!at)
        bad("%s: no live stream", call);
    else if (s->context != current())
        bad("%s: a stream of another context", call);
    return at && s->context == current();
}

static unsigned enqueue(struct CUstream_st *s, const struct item *item)
{
    struct item *i = malloc(sizeof *i);

    if (!i)
        abort();
    *i = *item;
    i->next = NULL;
    pthread_mutex_lock(&lock);
    if (i->record)
        i->record->n_refs++;
    *s->tail = i;
    s->tail = &i->next;
    s->n_pending++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* Until the stream is empty, or its context dead: what that is. */
static unsigned stream_wait(struct CUstream_st *s)
{
    unsigned code;

    pthread_mutex_lock(&lock);
    while (s->n_pending && !s->context->sticky)
        pthread_cond_wait(&changed, &lock);
    code = s->context->sticky;
    pthread_mutex_unlock(&lock);
    return code;
}

static void context_wait(struct CUctx_st *c)
{
    struct CUstream_st *s;

    pthread_mutex_lock(&lock);
again:
    for (s = streams; s && c && !c->sticky; s = s->next)
        if (s->context == c && s->n_pending) {
            pthread_cond_wait(&changed, &lock);
            goto again;
        }
    pthread_mutex_unlock(&lock);
}

unsigned cuStreamCreateWithPriority(struct CUstream_st **out, unsigned flags,
                                    int priority)
{
    struct CUstream_st *s;

    DUE(true);
    if (flags != CUDA_STREAM_NON_BLOCKING || priority > 0 || priority < -5)
        bad("cuStreamCreateWithPriority: flags %u, priority %d", flags,
            priority);
    s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->context = current();
    s->tail = &s->head;
    pthread_mutex_lock(&lock);
    s->next = streams;
    streams = s;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&s->thread, NULL, stream_main, s))
        abort();
    atomic_fetch_add(&fake.n_live, 1);
    *out = s;
    return 0;
}

static void stream_free(struct CUstream_st *s)
{
    struct CUstream_st **at;

    pthread_mutex_lock(&lock);
    for (at = &streams; *at != s;)
        at = &(*at)->next;
    *at = s->next;
    s->quit = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(s->thread, NULL);
    atomic_fetch_sub(&fake.n_live, 1);
    free(s);
}

unsigned cuStreamDestroy_v2(struct CUstream_st *s)
{
    if (!stream_ok(__func__, s))
        return CUDA_INVALID_VALUE;
    (void)stream_wait(s);
    stream_free(s);
    return 0;
}

unsigned cuStreamQuery(struct CUstream_st *s)
{
    unsigned n;

    DUE(true);
    if (!stream_ok(__func__, s))
        return CUDA_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    n = s->n_pending;
    pthread_mutex_unlock(&lock);
    return s->context->sticky ? s->context->sticky : n ? CUDA_NOT_READY : 0;
}

unsigned cuStreamSynchronize(struct CUstream_st *s)
{
    DUE(true);
    return stream_ok(__func__, s) ? stream_wait(s) : CUDA_INVALID_VALUE;
}

unsigned cuStreamWaitValue32_v2(struct CUstream_st *s,
                                unsigned long long address, uint32_t value,
                                unsigned flags)
{
    const struct item i = { .kind = WAIT_VALUE,
                            .target = address,
                            .value = value };

    DUE(true);
    if (flags != CUDA_STREAM_WAIT_VALUE_GEQ || address % 4)
        bad("cuStreamWaitValue32: flags %u", flags);
    if (!stream_ok(__func__, s) || !range_ok(__func__, s->context, address, 4))
        return CUDA_INVALID_VALUE;
    return enqueue(s, &i);
}

/* ---- events
 * -------------------------------------------------------------------- */

static bool event_ok(const char *call, const struct CUevent_st *e)
{
    const struct CUevent_st *at;

    pthread_mutex_lock(&lock);
    for (at = events; at && at != e;)
        at = at->next;
    pthread_mutex_unlock(&lock);
    if (!at)
        bad("%s: no live event", call);
    return at != NULL;
}

unsigned cuEventCreate(struct CUevent_st **out, unsigned flags)
{
    struct CUevent_st *e;

    DUE(true);
    if (flags & ~3u)
        bad("cuEventCreate with flags %u", flags);
    e = calloc(1, sizeof *e);
    if (!e)
        abort();
    e->context = current();
    e->flags = flags;
    pthread_mutex_lock(&lock);
    e->next = events;
    events = e;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&fake.n_live, 1);
    *out = e;
    return 0;
}

unsigned cuEventDestroy_v2(struct CUevent_st *e)
{
    struct CUevent_st **at;

    if (!event_ok(__func__, e))
        return CUDA_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (at = &events; *at != e;)
        at = &(*at)->next;
    *at = e->next;
    pthread_mutex_unlock(&lock);
    record_drop(e->record);
    atomic_fetch_sub(&fake.n_live, 1);
    free(e);
    return 0;
}

unsigned cuEventRecord(struct CUevent_st *e, struct CUstream_st *s)
{
    struct item i = { .kind = RECORD };
    struct record *old;

    DUE(true);
    if (!event_ok(__func__, e) || !stream_ok(__func__, s) ||
        e->context != s->context)
        return CUDA_INVALID_VALUE;
    i.record = calloc(1, sizeof *i.record);
    if (!i.record)
        abort();
    i.record->n_refs = 1; /* the event's */
    pthread_mutex_lock(&lock);
    old = e->record;
    e->record = i.record;
    pthread_mutex_unlock(&lock);
    record_drop(old);
    return enqueue(s, &i);
}

unsigned cuEventQuery(struct CUevent_st *e)
{
    bool done;

    DUE(true);
    if (!event_ok(__func__, e))
        return CUDA_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    done = !e->record || e->record->is_done;
    pthread_mutex_unlock(&lock);
    return done ? 0 : e->context->sticky ? e->context->sticky : CUDA_NOT_READY;
}

unsigned cuEventSynchronize(struct CUevent_st *e)
{
    struct record *r;
    unsigned code = 0;

    DUE(true);
    if (!event_ok(__func__, e))
        return CUDA_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    r = e->record;
    if (r)
        r->n_refs++;
    while (r && !r->is_done && !e->context->sticky)
        pthread_cond_wait(&changed, &lock);
    code = e->context->sticky;
    pthread_mutex_unlock(&lock);
    record_drop(r);
    return code;
}

unsigned cuEventElapsedTime(float *ms, struct CUevent_st *start,
                            struct CUevent_st *end)
{
    DUE(true);
    if (!event_ok(__func__, start) || !event_ok(__func__, end))
        return CUDA_INVALID_VALUE;
    if ((start->flags | end->flags) & CUDA_EVENT_DISABLE_TIMING ||
        !start->record || !end->record) {
        bad("cuEventElapsedTime of events without a time");
        return 400; /* CUDA_ERROR_INVALID_HANDLE */
    }
    if (!start->record->is_done || !end->record->is_done)
        return CUDA_NOT_READY;
    *ms = (float)((double)(end->record->ns - start->record->ns) / 1e6);
    return 0;
}

unsigned cuStreamWaitEvent(struct CUstream_st *s, struct CUevent_st *e,
                           unsigned flags)
{
    struct item i = { .kind = WAIT_EVENT };

    DUE(true);
    if (flags || !stream_ok(__func__, s) || !event_ok(__func__, e))
        return CUDA_INVALID_VALUE;
    i.record = e->record;
    return i.record ? enqueue(s, &i) : 0;
}

/* The last reference to a primary context: what it holds is gone. */
static void context_end(struct CUctx_st *c)
{
    struct CUstream_st *s;

    do {
        pthread_mutex_lock(&lock);
        for (s = streams; s && s->context != c;)
            s = s->next;
        pthread_mutex_unlock(&lock);
        if (s)
            bad("a primary context ends with a stream");
        if (s)
            stream_free(s);
    } while (s);
}
