/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.h - running a program without a shell, and small file work.  Private to
 * this floor.
 */
#ifndef COMPILER_TOOL_H
#define COMPILER_TOOL_H

#include "compiler/halbin.h"
#include "compiler/memory.h"

struct tool_result {
    struct buffer output; /* stdout and stderr, cut at 1 MiB */
    int exit_status;      /* 0: success; -1: killed, or it took too long */
    int timed_out;
};

/* Runs argv[0] from PATH with stdin empty and messages in English.  0, or an
 * errno if it could not be started (ENOENT: no such program).  The caller
 * frees result->output. */
int tool_run(char *const argv[], unsigned limit_s, struct tool_result *result);
/* The same in the directory dir (NULL: ours), from where an argv[0] with a
 * slash is looked for. */
int tool_run_in(const char *dir, char *const argv[], unsigned limit_s,
                struct tool_result *result);

/* How many seconds a compiler may take: $HALCYON_CC_TIMEOUT, else 300.  0
 * after a message about `name` if the variable says no such number. */
unsigned tool_limit_s(const char *name, struct hal_message *msg);

/* A new directory of ours alone under $TMPDIR or /tmp.  0, or an errno; out has
 * the name either way. */
#define TEMP_DIR_ROOM 4096
int temp_dir_make(char out[TEMP_DIR_ROOM]);
/* Removes it with all plain files in it. */
void temp_dir_remove(const char *dir);

/* An environment variable's value, or `otherwise` if it is unset or empty. */
const char *setting(const char *name, const char *otherwise);

/* 0, or an errno.  The file must not exist. */
int file_write_new(const char *path, const void *bytes, size_t size);
/* 0, or an errno; *out_bytes is malloc'ed.  EFBIG beyond limit_bytes. */
int file_read(const char *path, size_t limit_bytes, void **out_bytes,
              size_t *out_size);
/* The same; EPERM if the file is a link or another user's, or if others may
 * write to it. */
int file_read_own(const char *path, size_t limit_bytes, void **out_bytes,
                  size_t *out_size);

#endif
