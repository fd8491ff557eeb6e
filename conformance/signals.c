/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - what would end the runner becomes a word that it looks at, from
 * the first file that is opened to the last that is renamed, so that no end
 * leaves half a report or a temporary file.
 *
 * A second SIGINT does not wait for that: whoever presses it has seen the first
 * one do nothing.  What it must not leave behind is in two tables, which the
 * handler reads; they are written so that it may come at any instruction.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conformance/run.h"
#include "conformance/runner.h"

/* Workers and a probe; reports, and a package with its files. */
#define CHILDREN_MAX 300
#define FILES_MAX    128
/* Those that come together are one: `timeout --foreground` and shells hand on
 * what the terminal has sent already. */
#define TOGETHER_NS 200000000

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
/* A reader that has gone, and a limit on files: writing then fails, and the
 * error is said. */
static const int ignored[] = { SIGPIPE, SIGXFSZ };

#define N_ENDS    (sizeof ends / sizeof *ends)
#define N_IGNORED (sizeof ignored / sizeof *ignored)

static volatile sig_atomic_t caught;
static struct timespec caught_at;
static struct sigaction before[N_ENDS + N_IGNORED];

static volatile pid_t children[CHILDREN_MAX];
static char *volatile files[FILES_MAX];

/* Everything here is allowed in a handler. */
static _Noreturn void end_at_once(void)
{
    static const char words[] =
        "\nhalcyon conform: ended at once by the second SIGINT; no report is "
        "written\n";
    static const char show_cursor[] = "\033[?25h";

    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i])
            kill(-children[i], SIGKILL);
    for (size_t i = FILES_MAX; i-- > 0;) {
        const char *path = files[i];

        if (path && unlink(path))
            (void)rmdir(path); /* after the files in it, which came later */
    }
    if (isatty(STDOUT_FILENO))
        (void)!write(STDOUT_FILENO, show_cursor, sizeof show_cursor - 1);
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    _exit(CONF_EXIT_UNRUN);
}

static void on_signal(int sig)
{
    struct timespec now = { 0 };
    int64_t passed;

    clock_gettime(CLOCK_MONOTONIC, &now);
    passed = (int64_t)(now.tv_sec - caught_at.tv_sec) * 1000000000 +
             (now.tv_nsec - caught_at.tv_nsec);
    if (!caught)
        caught_at = now;
    else if (sig == SIGINT && passed >= TOGETHER_NS)
        end_at_once();
    caught = sig;
}

void conf_end_kills(pid_t pid)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (!children[i]) {
            children[i] = pid;
            return;
        }
}

void conf_end_spares(pid_t pid)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i] == pid)
            children[i] = 0;
}

void conf_end_removes(const char *path)
{
    char *copy = strdup(path);

    for (size_t i = 0; i < FILES_MAX && copy; i++)
        if (!files[i]) {
            files[i] = copy;
            return;
        }
    free(copy);
}

void conf_end_keeps(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < FILES_MAX; i++) {
        char *copy = files[i];

        if (copy && !strncmp(copy, path, n) && (!copy[n] || copy[n] == '/')) {
            files[i] = NULL;
            free(copy);
        }
    }
}

int conf_signal_caught(void)
{
    return caught;
}

void conf_signals_begin(void)
{
    struct sigaction on = { .sa_handler = on_signal };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    /* One handler at a time. */
    for (size_t i = 0; i < N_ENDS; i++)
        sigaddset(&on.sa_mask, ends[i]);
    caught = 0;
    for (size_t i = 0; i < N_ENDS; i++) {
        sigaction(ends[i], NULL, &before[i]);
        /* nohup: who ignores a closed terminal wants the run to go on. */
        if (ends[i] != SIGHUP || before[i].sa_handler != SIG_IGN)
            sigaction(ends[i], &on, NULL);
    }
    for (size_t i = 0; i < N_IGNORED; i++)
        sigaction(ignored[i], &ignore, &before[N_ENDS + i]);
}

void conf_signals_end(void)
{
    for (size_t i = 0; i < N_ENDS; i++)
        sigaction(ends[i], &before[i], NULL);
    for (size_t i = 0; i < N_IGNORED; i++)
        sigaction(ignored[i], &before[N_ENDS + i], NULL);
}

void conf_signals_block(sigset_t *out_before)
{
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < N_ENDS; i++)
        sigaddset(&blocked, ends[i]);
    sigprocmask(SIG_BLOCK, &blocked, out_before);
}
