/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_emu.c - the emulator of CUDA text: what threads see and do together, and
 * that mistakes show: a missing barrier in one of the two orders, the others in
 * a sentence.
 */
#include "tests/emu/emu_test.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/compile.h"

#define N 256

static struct emu_library own;

static int launch_of(const char *name, unsigned blocks, unsigned threads,
                     size_t dynamic, void **args)
{
    const struct emu_kernel *k = own.find(name);
    const unsigned grid[3] = { blocks, 1, 1 }, block[3] = { threads, 1, 1 };

    if (!k)
        fail_msg("no kernel %s", name);
    return own.launch(k, grid, block, dynamic, args);
}

static void run_of(const char *name, void *y, const char *order)
{
    void *args[] = { &y };

    setenv("HALCYON_EMU_ORDER", order, 1);
    if (launch_of(name, 1, N, 0, args))
        fail_msg("%s: %s", name, own.error());
    unsetenv("HALCYON_EMU_ORDER");
}

static void refused(const char *name, unsigned blocks, unsigned threads,
                    size_t dynamic, const char *words)
{
    uint32_t *y = calloc(4096, sizeof *y), n = threads;
    void *args[] = { &y, &n }; /* as many as any of them takes */

    assert_non_null(y);
    assert_int_equal(launch_of(name, blocks, threads, dynamic, args), -1);
    if (!strstr(own.error(), words) || !strstr(own.error(), name))
        fail_msg("%s: no '%s' in: %s", name, words, own.error());
    free(y);
}

/* How many of y[0..N-1) are one more than their index. */
static unsigned rotated(const char *name, const char *order, unsigned plus)
{
    uint32_t y[N] = { 0 };
    unsigned good = 0;

    run_of(name, y, order);
    for (unsigned i = 0; i < N - 1; i++)
        good += y[i] == i + plus;
    return good;
}

static void barriers_matter(void **state)
{
    (void)state;
    assert_int_equal(rotated("rotate_good", "forward", 1), N - 1);
    assert_int_equal(rotated("rotate_good", "reversed", 1), N - 1);
    /* a reader before its writer sees what no one wrote */
    assert_int_equal(rotated("rotate_next", "forward", 1), 0);
    assert_int_equal(rotated("rotate_next", "reversed", 1), N - 1);
    assert_int_equal(rotated("rotate_last", "forward", 0), N - 1);
    assert_int_equal(rotated("rotate_last", "reversed", 0), 0);
}

static long mapped_pages(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = -1;

    if (f && fscanf(f, "%ld", &pages) != 1)
        pages = -1;
    if (f)
        fclose(f);
    return pages;
}

/* Without memory for the stacks a launch fails, and leaves nothing behind. */
static void no_memory(void **state)
{
    const unsigned one[3] = { 1, 1, 1 };
    int status;
    pid_t pid;

    (void)state;
    fflush(stdout);
    pid = fork();
    if (!pid) {
        const struct emu_kernel *k = own.find("dynamic");
        long before = mapped_pages(), page = sysconf(_SC_PAGESIZE);
        rlim_t most = (rlim_t)(before * page) + (64 << 20);
        struct rlimit limit = { most, most };
        void *args[8] = { &status, &status, &status, &status,
                          &status, &status, &status, &status };

        if (setrlimit(RLIMIT_AS, &limit))
            _exit(2);
        for (int i = 0; i < 100; i++)
            if (!own.launch(k, one, one, 0, args) ||
                !strstr(own.error(), "no memory"))
                _exit(3);
#ifdef __SANITIZE_ADDRESS__
        _exit(0); /* it keeps for a while what is freed */
#endif
        /* one launch's shared memory is 60 pages */
        _exit(mapped_pages() - before < 2000 ? 0 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void shared_memory(void **state)
{
    uint32_t y[2 * N], n = 3, *p = y;
    void *args[] = { &p, &n };

    (void)state;
    for (unsigned threads = 1; threads <= N; threads *= 4) {
        assert_int_equal(
            launch_of("dynamic", 1, threads, threads * sizeof *y, args), 0);
        for (uint32_t i = 0; i < threads; i++)
            assert_int_equal(y[i], (threads - 1 - i) * 3 + 7);
    }
    /* less than it uses, and more than there is */
    refused("dynamic", 1, 4, 12, "writes behind");
    refused("dynamic", 1, 4, 227 * 1024 + 1, "dynamic shared memory");
    /* a block finds nothing of the one before */
    assert_int_equal(launch_of("stale", 2, N, 0, args), 0);
    for (unsigned i = 0; i < 2 * N; i++)
        assert_int_equal(y[i], 0xffffffffu);
    refused("behind", 1, 9, 0, "writes behind the 32 bytes");
    refused("large", 1, 1, 0, "49156 bytes of static");
    refused("deep", 1, 1, 0, "thread 0 has used more than 131072 bytes");
}

static void indices(void **state)
{
    const unsigned grid[3] = { 3, 2, 5 }, block[3] = { 4, 3, 7 };
    static uint32_t y[30 * 84];
    uint32_t *p = y;
    void *args[] = { &p };

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(y, 0, sizeof y);
        setenv("HALCYON_EMU_ORDER", i ? "reversed" : "forward", 1);
        assert_int_equal(own.launch(own.find("where"), grid, block, 0, args),
                         0);
        for (uint32_t b = 0; b < 30; b++)
            for (uint32_t t = 0; t < 84; t++)
                assert_int_equal(y[b * 84 + t], b * 1000 + t);
    }
    unsetenv("HALCYON_EMU_ORDER");
}

static void warps(void **state)
{
    static const char *const orders[] = { "forward", "reversed" };
    uint32_t y[6 * N];

    (void)state;
    for (int o = 0; o < 2; o++) {
        run_of("warps", y, orders[o]);
        for (uint32_t t = 0; t < N; t++) {
            uint32_t lane = t % 32, first = t - lane, bits = 0;

            for (uint32_t i = 0; i < 32; i++)
                bits |= (uint32_t)((first + i) % 3 == 0) << i;
            assert_int_equal(y[t], t ^ 5);
            assert_int_equal(y[N + t], lane + 3 < 32 ? t + 3 : t);
            assert_int_equal(y[2 * N + t], lane >= 3 ? t - 3 : t);
            assert_int_equal(y[3 * N + t], first + 9);
            assert_int_equal(y[4 * N + t], bits);
            assert_int_equal(y[5 * N + t],
                             (t & 16 ? 2 : 1) * (2 * (t & ~1u) + 1));
        }
    }
}

static void mistakes(void **state)
{
    const unsigned none[3] = { 1, 0, 1 }, one[3] = { 1, 1, 1 };
    void *args[] = { NULL };

    (void)state;
    refused("half_barrier", 1, N, 0,
            "thread 0 waits at a barrier, thread 128 "
            "has ended");
    refused("half_shuffle", 1, N, 0,
            "thread 0 has ended, thread 1 waits for "
            "its warp");
    refused("warps", 1, 16, 0, "all threads wait for their warp");
    refused("outside", 1, 32, 0, "which it is not in");
    refused("rotate_good", 1, N + 1, 0, "257 threads");
    refused("nothing", 1, 1025, 0, "blocks of 1025");
    assert_int_equal(own.launch(own.find("nothing"), none, one, 0, NULL), -1);
    assert_int_equal(own.launch(own.find("nothing"), one, none, 0, NULL), -1);
    assert_int_equal(own.launch(own.find("nothing"), one, one, 0, NULL), 0);
    assert_int_equal(own.launch(own.find("stale"), one, one, 0, args), -1);
    assert_int_equal(own.launch(own.find("stale"), one, one, 0, NULL), -1);
    assert_non_null(strstr(own.error(), "argument 0 of 1 is missing"));
    assert_null(own.find("no_such"));
    setenv("HALCYON_EMU_ORDER", "sideways", 1);
    assert_int_equal(own.launch(own.find("nothing"), one, one, 0, NULL), -1);
    assert_non_null(strstr(own.error(), "sideways"));
    unsetenv("HALCYON_EMU_ORDER");
}

static void *many_launches(void *state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        uint32_t y[N] = { 0 }, *p = y;
        void *args[] = { &p };

        if (launch_of("rotate_good", 1, N, 0, args))
            return (void *)1;
        for (uint32_t k = 0; k < N; k++)
            if (y[k] != (k + 1) % N)
                return (void *)2;
    }
    return NULL;
}

static void several_at_once(void **state)
{
    pthread_t threads[4];
    void *result;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_launches, NULL),
                         0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

/* ---- the dialect's group operations ---------------------------------------
 */

static const char group_text[] =
    "#pragma hal instance G=32\n#pragma hal instance G=256\n"
    "#define GROUP G\n#include \"hal_dialect.h\"\n"
    "KERNEL(HAL_CAT(group_, G), OUT(f32, sum), OUT(f32, most), OUT(u32, high),"
    " OUT(u32, low), IN(f32, x), IN(u32, u), LOCAL(float, m, 8))\n"
    "{\n"
    "    float a = 0.0f, b = -INF;\n    uint c = 0u, d = 0xffffffffu;\n"
    "    ITEMS(i, GROUP) { a = LD(f32, x, i); b = a; c = LD(u32, u, i);"
    " d = c; }\n"
    "    GROUP_SUM(a);\n    GROUP_MAX(b);\n    GROUP_UMAX(c);\n"
    "    GROUP_UMIN(d);\n"
    "    ONCE m[0] = a;\n    SYNC;\n"
    "    ITEMS(i, GROUP) { ST(f32, sum, i, m[0]); ST(f32, most, i, b);"
    " ST(u32, high, i, c); ST(u32, low, i, d); }\n"
    "}\n";

static char *expand(uint32_t instance)
{
    struct compile_request req = { .source = group_text, .name = "group.k" };
    struct hal_message msg = { "" };
    char *text = NULL;

    if (compile_expand(&req, "cuda", instance, &text, &msg) != COMPILE_OK)
        fail_msg("%s", msg.text);
    return text;
}

/* Replaces the nth `from` by spaces. */
static void blank(char *text, const char *from, int nth)
{
    char *at = text - 1;

    for (int i = 0; i <= nth; i++) {
        at = strstr(at + 1, from);
        assert_non_null(at);
    }
    memset(at, ' ', strlen(from));
}

/* 1 if all results are right. */
static int group_results(const struct emu_library *e, unsigned group)
{
    const unsigned grid[3] = { 1, 1, 1 }, block[3] = { group, 1, 1 };
    float x[N], sum[N] = { 0 }, most[N] = { 0 };
    uint32_t u[N], high[N] = { 0 }, low[N] = { 0 };
    void *p[] = { sum, most, high, low, x, u };
    void *args[] = { &p[0], &p[1], &p[2], &p[3], &p[4], &p[5] };
    char name[24];
    int good = 1;

    for (unsigned i = 0; i < group; i++) {
        x[i] = (float)((i * 37) % group) - 9.0f;
        u[i] = (i * 91) % group + 5;
    }
    snprintf(name, sizeof name, "group_%u", group);
    if (e->launch(e->find(name), grid, block, 0, args))
        fail_msg("%s", e->error());
    for (unsigned i = 0; i < group; i++)
        good &=
            sum[i] == (float)(group * (group - 1) / 2) - 9.0f * (float)group &&
            most[i] == (float)(group - 1) - 9.0f && high[i] == group + 4 &&
            low[i] == 5;
    return good;
}

static int both_orders(const struct emu_library *e, unsigned group)
{
    int good = group_results(e, group);

    setenv("HALCYON_EMU_ORDER", "reversed", 1);
    good += group_results(e, group);
    unsetenv("HALCYON_EMU_ORDER");
    return good;
}

static void group_operations(void **state)
{
    static const unsigned groups[] = { 32, 256 };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        char *text = expand(i);
        struct emu_library e = emu_make_text(text);

        assert_int_equal(both_orders(&e, groups[i]), 2);
        dlclose(e.handle);
        free(text);
    }
}

/* The first barrier of the text is the one between the warps' sums. */
static void group_sum_without_barrier(void **state)
{
    char *text = expand(1);
    struct emu_library e;

    (void)state;
    blank(text, "__syncthreads();", 0);
    e = emu_make_text(text);
    assert_int_not_equal(both_orders(&e, 256), 2);
    dlclose(e.handle);
    free(text);
}

static int open_own(void **state)
{
    (void)state;
    own = emu_make("tests/emu/test_emu.cu");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory), /* first: a launch keeps its memory */
        cmocka_unit_test(barriers_matter),
        cmocka_unit_test(shared_memory),
        cmocka_unit_test(indices),
        cmocka_unit_test(warps),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(group_operations),
        cmocka_unit_test(group_sum_without_barrier),
    };

    return cmocka_run_group_tests_name("emu", tests, open_own, NULL);
}
