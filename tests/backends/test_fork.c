/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork() beside real drivers: whatever devices are found, a child that was
 * forked after their use gets an error at once, ends by exit() (drivers have
 * destructors), and leaves the parent's work alone.
 */
#include "tests/hal/child_test.h"

enum { LIMIT_S = 20, N = 1 << 20 };

/* The number of the first call that was not refused; 0: all were. */
static int all_refused(void *mem, halStream_t s)
{
    static char host[N];
    const halError_t no = halErrorInitializationError;
    void *p;

    if (halMalloc(&p, 100) != no)
        return 1;
    if (halMemcpy(host, mem, N, halMemcpyDefault) != no)
        return 2;
    if (halMemset(mem, 1, N) != no)
        return 3;
    if (halStreamSynchronize(s) != no)
        return 4;
    if (halDeviceSynchronize() != no)
        return 5;
    if (halFree(mem) != no)
        return 6;
    if (halDeviceReset() != no)
        return 7;
    return 0;
}

static void each_device(void **state)
{
    static unsigned char host[N]; /* no leak in a child that exits */
    int n = 0, d;

    (void)state;
    OK(halGetDeviceCount(&n));
    assert_true(n > 0); /* there is always a CPU */
    for (d = 0; d < n; d++) {
        int status = 0, i;
        halStream_t s;
        void *mem;
        pid_t pid;

        OK(halSetDevice(d));
        OK(halMalloc(&mem, N));
        OK(halStreamCreate(&s));
        OK(halMemsetAsync(mem, 0x5a, N, s));
        fflush(NULL);
        pid = fork();
        if (!pid) {
            alarm(LIMIT_S);
            threadless_exit(all_refused(mem, s));
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            print_error("device %d: the child's status is %#x\n", d, status);
            fail();
        }
        OK(halStreamSynchronize(s));
        OK(halMemcpy(host, mem, N, halMemcpyDefault));
        for (i = 0; i < N; i++)
            assert_int_equal(host[i], 0x5a);
        OK(halStreamDestroy(s));
        OK(halFree(mem));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
