/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - api.thread.*: eight threads on one device, one thread on every
 * device, the current device of each thread, and forked children.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

enum { THREADS = 8, DEVICES = 4, ROUNDS = 25, N = 3000 };

struct job {
    int device;
    int id;
    halFunction_t add; /* of `device` */
    char problem[256];
};

static int trouble(struct job *j, halError_t st, const char *what)
{
    if (st == halSuccess)
        return 0;
    snprintf(j->problem, sizeof j->problem, "thread %d: %s: %s: %s", j->id,
             what, halGetErrorName(st), halGetErrorDetail());
    return 1;
}

/* Ends the thread: returns from work(), whose job is `j`. */
#define TRY(call)                      \
    do {                               \
        if (trouble(j, (call), #call)) \
            return NULL;               \
    } while (0)

/* Allocates, fills, computes and checks on a stream of its own.  Ends at the
 * first failure with its sentence; checks never touch the case from here. */
static void *work(void *arg)
{
    struct job *j = arg;
    float got[N];

    TRY(halSetDevice(j->device));
    for (int r = 0; r < ROUNDS; r++) {
        halStream_t s = NULL;
        halEvent_t e = NULL;
        void *x = NULL, *y = NULL;
        float a = (float)(j->id * 1000 + r);
        uint32_t n = N;
        void *args[] = { &x, &y, &a, &n };

        TRY(halStreamCreateWithFlags(&s, r % 2 ? halStreamNonBlocking : 0));
        TRY(halEventCreate(&e));
        TRY(halMalloc(&x, N * 4));
        TRY(halMallocAsync(&y, N * 4, s));
        TRY(halMemsetAsync(x, 0, N * 4, s));
        TRY(halMemsetAsync(y, 0xff, N * 4, s));
        TRY(halLaunchKernel(j->add, (halDim3){ N / 256 + 1, 1, 1 },
                            (halDim3){ 0, 0, 0 }, args, 0, s));
        TRY(halEventRecord(e, s));
        TRY(halMemcpyAsync(got, y, N * 4, halMemcpyDeviceToHost, s));
        TRY(halStreamSynchronize(s));
        TRY(halEventQuery(e));
        for (int i = 0; i < N; i++)
            if (got[i] != a) {
                snprintf(j->problem, sizeof j->problem,
                         "thread %d, round %d: element %d is %g", j->id, r, i,
                         (double)got[i]);
                return NULL;
            }
        TRY(halFreeAsync(y, s));
        TRY(halFree(x));
        TRY(halEventDestroy(e));
        TRY(halStreamDestroy(s));
    }
    return NULL;
}

static void run_jobs(struct conf *c, struct job *jobs, int n)
{
    pthread_t threads[THREADS];
    int started = 0;

    while (started < n &&
           !pthread_create(&threads[started], NULL, work, &jobs[started]))
        started++;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    CONF_TRUE(c, started == n);
    for (int i = 0; i < n; i++)
        conf_check(c, !jobs[i].problem[0], "%s", jobs[i].problem);
}

static void eight_on_one(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t add = api_function(c, m, "api_add");
    struct job jobs[THREADS];

    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < THREADS; i++)
        jobs[i] = (struct job){ conf_device(c), i, add, "" };
    run_jobs(c, jobs, THREADS);
}

/* The devices of the cases below, at most DEVICES, each with a module of its
 * own; none is a job's to load. */
struct loaded {
    int n;
    halModule_t module[DEVICES];
    halFunction_t add[DEVICES];
};

static struct loaded load_on_all(struct conf *c)
{
    struct loaded l = { 0 };

    CONF_OK(c, halGetDeviceCount(&l.n));
    l.n = l.n < DEVICES ? l.n : DEVICES;
    for (int d = 0; d < l.n; d++) {
        CONF_OK(c, halSetDevice(d));
        l.module[d] = api_module(c);
        l.add[d] = api_function(c, l.module[d], "api_add");
    }
    CONF_OK(c, halSetDevice(conf_device(c)));
    return l;
}

static void unload_all(struct conf *c, const struct loaded *l)
{
    for (int d = 0; d < l->n; d++)
        CONF_OK(c, halModuleUnload(l->module[d]));
}

static void one_on_all(struct conf *c)
{
    struct loaded l = load_on_all(c);
    struct job job = { 0 };

    for (int d = 0; d < l.n; d++) {
        job.device = d;
        job.id = d;
        job.add = l.add[d];
        work(&job);
        conf_check(c, !job.problem[0], "device %d: %s", d, job.problem);
    }
    CONF_OK(c, halSetDevice(conf_device(c)));
    unload_all(c, &l);
}

static void each_on_its_own(struct conf *c)
{
    struct loaded l = load_on_all(c);
    struct job jobs[THREADS];

    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < THREADS; i++)
        jobs[i] = (struct job){ i % l.n, i, l.add[i % l.n], "" };
    run_jobs(c, jobs, THREADS);
    unload_all(c, &l);
}

struct ender {
    int device;
    halStream_t stream;
    halError_t st;
    atomic_int done;
};

static void *destroy_stream(void *arg)
{
    struct ender *e = arg;

    e->st = halStreamDestroy(e->stream);
    atomic_store(&e->done, 1);
    return NULL;
}

static void *sync_device(void *arg)
{
    struct ender *e = arg;

    e->st = halSetDevice(e->device);
    if (e->st == halSuccess)
        e->st = halDeviceSynchronize();
    atomic_store(&e->done, 1);
    return NULL;
}

/* While one thread destroys a stream with work, another's wait for the device
 * still waits for that work: halFree relies on it. */
static void destroy_and_synchronize(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 4096, 0);
    atomic_int *gate = conf_host(c, sizeof *gate);
    struct ender end = { .device = conf_device(c) }, sync = end;
    pthread_t threads[2];

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreateWithFlags(&end.stream, halStreamNonBlocking));
    CONF_OK(c, halLaunchHostFunc(end.stream, api_wait_gate, gate));
    CONF_OK(c, halMemsetAsync(b.mem, 3, 4096, end.stream));
    CONF_TRUE(c, !pthread_create(&threads[0], NULL, destroy_stream, &end));
    usleep(100000);
    CONF_TRUE(c, !pthread_create(&threads[1], NULL, sync_device, &sync));
    usleep(100000);
    int early = atomic_load(&sync.done), gone = atomic_load(&end.done);
    atomic_store(gate, 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    conf_check(c, !gone, "halStreamDestroy did not wait for the stream");
    conf_check(c, !early,
               "halDeviceSynchronize did not wait for a stream "
               "that another thread was destroying");
    CONF_OK(c, end.st);
    CONF_OK(c, sync.st);
    conf_expect_bytes(c, &b, 3);
}

static void *device_of_thread(void *arg)
{
    int *device = arg;

    if (halGetDevice(device) != halSuccess)
        *device = -2;
    return NULL;
}

/* A new thread starts on device 0, whatever its parent chose. */
static void current_device(struct conf *c)
{
    int seen = -1, n = 0;
    pthread_t t;

    CONF_OK(c, halGetDeviceCount(&n));
    CONF_OK(c, halSetDevice(n - 1));
    CONF_TRUE(c, !pthread_create(&t, NULL, device_of_thread, &seen));
    pthread_join(t, NULL);
    CONF_OK(c, halSetDevice(conf_device(c)));
    CONF_TRUE(c, seen == 0);
}

/* In a child of fork(): the first call that was not refused, or NULL. */
static const char *not_refused(void *mem, uint8_t *host)
{
    const halError_t no = halErrorInitializationError;
    void *p = NULL;

    if (halMalloc(&p, 64) != no)
        return "halMalloc";
    if (halMemcpy(host, mem, N, halMemcpyDefault) != no)
        return "halMemcpy";
    if (halMemsetAsync(mem, 1, N, NULL) != no)
        return "halMemsetAsync";
    if (halStreamSynchronize(NULL) != no)
        return "halStreamSynchronize";
    if (halDeviceSynchronize() != no)
        return "halDeviceSynchronize";
    if (halFree(mem) != no)
        return "halFree";
    return strstr(halGetErrorDetail(), "fork") ? NULL : "halGetErrorDetail";
}

/* A child has neither the drivers nor the threads: it is told so, at once, and
 * its parent goes on. */
static void fork_after_use(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, N, 0);
    uint8_t *host = conf_host(c, N);
    int status = 0, ends[2];
    char name[32] = "";

    CONF_OK(c, halMemsetAsync(b.mem, 7, N, NULL));
    CONF_TRUE(c, !pipe(ends));
    pid_t pid = fork();
    CONF_TRUE(c, pid >= 0);
    if (!pid) {
        alarm(10); /* a call that hangs is a failure, and no orphan */
        const char *what = not_refused(b.mem, host);
        _exit(what && write(ends[1], what, strlen(what)) > 0);
    }
    close(ends[1]);
    CONF_TRUE(c, waitpid(pid, &status, 0) == pid);
    (void)!read(ends[0], name, sizeof name - 1);
    close(ends[0]);
    conf_check(c, !WIFSIGNALED(status),
               "a call in a forked child ended it with signal %d",
               WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    conf_check(c, !name[0],
               "in a forked child %s did not say "
               "halErrorInitializationError",
               name);
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &b, 7);
}

static const struct conf_case cases[] = {
    { "api.thread.eight_on_one_device", eight_on_one, .levels = CORE },
    { "api.thread.one_on_all_devices", one_on_all, .levels = CORE },
    { "api.thread.each_on_its_own", each_on_its_own, .levels = CORE },
    { "api.thread.current_device", current_device, .levels = CORE },
    { "api.thread.destroy_and_synchronize", destroy_and_synchronize,
      .levels = CORE },
    { "api.thread.fork_after_use", fork_after_use, .levels = CORE },
    { 0 },
};

void conf_cases_api_thread(struct conf_list *list,
                           const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
