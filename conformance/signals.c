/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - what would end the runner becomes a word that it looks at, from
 * the first file that is opened to the last that is renamed, so that no end
 * leaves half a report or a temporary file.
 */
#include <signal.h>

#include "conformance/runner.h"

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
/* A reader that has gone, and a limit on files: writing then fails, and the
 * error is said. */
static const int ignored[] = { SIGPIPE, SIGXFSZ };

#define N_ENDS    (sizeof ends / sizeof *ends)
#define N_IGNORED (sizeof ignored / sizeof *ignored)

static volatile sig_atomic_t caught;
static struct sigaction before[N_ENDS + N_IGNORED];

static void on_signal(int sig)
{
    caught = sig;
}

int conf_signal_caught(void)
{
    return caught;
}

void conf_signals_begin(void)
{
    const struct sigaction on = { .sa_handler = on_signal };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    for (size_t i = 0; i < N_ENDS; i++)
        sigaction(ends[i], &on, &before[i]);
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
