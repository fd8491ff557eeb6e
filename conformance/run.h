/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - the conformance command, for programs.
 *
 * The program that calls conf_command is run again for each worker: it must
 * hand `PROGRAM conform ...` to conf_command before it does anything else.
 */
#ifndef CONFORMANCE_RUN_H
#define CONFORMANCE_RUN_H

/* Exit status of `halcyon conform`. */
enum {
    CONF_EXIT_OK = 0,    /* every planned case ran: conformant */
    CONF_EXIT_NOT = 1,   /* every planned case ran: not conformant */
    CONF_EXIT_USAGE = 2, /* the command line is wrong; nothing ran */
    CONF_EXIT_UNRUN = 3  /* planned work could not run, or was interrupted */
};

/* argv[0] is "conform".  Prints; returns an exit status.  Call it once, from
 * the main thread, before other threads exist. */
int conf_command(int argc, char **argv);

/* `halcyon merge`: the reports of shards into one; argv[0] is "merge". */
int conf_merge_command(int argc, char **argv);
/* `halcyon verify`: whether a package is whole and unedited. */
int conf_verify_command(int argc, char **argv);
/* `halcyon compare`: what became worse between two runs. */
int conf_compare_command(int argc, char **argv);

#endif
