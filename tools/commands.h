/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - the subcommands of `halcyon`, one file each.  argv[0] is the
 * command's name; the result is the exit status: 0 done, 1 the answer is no,
 * 2 wrong usage, 3 could not be done.  What is lost on the way to standard
 * output is status 3 too; halcyon.c sees to that for all of them.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

/* The only list of commands: X(name, "what it does"). */
#define COMMANDS(X)                                                \
    X(conform, "prove, case by case, what works on a device")      \
    X(merge, "join the reports of shards into one")                \
    X(verify, "check that a result package is whole and unedited") \
    X(compare, "show what became worse between two runs")          \
    X(info, "list devices, drivers, limits, and what is missing")  \
    X(bench, "measure launches, copies and kernels")               \
    X(version, "print the version")

#define X(name, text) int cmd_##name(int argc, char **argv);
COMMANDS(X)
#undef X

#endif
