/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu.c - runs the blocks of a grid one after the other, the threads of a
 * block as fibers on the caller's thread.  Invariant: a fiber runs until it
 * waits or ends, and the next one is always chosen in the order of the launch,
 * a warp as far as it gets before the next; nothing here depends on time or on
 * addresses.
 */
#include "tests/emu/emu_internal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#define THREADS_MAX 1024u
#define WARP        32u
#define STACK       ((size_t)128 << 10)
/* Lies at the lowest end of each stack: guard pages would be 2048 mappings of
 * each library, and a process may have 65530. */
#define BOTTOM       0x5afe5afe5afe5afeu
#define STATIC_MAX   ((size_t)48 << 10) /* what ptxas grants without asking */
#define SHARED_MAX   ((size_t)227 << 10)
#define ARRAYS_MAX   64u
#define RED          64u /* bytes behind each shared array */
#define RED_BYTE     0xA5
#define POISON       0xFF
#define COPIES_MAX   32u
#define STACKS_BYTES ((THREADS_MAX + 1) * STACK)
#define SHARED_BYTES (SHARED_MAX + (ARRAYS_MAX + 1) * 2 * RED)
#define GATHERINGS   4u /* masks of one warp that wait at a time */

enum fiber_state { FIBER_READY, FIBER_BLOCK, FIBER_WARP, FIBER_DONE };

#ifdef __x86_64__
struct context {
    void *sp;
};
#else
struct context {
    ucontext_t u;
};
#endif

/* Not made yet: `bytes` from `from`, zeros up to `whole`. */
struct copy {
    char *to;
    const void *from;
    unsigned bytes, whole, group;
};

struct fiber {
    struct emu_thread self; /* first: emu_self points at it */
    struct context context;
    enum fiber_state state;
    unsigned index, source;
    uint64_t value, got;
    struct run *run;
    unsigned n_copies, group; /* the group that is open */
    struct copy copies[COPIES_MAX];
};

struct gathering {
    unsigned mask, arrived; /* mask 0: free */
};

struct array {
    const void *key;
    size_t at, bytes;
};

/* What one launch needs; kept for the next one. */
struct run {
    struct context home;
    struct fiber fibers[THREADS_MAX];
    struct gathering gatherings[THREADS_MAX / WARP][GATHERINGS];
    struct array arrays[ARRAYS_MAX];
    const void *shown[THREADS_MAX];
    unsigned n_threads, n_arrays;
    size_t shared_used, dynamic_bytes, static_bytes;
    const struct emu_kernel *kernel;
    void **args;
    int failed;
    char *stacks; /* THREADS_MAX of them, behind room for an overrun */
    char *shared;
    struct run *next;
};

__thread struct emu_thread *emu_self;
static __thread char error_text[256];
static const struct emu_kernel *kernels;
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct run *idle;

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(error_text, sizeof error_text, format, list);
    va_end(list);
    return -1;
}

static uint64_t *bottom_of(const struct run *run, unsigned thread)
{
    return (uint64_t *)(void *)(run->stacks + (thread + 1) * STACK);
}

__attribute__((visibility("default"))) const char *emu_error(void)
{
    return error_text;
}

/* Constructors run one after the other, before the library can be asked. */
void emu_register(struct emu_kernel *k)
{
    k->next = kernels;
    kernels = k;
}

__attribute__((visibility("default"))) const struct emu_kernel *
emu_find(const char *entry)
{
    for (const struct emu_kernel *k = kernels; k; k = k->next)
        if (!strcmp(k->name, entry))
            return k;
    return NULL;
}

/* ---- fibers -------------------------------------------------------------- */

static void fiber_main(void);

#ifdef __x86_64__
/* Saves what a call must keep on the stack, and goes on on another one. */
void emu_switch(struct context *from, const struct context *to);
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden emu_switch\n"
        ".globl emu_switch\n"
        ".type emu_switch, @function\n"
        "emu_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size emu_switch, . - emu_switch\n");

static void context_make(struct context *c, char *stack)
{
    void **top = (void **)(void *)(stack + STACK);

    *--top = NULL; /* so that fiber_main's frame is aligned as by a call */
    *--top = (void *)fiber_main;
    for (int i = 0; i < 6; i++)
        *--top = NULL;
    c->sp = top;
}
#else
static void emu_switch(struct context *from, const struct context *to)
{
    swapcontext(&from->u, &to->u);
}

static void context_make(struct context *c, char *stack)
{
    getcontext(&c->u);
    c->u.uc_stack.ss_sp = stack;
    c->u.uc_stack.ss_size = STACK;
    c->u.uc_link = NULL;
    makecontext(&c->u, fiber_main, 0);
}
#endif

static struct fiber *self(void)
{
    return (struct fiber *)(void *)emu_self;
}

static void wait_as(enum fiber_state state)
{
    struct fiber *f = self();

    f->state = state;
    emu_switch(&f->context, &f->run->home);
}

static void fiber_main(void)
{
    self()->run->kernel->call(self()->run->args);
    wait_as(FIBER_DONE);
    abort(); /* nobody resumes a thread that has ended */
}

/* Ends the launch from inside a thread: it never runs again. */
static void give_up(void)
{
    self()->run->failed = 1;
    wait_as(FIBER_DONE);
}

/* ---- what threads do together -------------------------------------------- */

void emu_block_barrier(void)
{
    wait_as(FIBER_BLOCK);
}

unsigned emu_lane(void)
{
    return self()->index % WARP;
}

/* All threads of the mask are here: each gets what its source brought. */
static void release(struct run *run, unsigned first, unsigned mask)
{
    for (unsigned i = 0; i < WARP; i++) {
        struct fiber *f = &run->fibers[first + i];

        if (mask >> i & 1) {
            f->got = mask >> f->source & 1
                         ? run->fibers[first + f->source].value
                         : f->value;
            f->state = FIBER_READY;
        }
    }
}

static void gather(unsigned mask)
{
    struct fiber *f = self();
    struct run *run = f->run;
    unsigned lane = f->index % WARP, first = f->index - lane;
    struct gathering *list = run->gatherings[first / WARP], *g = NULL;

    for (unsigned i = 0; i < GATHERINGS; i++)
        if (list[i].mask == mask || (!list[i].mask && !g))
            g = &list[i];
    if (!(mask >> lane & 1) || !g) {
        fail(g ? "kernel %s: thread %u calls a shuffle or a warp's barrier "
                 "with the mask 0x%08x, which it is not in"
               : "kernel %s: thread %u is one group too many of its warp "
                 "(mask 0x%08x)",
             run->kernel->name, f->index, mask);
        give_up();
        return;
    }
    g->mask = mask;
    g->arrived |= 1u << lane;
    if (g->arrived == mask) {
        g->mask = g->arrived = 0;
        release(run, first, mask);
        emu_switch(&f->context, &run->home);
        return;
    }
    wait_as(FIBER_WARP);
}

void emu_warp_barrier(unsigned mask)
{
    self()->source = 0;
    gather(mask);
}

uint64_t emu_shuffle(unsigned mask, uint64_t value, unsigned lane)
{
    self()->value = value;
    self()->source = lane % WARP;
    gather(mask);
    return self()->got;
}

unsigned emu_ballot(unsigned mask, int predicate)
{
    struct fiber *f = self();
    unsigned bits = 0;

    for (unsigned i = 0; i < WARP; i++)
        if (mask >> i & 1)
            bits |= (unsigned)(emu_shuffle(mask, predicate != 0, i) << i);
    f->source = 0;
    return bits;
}

const void *const *emu_show(const void *mine)
{
    struct fiber *f = self();
    struct run *run = f->run;

    run->shown[f->index] = mine;
    emu_warp_barrier(0xffffffffu);
    return run->shown + f->index / WARP * WARP;
}

/* ---- copies that are not waited for -------------------------------------- */

void emu_copy_async(void *to, const void *from, unsigned bytes, unsigned whole)
{
    struct fiber *f = self();

    if (f->n_copies == COPIES_MAX || bytes > whole || (uintptr_t)to % whole ||
        (uintptr_t)from % whole) {
        fail("kernel %s: thread %u has %u copies under way and makes one of "
             "%u bytes of %u from %p to %p",
             f->run->kernel->name, f->index, f->n_copies, bytes, whole, from,
             to);
        give_up();
        return;
    }
    f->copies[f->n_copies++] =
        (struct copy){ to, from, bytes, whole, f->group };
}

void emu_copy_commit(void)
{
    self()->group++;
}

void emu_copy_wait(unsigned n_left)
{
    struct fiber *f = self();
    unsigned kept = 0;

    for (unsigned i = 0; i < f->n_copies; i++) {
        const struct copy *c = &f->copies[i];

        if (c->group + n_left >= f->group) {
            f->copies[kept++] = *c;
            continue;
        }
        memcpy(c->to, c->from, c->bytes);
        memset(c->to + c->bytes, 0, c->whole - c->bytes);
    }
    f->n_copies = kept;
}

/* ---- shared memory ------------------------------------------------------- */

static void *take_shared(struct run *run, const void *key, size_t bytes)
{
    struct array *a = &run->arrays[run->n_arrays++];

    *a = (struct array){ key, run->shared_used, bytes };
    memset(run->shared + a->at, POISON, bytes);
    memset(run->shared + a->at + bytes, RED_BYTE, RED);
    run->shared_used += (bytes + RED + 63) / 64 * 64;
    return run->shared + a->at;
}

void *emu_shared(const void *key, size_t bytes)
{
    struct run *run = self()->run;

    for (unsigned i = 0; i < run->n_arrays; i++)
        if (run->arrays[i].key == key)
            return run->shared + run->arrays[i].at;
    run->static_bytes += bytes;
    if (run->n_arrays == ARRAYS_MAX || run->static_bytes > STATIC_MAX ||
        run->static_bytes + run->dynamic_bytes > SHARED_MAX) {
        fail("kernel %s wants %zu bytes of static shared memory and %zu "
             "dynamic; a block has %zu, of them %zu static, in %u arrays",
             run->kernel->name, run->static_bytes, run->dynamic_bytes,
             SHARED_MAX, STATIC_MAX, ARRAYS_MAX);
        give_up();
    }
    return take_shared(run, key, bytes);
}

void *emu_dynamic_shared(void)
{
    return self()->run->shared;
}

/* Whether all writes stayed inside of the arrays. */
static int check_arrays(const struct run *run)
{
    for (unsigned i = 0; i < run->n_arrays; i++) {
        const struct array *a = &run->arrays[i];

        for (unsigned k = 0; k < RED; k++)
            if ((unsigned char)run->shared[a->at + a->bytes + k] != RED_BYTE)
                return fail("kernel %s writes behind the %zu bytes of its "
                            "shared array number %u (0 is the dynamic one)",
                            run->kernel->name, a->bytes, i);
    }
    return 0;
}

/* ---- a block ------------------------------------------------------------- */

static void start_fibers(struct run *run, const unsigned grid[3],
                         const unsigned block[3], uint64_t number)
{
    struct emu_thread t = {
        .block = { (unsigned)(number % grid[0]),
                   (unsigned)(number / grid[0] % grid[1]),
                   (unsigned)(number / grid[0] / grid[1]) },
        .block_dim = { block[0], block[1], block[2] },
        .grid_dim = { grid[0], grid[1], grid[2] },
    };

    for (unsigned i = 0; i < run->n_threads; i++) {
        struct fiber *f = &run->fibers[i];

        t.thread = (struct emu_dim){ i % block[0], i / block[0] % block[1],
                                     i / block[0] / block[1] };
        f->self = t;
        f->state = FIBER_READY;
        f->index = i;
        f->run = run;
        f->n_copies = f->group = 0;
        *bottom_of(run, i) = BOTTOM;
        context_make(&f->context, (char *)bottom_of(run, i));
    }
    memset(run->gatherings, 0, sizeof run->gatherings);
    run->n_arrays = 0;
    run->shared_used = run->static_bytes = 0;
    take_shared(run, NULL, run->dynamic_bytes);
}

/* Nobody can run: either all wait for the block's barrier, or some wait for
 * threads that will not come. */
static int settle(struct run *run)
{
    static const char *const doing[] = { "is ready", "waits at a barrier",
                                         "waits for its warp", "has ended" };
    const struct fiber *first = &run->fibers[0];

    for (unsigned i = 1; i < run->n_threads; i++)
        if (run->fibers[i].state != first->state)
            return fail("kernel %s, block %u,%u,%u: thread %u %s, thread %u %s",
                        run->kernel->name, first->self.block.x,
                        first->self.block.y, first->self.block.z, first->index,
                        doing[first->state], i, doing[run->fibers[i].state]);
    if (first->state == FIBER_WARP)
        return fail("kernel %s: all threads wait for their warp, in masks of "
                    "threads that are not there",
                    run->kernel->name);
    for (unsigned i = 0; i < run->n_threads; i++)
        run->fibers[i].state = FIBER_READY;
    return 0;
}

static int check_stacks(const struct run *run)
{
    for (unsigned i = 0; i < run->n_threads; i++)
        if (*bottom_of(run, i) != BOTTOM)
            return fail("kernel %s: thread %u has used more than %zu bytes of "
                        "stack",
                        run->kernel->name, i, STACK);
    return 0;
}

/* A warp gets as far ahead of the others as it can: what it does beyond a
 * barrier that is missing, they have yet to do.  How many threads ran. */
static unsigned run_warp(struct run *run, unsigned warp, int reversed)
{
    unsigned from = warp * WARP, n = run->n_threads - from, ran = 0, before;

    n = n < WARP ? n : WARP;
    do {
        before = ran;
        for (unsigned k = 0; k < n && !run->failed; k++) {
            struct fiber *f = &run->fibers[from + (reversed ? n - 1 - k : k)];

            if (f->state != FIBER_READY)
                continue;
            ran++;
            emu_self = &f->self;
            emu_switch(&run->home, &f->context);
        }
    } while (ran > before && !run->failed);
    return ran;
}

static int run_block(struct run *run, int reversed)
{
    const unsigned warps = (run->n_threads + WARP - 1) / WARP;

    for (;;) {
        unsigned ran = 0, done = 0;

        for (unsigned w = 0; w < warps && !run->failed; w++)
            ran += run_warp(run, reversed ? warps - 1 - w : w, reversed);
        if (run->failed)
            return -1;
        for (unsigned i = 0; i < run->n_threads; i++)
            done += run->fibers[i].state == FIBER_DONE;
        if (done == run->n_threads)
            return check_stacks(run) || check_arrays(run) ? -1 : 0;
        if (!ran && settle(run))
            return -1;
    }
}

/* ---- a launch ------------------------------------------------------------ */

static int check_launch(const struct emu_kernel *k, const unsigned grid[3],
                        const unsigned block[3], size_t dynamic_shared,
                        void **args)
{
    static const unsigned block_max[] = { 1024, 1024, 64 },
                          grid_max[] = { 0x7fffffff, 65535, 65535 };
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];

    for (int i = 0; i < 3; i++)
        if (!grid[i] || !block[i] || grid[i] > grid_max[i] ||
            block[i] > block_max[i])
            return fail("kernel %s: a grid of %u,%u,%u blocks of %u,%u,%u",
                        k->name, grid[0], grid[1], grid[2], block[0], block[1],
                        block[2]);
    if (threads > THREADS_MAX || (k->max_threads && threads > k->max_threads))
        return fail("kernel %s: %llu threads in a block; its launch bounds "
                    "are %u, a device's %u",
                    k->name, (unsigned long long)threads, k->max_threads,
                    THREADS_MAX);
    if (dynamic_shared > SHARED_MAX)
        return fail("kernel %s: %zu bytes of dynamic shared memory; a block "
                    "has %zu",
                    k->name, dynamic_shared, SHARED_MAX);
    for (unsigned i = 0; i < k->n_args; i++)
        if (!args || !args[i])
            return fail("kernel %s: argument %u of %u is missing", k->name, i,
                        k->n_args);
    return 0;
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Also one that was not made to its end. */
static void run_free(struct run *run)
{
    if (run->stacks)
        munmap(run->stacks, STACKS_BYTES);
    if (run->shared)
        munmap(run->shared, SHARED_BYTES);
    free(run);
}

static struct run *take_run(void)
{
    struct run *run;

    pthread_mutex_lock(&idle_lock);
    run = idle;
    if (run)
        idle = run->next;
    pthread_mutex_unlock(&idle_lock);
    if (run)
        return run;
    run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    run->stacks = map(STACKS_BYTES);
    run->shared = map(SHARED_BYTES);
    if (run->stacks && run->shared)
        return run;
    run_free(run);
    return NULL;
}

static void leave_run(struct run *run)
{
    pthread_mutex_lock(&idle_lock);
    run->next = idle;
    idle = run;
    pthread_mutex_unlock(&idle_lock);
}

__attribute__((destructor)) static void free_runs(void)
{
    while (idle) {
        struct run *run = idle;

        idle = run->next;
        run_free(run);
    }
}

__attribute__((visibility("default"))) int
emu_launch(const struct emu_kernel *k, const unsigned grid[3],
           const unsigned block[3], size_t dynamic_shared, void **args)
{
    const char *order = getenv("HALCYON_EMU_ORDER");
    int reversed = order && !strcmp(order, "reversed"), st;
    uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2];
    struct emu_thread *before = emu_self;
    struct run *run;

    error_text[0] = '\0';
    if (order && *order && !reversed && strcmp(order, "forward") != 0)
        return fail("HALCYON_EMU_ORDER is '%.40s', not forward or reversed",
                    order);
    st = check_launch(k, grid, block, dynamic_shared, args);
    if (st)
        return st;
    run = take_run();
    if (!run)
        return fail("kernel %s: no memory", k->name);
    run->kernel = k;
    run->args = args;
    run->failed = 0;
    run->dynamic_bytes = dynamic_shared;
    run->n_threads = block[0] * block[1] * block[2];
    for (uint64_t b = 0; b < blocks && !st; b++) {
        start_fibers(run, grid, block, reversed ? blocks - 1 - b : b);
        st = run_block(run, reversed);
    }
    emu_self = before;
    leave_run(run);
    return st;
}
