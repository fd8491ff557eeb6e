/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.c - runs compilers: no shell, a process group of its own so that a
 * hanging driver dies with its children, bounded output and time.
 */
#include "compiler/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_LIMIT ((size_t)1 << 20)

extern char **environ;

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The environment with LC_ALL=C, so that messages can be understood. */
static char **english_environment(void)
{
    static char english[] = "LC_ALL=C";
    size_t n = 0, m = 0;
    char **list;

    while (environ && environ[n])
        n++;
    list = malloc((n + 2) * sizeof *list);
    if (!list)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "LC_ALL=", 7) != 0)
            list[m++] = environ[i];
    list[m++] = english;
    list[m] = NULL;
    return list;
}

static int start(const char *dir, char *const argv[], int out_fd,
                 pid_t *out_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    char **environment = english_environment();
    sigset_t none, defaults;
    int e = ENOMEM;

    if (!environment)
        return e;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGCHLD);
    sigaddset(&defaults, SIGINT);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, 1);
    posix_spawn_file_actions_adddup2(&files, out_fd, 2);
    if (dir)
        posix_spawn_file_actions_addchdir_np(&files, dir);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
                                        POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    e = posix_spawnp(out_pid, argv[0], &files, &attr, argv, environment);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(environment);
    return e;
}

/* Reads to the end; 0 when the time is over. */
static int drain(int fd, struct buffer *out, unsigned limit_s)
{
    uint64_t end = now_ms() + (uint64_t)limit_s * 1000, now;
    char piece[4096];
    ssize_t n;

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        now = now_ms();
        if (now >= end)
            return 0;
        n = poll(&p, 1, end - now > 60000 ? 60000 : (int)(end - now));
        if (n <= 0)
            continue; /* time-out or signal: look at the clock */
        n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 1;
        if (out->size < OUTPUT_LIMIT)
            buffer_add(out, piece, (size_t)n);
    }
}

int tool_run(char *const argv[], unsigned limit_s, struct tool_result *result)
{
    return tool_run_in(NULL, argv, limit_s, result);
}

int tool_run_in(const char *dir, char *const argv[], unsigned limit_s,
                struct tool_result *result)
{
    int fds[2], e, status = 0;
    pid_t pid, got;

    *result = (struct tool_result){ .exit_status = -1 };
    if (pipe2(fds, O_CLOEXEC) != 0)
        return errno;
    e = start(dir, argv, fds[1], &pid);
    close(fds[1]);
    if (e) {
        close(fds[0]);
        return e;
    }
    if (!drain(fds[0], &result->output, limit_s)) {
        result->timed_out = 1;
        kill(-pid, SIGKILL);
    }
    close(fds[0]);
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    /* A host that ignores SIGCHLD takes the status away; what the tool wrote
     * then has to show whether it succeeded. */
    if (!result->timed_out && (got < 0 || WIFEXITED(status)))
        result->exit_status = got < 0 ? 0 : WEXITSTATUS(status);
    buffer_text(&result->output, "");
    return 0;
}

const char *setting(const char *name, const char *otherwise)
{
    const char *s = getenv(name);

    return s && *s ? s : otherwise;
}

int compile_optimizes(void)
{
    return strcmp(setting("HALCYON_OPTIMIZE", "1"), "0") != 0;
}

/* The slowest stock kernel takes some seconds; a compiler that needs minutes
 * hangs. */
#define LIMIT_S     300
#define LIMIT_S_MAX 86400

unsigned tool_limit_s(const char *name, struct hal_message *msg)
{
    const char *text = setting("HALCYON_CC_TIMEOUT", NULL);
    char *end = NULL;
    long s = text ? strtol(text, &end, 10) : LIMIT_S;

    if (!text ||
        (*text >= '0' && *text <= '9' && !*end && s > 0 && s <= LIMIT_S_MAX))
        return (unsigned)s;
    snprintf(msg->text, sizeof msg->text,
             "%.200s:1: HALCYON_CC_TIMEOUT is '%.40s'; it takes the seconds "
             "that a compiler may run, from 1 to %d",
             name, text, LIMIT_S_MAX);
    return 0;
}

int temp_dir_make(char out[TEMP_DIR_ROOM])
{
    snprintf(out, TEMP_DIR_ROOM, "%.4000s/halcyon-XXXXXX",
             setting("TMPDIR", "/tmp"));
    /* mode 0700: nobody else can put files there */
    return mkdtemp(out) ? 0 : errno;
}

void temp_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    if (d) {
        while ((e = readdir(d)))
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                unlinkat(dirfd(d), e->d_name, 0);
        closedir(d);
    }
    rmdir(dir);
}

int file_write_new(const char *path, const void *bytes, size_t size)
{
    const char *p = bytes;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), e = 0;

    if (fd < 0)
        return errno;
    while (size && !e) {
        ssize_t n = write(fd, p, size);

        if (n >= 0) {
            p += n;
            size -= (size_t)n;
        } else if (errno != EINTR) {
            e = errno;
        }
    }
    if (close(fd) != 0 && !e)
        e = errno;
    return e;
}

static int read_all(int fd, char *p, size_t size)
{
    while (size) {
        ssize_t n = read(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return EIO; /* it shrank while it was read */
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int read_file(const char *path, int own, size_t limit_bytes,
                     void **out_bytes, size_t *out_size)
{
    int fd = open(path,
                  O_RDONLY | O_CLOEXEC | O_NONBLOCK | (own ? O_NOFOLLOW : 0)),
        e = 0;
    struct stat is;
    char *bytes = NULL;
    size_t size = 0;

    if (fd < 0)
        return errno;
    if (fstat(fd, &is) != 0)
        e = errno;
    else if (!S_ISREG(is.st_mode))
        e = S_ISDIR(is.st_mode) ? EISDIR : EINVAL;
    else if (own && (is.st_uid != geteuid() || (is.st_mode & 022)))
        e = EPERM;
    else if ((uint64_t)is.st_size > limit_bytes)
        e = EFBIG;
    if (!e) {
        size = (size_t)is.st_size;
        bytes = malloc(size + 1);
        e = bytes ? read_all(fd, bytes, size) : ENOMEM;
    }
    close(fd);
    if (e) {
        free(bytes);
        return e;
    }
    bytes[size] = 0; /* text is a string */
    *out_bytes = bytes;
    *out_size = size;
    return 0;
}

int file_read(const char *path, size_t limit_bytes, void **out_bytes,
              size_t *out_size)
{
    return read_file(path, 0, limit_bytes, out_bytes, out_size);
}

int file_read_own(const char *path, size_t limit_bytes, void **out_bytes,
                  size_t *out_size)
{
    return read_file(path, 1, limit_bytes, out_bytes, out_size);
}
