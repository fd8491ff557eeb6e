/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halcyon.c - the `halcyon` command: finds the subcommand and runs it.
 *
 * Invariant: words that could not be written to standard output are a message
 * on standard error and exit status 3, whatever the subcommand says.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "hal/hal.h"
#include "tools/commands.h"

static const struct {
    const char *name, *text;
    int (*run)(int argc, char **argv);
} commands[] = {
#define X(name, text) { #name, text, cmd_##name },
    COMMANDS(X)
#undef X
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void usage(FILE *to)
{
    fputs("usage: halcyon COMMAND [options]\n\n", to);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].text);
    fprintf(to, "  %-9s %s\n", "help", "print this, or a command's options");
}

int cmd_version(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "halcyon %s: '%s' is not expected\n", argv[0], argv[1]);
        return 2;
    }
    printf("halcyon %d.%d.%d\n", HAL_VERSION_MAJOR, HAL_VERSION_MINOR,
           HAL_VERSION_PATCH);
    return 0;
}

static int dispatch(int argc, char **argv)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(argv[0], commands[i].name))
            return commands[i].run(argc, argv);
    fprintf(stderr, "halcyon: no command '%s'\n", argv[0]);
    usage(stderr);
    return 2;
}

/* Fills descriptors 0 to 2 where the caller has closed them: a report or a
 * driver's file would get the number, and our words with it.  A closed standard
 * output is filled so that writing to it fails, as it did. */
static void fill_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
}

/* The exit status, once all words are out. */
static int finish(int status)
{
    int flushed;

    errno = 0;
    flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout))
        return status;
    fprintf(stderr, "halcyon: cannot write to standard output: %s\n",
            errno ? strerror(errno) : "some of it is lost");
    return 3;
}

static int command(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--version")) {
        static char version[] = "version";

        argv[1] = version;
    } else if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
               !strcmp(argv[1], "-h")) {
        char option[] = "--help";
        char *help[] = { argv[2], option, NULL };

        if (argc == 2) {
            usage(stdout);
            return 0;
        }
        if (!strcmp(argv[2], "version"))
            return cmd_version(1, help);
        return dispatch(2, help);
    }
    return dispatch(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    fill_descriptors();
    return finish(command(argc, argv));
}
