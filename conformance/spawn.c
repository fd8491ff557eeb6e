/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c - child processes: this program again, with pipes for commands, for
 * events and for what drivers print.  A child and all that it starts are one
 * process group, which dies as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/runner.h"

/* How long an orderly end may take: a driver's threads have to stop. */
#define END_GRACE_MS 2000.0

extern char **environ;

/* A copy of the environment in which HALCYON_DEVICES is `devices`; only the
 * array and its first entry are to be freed. */
static char **environment(const char *devices)
{
    static const char name[] = "HALCYON_DEVICES=";
    size_t n = 0, out = 1;
    char **env;

    while (environ[n])
        n++;
    env = calloc(n + 2, sizeof *env);
    if (!env)
        return NULL;
    if (asprintf(&env[0], "%s%s", name, devices) < 0) {
        free(env);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], name, sizeof name - 1))
            env[out++] = environ[i];
    return env;
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static int start(pid_t *pid, char *const *argv, char *const *env, int in,
                 int events, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int st;

    sigemptyset(&none);
    sigfillset(&all);
    st = posix_spawn_file_actions_init(&actions);
    if (st)
        return st;
    st = posix_spawnattr_init(&attr);
    if (st)
        goto out_actions;
    /* The pipes lie above the targets (conf_spawn sees to it), so that no
     * dup2 can overwrite the source of a later one. */
    st = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!st)
        st = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!st)
        st = posix_spawn_file_actions_adddup2(&actions, out, 2);
    if (!st)
        st = posix_spawn_file_actions_adddup2(&actions, events, CONF_EVENTS_FD);
    if (!st)
        st = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
                                                 POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF);
    if (!st)
        st = posix_spawnattr_setsigmask(&attr, &none);
    if (!st)
        st = posix_spawnattr_setsigdefault(&attr, &all);
    if (!st)
        st = posix_spawn(pid, "/proc/self/exe", &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
out_actions:
    posix_spawn_file_actions_destroy(&actions);
    return st;
}

/* A pipe whose ends are above the descriptors that a child gets. */
static int high_pipe(int pair[2])
{
    int low[2];

    if (pipe2(low, O_CLOEXEC))
        return errno;
    for (int i = 0; i < 2; i++)
        pair[i] = fcntl(low[i], F_DUPFD_CLOEXEC, CONF_EVENTS_FD + 1);
    close_pair(low);
    return pair[0] < 0 || pair[1] < 0 ? EMFILE : 0;
}

int conf_spawn(struct conf_child *child, const char *const *argv,
               const char *devices)
{
    int in[2] = { -1, -1 }, events[2] = { -1, -1 }, out[2] = { -1, -1 };
    char **env = NULL, **args = NULL;
    sigset_t before;
    size_t n = 0;
    int st;

    while (argv[n])
        n++;
    args = calloc(n + 2, sizeof *args);
    env = devices ? environment(devices) : environ;
    st = args && env ? 0 : ENOMEM;
    if (st)
        goto out;
    args[0] = program_invocation_name;
    memcpy(args + 1, argv, n * sizeof *args);

    st = high_pipe(in);
    if (!st)
        st = high_pipe(events);
    if (!st)
        st = high_pipe(out);
    if (st)
        goto out;
    conf_signals_block(&before);
    st = start(&child->pid, args, env, in[0], events[1], out[1]);
    if (!st)
        conf_end_kills(child->pid);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (st)
        goto out;
    child->commands = in[1];
    child->events = events[0];
    child->output = out[0];
    /* Reading must not block the parent, whatever the child does. */
    fcntl(child->events, F_SETFL, O_NONBLOCK);
    fcntl(child->output, F_SETFL, O_NONBLOCK);
    fcntl(child->commands, F_SETFL, O_NONBLOCK);
    in[1] = events[0] = out[0] = -1;
out:
    close_pair(in);
    close_pair(events);
    close_pair(out);
    if (env && env != environ) {
        free(env[0]);
        free(env);
    }
    free(args);
    return st;
}

static int has_ended(pid_t pid)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid == pid;
}

int conf_reap(struct conf_child *child, int now)
{
    const struct timespec nap = { .tv_nsec = 1000000 };
    double limit = conf_now_ms() + END_GRACE_MS;
    int status = 0;

    if (child->commands >= 0)
        close(child->commands);
    while (!now && !has_ended(child->pid) && conf_now_ms() < limit)
        nanosleep(&nap, NULL);
    /* Before the wait, while the number cannot belong to anyone else: what the
     * child started goes with it. */
    kill(-child->pid, SIGKILL);
    conf_end_spares(child->pid);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->events);
    close(child->output);
    *child = (struct conf_child){
        .pid = -1, .commands = -1, .events = -1, .output = -1
    };
    return status;
}

int conf_write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

void conf_child_begin(void)
{
    const struct rlimit none = { 0, 0 };
    int fd;

    /* Never outlive the parent, never take it along when memory runs out, and
     * leave no core files: crashes are expected here. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "1000", 4);
        close(fd);
    }
    /* A compiler that a driver starts must not hold the pipe open. */
    fcntl(CONF_EVENTS_FD, F_SETFD, FD_CLOEXEC);
}
