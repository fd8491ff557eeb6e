/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of fork().  Whatever the parent's other threads did at that moment,
 * a child of a process that has used the library gets an error from every
 * call, at once; a child that was forked before the first call may use it.
 * The library is used for the first time in a child of the test's, so that
 * each test begins with a process that has not.  Functions in stream order are
 * refused the same calls.
 */
#include "tests/hal/child_test.h"

#include <pthread.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

/* A child that hangs is ended by the alarm, and has failed. */
enum { LIMIT_S = 20 };

/* 0 if run() returned 0 in a child that then ended by exit(), or ended itself
 * with 0. */
static int child_run(int (*run)(void))
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    fflush(stderr);
    pid = fork();
    if (!pid) {
        alarm(LIMIT_S);
        exit(run());
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (WIFSIGNALED(status))
        print_error("a child was ended by signal %d\n", WTERMSIG(status));
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static struct {
    void *mem, *pinned, *image;
    size_t image_size;
    halStream_t stream;
    halEvent_t event;
    halModule_t module;
    halFunction_t fn;
} made;

static int make_all(void)
{
    made.image = fake_halbin(&made.image_size);
    CHECK(made.image != NULL);
    CHECK(halMalloc(&made.mem, 4096) == halSuccess);
    CHECK(halHostAlloc(&made.pinned, 4096, 0) == halSuccess);
    CHECK(halStreamCreate(&made.stream) == halSuccess);
    CHECK(halEventCreate(&made.event) == halSuccess);
    CHECK(halModuleLoadData(&made.module, made.image, made.image_size) ==
          halSuccess);
    CHECK(halModuleGetFunction(&made.fn, made.module, "scale") == halSuccess);
    return 0;
}

/* Why calls are refused; the detail says what helps. */
static struct {
    halError_t code;
    const char *words, *help;
} bar = { halErrorInitializationError, "fork before the first", "exec" };

#define REFUSED(call)                                  \
    do {                                               \
        CHECK((call) == bar.code);                     \
        CHECK(strstr(halGetErrorDetail(), bar.words)); \
        CHECK(strstr(halGetErrorDetail(), bar.help));  \
        CHECK(halGetLastError() == bar.code);          \
    } while (0)

static int refused_devices(void)
{
    struct halBackendInfo info;
    struct halDeviceProp prop;
    char name[64], about[256];
    size_t has, total;
    int i;

    REFUSED(halGetDeviceCount(&i));
    REFUSED(halSetDevice(0));
    REFUSED(halGetDevice(&i));
    REFUSED(halGetDeviceProperties(&prop, 0));
    REFUSED(halDeviceGetAttribute(&i, halDevAttrWarpSize, 0));
    REFUSED(halDeviceGetByName(&i, "fake:0"));
    REFUSED(halDeviceSynchronize());
    REFUSED(halDeviceReset());
    REFUSED(halMemGetInfo(&has, &total));
    REFUSED(halDeviceGetStreamPriorityRange(&i, &i));
    REFUSED(halDeviceCanAccessPeer(&i, 0, 1));
    REFUSED(halDeviceEnablePeerAccess(1, 0));
    REFUSED(halDeviceDisablePeerAccess(1));
    REFUSED(halDriverGetVersion(&i));
    REFUSED(halOccupancyMaxActiveBlocksPerMultiprocessor(&i, made.fn, 1, 0));
    REFUSED(halOccupancyMaxPotentialBlockSize(&i, &i, made.fn, 0, 0));
    REFUSED(halBackendGetInfo(&info, 0));
    REFUSED(halDeviceGetKnownName(name, about, 0));
    CHECK(halRuntimeGetVersion(&i) == halSuccess && i == HAL_VERSION);
    return 0;
}

static int refused_memory(void)
{
    struct halPointerAttributes attr;
    static char host[4096];
    void *p = made.mem, *out;
    size_t pitch;

    REFUSED(halMalloc(&out, 100));
    REFUSED(halMallocAsync(&out, 100, made.stream));
    REFUSED(halMallocAsync(&out, 100, NULL));
    REFUSED(halMallocPitch(&out, &pitch, 10, 10));
    REFUSED(halMallocManaged(&out, 100, halMemAttachGlobal));
    REFUSED(halHostAlloc(&out, 100, 0));
    REFUSED(halMallocHost(&out, 100));
    REFUSED(halHostRegister(host, sizeof host, 0));
    REFUSED(halHostUnregister(host));
    REFUSED(halHostGetDevicePointer(&out, made.pinned, 0));
    REFUSED(halFree(p));
    REFUSED(halFreeAsync(p, made.stream));
    REFUSED(halFreeHost(made.pinned));
    REFUSED(halMemcpy(p, host, 100, halMemcpyDefault));
    REFUSED(halMemcpy(host, host + 200, 100, halMemcpyHostToHost));
    REFUSED(halMemcpyAsync(host, p, 100, halMemcpyDefault, made.stream));
    REFUSED(halMemcpyPeer(p, 0, p, 1, 100));
    REFUSED(halMemcpyPeerAsync(p, 0, p, 1, 100, NULL));
    REFUSED(halMemcpy2D(p, 20, host, 20, 10, 10, halMemcpyDefault));
    REFUSED(halMemcpy2DAsync(p, 20, host, 20, 10, 10, halMemcpyDefault, NULL));
    REFUSED(halMemset(p, 0, 100));
    REFUSED(halMemsetAsync(p, 0, 100, made.stream));
    REFUSED(halMemsetD16(p, 0, 50));
    REFUSED(halMemsetD16Async(p, 0, 50, NULL));
    REFUSED(halMemsetD32(p, 0, 25));
    REFUSED(halMemsetD32Async(p, 0, 25, made.stream));
    REFUSED(halMemset2D(p, 20, 0, 10, 10));
    REFUSED(halMemset2DAsync(p, 20, 0, 10, 10, made.stream));
    REFUSED(halPointerGetAttributes(&attr, p));
    CHECK(halFree(NULL) == halSuccess && halFreeHost(NULL) == halSuccess);
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

static int refused_work(void)
{
    struct halFuncAttributes attr;
    struct halParamInfo param;
    halStream_t s = made.stream;
    halEvent_t e = made.event;
    halModule_t m;
    halFunction_t f;
    const char *name;
    unsigned flags, n = 1;
    float a = 1, ms;
    void *args[] = { &made.mem, &a, &n };
    halDim3 one = { 1, 1, 1 }, any = { 0, 0, 0 };
    int i;

    REFUSED(halStreamCreate(&s));
    REFUSED(halStreamCreateWithFlags(&s, halStreamNonBlocking));
    REFUSED(halStreamCreateWithPriority(&s, 0, 0));
    REFUSED(halStreamDestroy(s));
    REFUSED(halStreamQuery(s));
    REFUSED(halStreamQuery(NULL));
    REFUSED(halStreamSynchronize(s));
    REFUSED(halStreamSynchronize(NULL));
    REFUSED(halStreamGetFlags(s, &flags));
    REFUSED(halStreamGetPriority(s, &i));
    REFUSED(halStreamGetDevice(s, &i));
    REFUSED(halStreamWaitEvent(s, e, 0));
    REFUSED(halLaunchHostFunc(s, nothing, NULL));
    REFUSED(halEventCreate(&e));
    REFUSED(halEventCreateWithFlags(&e, 0));
    REFUSED(halEventDestroy(e));
    REFUSED(halEventRecord(e, s));
    REFUSED(halEventQuery(e));
    REFUSED(halEventSynchronize(e));
    REFUSED(halEventElapsedTime(&ms, e, e));
    REFUSED(halModuleLoad(&m, "/proc/self/exe"));
    REFUSED(halModuleLoadData(&m, made.image, made.image_size));
    REFUSED(halModuleLoadSource(&m, "", "x.k", NULL));
    REFUSED(halModuleUnload(made.module));
    REFUSED(halModuleGetFunction(&f, made.module, "scale"));
    REFUSED(halModuleGetKernelName(&name, made.module, 0));
    REFUSED(halFuncGetAttributes(&attr, made.fn));
    REFUSED(halFuncSetAttribute(made.fn,
                                halFuncAttributeMaxDynamicSharedMemorySize, 0));
    REFUSED(halFuncGetParam(&param, made.fn, 0));
    REFUSED(halLaunchKernel(made.fn, one, any, args, 0, s));
    REFUSED(halLaunchKernel(made.fn, one, any, args, 0, NULL));
    return 0;
}

static int refused_all(void)
{
    return refused_devices() || refused_memory() || refused_work();
}

static int refused_and_gone(void)
{
    threadless_exit(refused_all());
}

/* A child's child is no better off. */
static int refused_twice(void)
{
    threadless_exit(refused_all() || child_run(refused_and_gone));
}

/* Work goes on in the parent: its streams' threads are its own. */
static int parent_works(void)
{
    char in[100] = "still there", out[100] = "";

    CHECK(halMemcpy(made.mem, in, sizeof in, halMemcpyDefault) == halSuccess);
    CHECK(halMemcpy(out, made.mem, sizeof out, halMemcpyDefault) == halSuccess);
    CHECK(!memcmp(in, out, sizeof in));
    CHECK(halDeviceReset() == halSuccess);
    free(made.image);
    return 0;
}

static int after_use(void)
{
    if (make_all())
        return 1;
    CHECK(child_run(refused_twice) == 0);
    return parent_works();
}

static void fork_after_use(void **state)
{
    (void)state;
    assert_int_equal(child_run(after_use), 0);
}

/* Another thread sits in a copy, with the default stream's lock held, and a
 * second one in a free, at the moment of the fork. */
static void *copy_out(void *arg)
{
    static char host[4096];

    (void)arg;
    (void)!halMemcpy(host, made.mem, sizeof host, halMemcpyDefault);
    return NULL;
}

static void *free_other(void *arg)
{
    (void)!halFree(arg);
    return NULL;
}

static int in_mid_call(void)
{
    pthread_t copier, freer;
    unsigned before;
    void *other;

    if (make_all())
        return 1;
    CHECK(halMalloc(&other, 100) == halSuccess);
    fake_hold(1);
    before = fake_count("copy_out");
    CHECK(!pthread_create(&copier, NULL, copy_out, NULL));
    while (fake_count("copy_out") == before)
        usleep(1000);
    CHECK(!pthread_create(&freer, NULL, free_other, other));
    usleep(20000);
    CHECK(child_run(refused_and_gone) == 0);
    fake_hold(0);
    pthread_join(copier, NULL);
    pthread_join(freer, NULL);
    return parent_works();
}

static void fork_in_mid_call(void **state)
{
    (void)state;
    assert_int_equal(child_run(in_mid_call), 0);
}

/* A parent that has not used the library leaves its children free to. */
static int first_use(void)
{
    return make_all() || parent_works();
}

static int before_use(void)
{
    CHECK(!strcmp(halGetErrorName(halSuccess), "halSuccess"));
    CHECK(halGetLastError() == halSuccess);
    CHECK(child_run(first_use) == 0);
    CHECK(child_run(first_use) == 0);
    return first_use();
}

static void fork_before_use(void **state)
{
    (void)state;
    assert_int_equal(child_run(before_use), 0);
}

/* A function in a stream's order would wait for its own stream. */
static void calls_all(void *result)
{
    *(int *)result = refused_all();
}

static int in_host_func(void)
{
    int result = -1;

    if (make_all())
        return 1;
    bar.code = halErrorNotPermitted;
    bar.words = "halLaunchHostFunc() calls the library";
    bar.help = "another thread";
    CHECK(halLaunchHostFunc(made.stream, calls_all, &result) == halSuccess);
    CHECK(halStreamSynchronize(made.stream) == halSuccess);
    CHECK(result == 0);
    return parent_works();
}

static void host_func(void **state)
{
    (void)state;
    assert_int_equal(child_run(in_host_func), 0);
}

/* A program that a child execs begins anew. */
static int exec_self(void)
{
    char self[4096];

    own_path(self, sizeof self);
    execl(self, "test_fork", "first-use", (char *)NULL);
    return 1;
}

static int exec_after_use(void)
{
    if (make_all())
        return 1;
    CHECK(child_run(exec_self) == 0);
    return parent_works();
}

static void fork_and_exec(void **state)
{
    (void)state;
    assert_int_equal(child_run(exec_after_use), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_after_use),  cmocka_unit_test(fork_in_mid_call),
        cmocka_unit_test(fork_before_use), cmocka_unit_test(host_func),
        cmocka_unit_test(fork_and_exec),
    };

    if (argc == 2 && !strcmp(argv[1], "first-use"))
        return first_use();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
