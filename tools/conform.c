/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conform.c - `halcyon conform` and what reads its reports: all of it is in
 * conformance/, so that a test program can be the runner as well.
 */
#include "conformance/run.h"
#include "tools/commands.h"

int cmd_conform(int argc, char **argv)
{
    return conf_command(argc, argv);
}

int cmd_merge(int argc, char **argv)
{
    return conf_merge_command(argc, argv);
}

int cmd_verify(int argc, char **argv)
{
    return conf_verify_command(argc, argv);
}

int cmd_compare(int argc, char **argv)
{
    return conf_compare_command(argc, argv);
}
