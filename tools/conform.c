/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conform.c - `halcyon conform`: all of it is conformance/command.c, so that a
 * test program can be the runner as well.
 */
#include "conformance/run.h"
#include "tools/commands.h"

int cmd_conform(int argc, char **argv)
{
    return conf_command(argc, argv);
}
