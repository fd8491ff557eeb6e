/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - what the compiler allocates from: an arena that is freed as one
 * piece and knows a limit, and a buffer that grows.  Private to this floor.
 * One owner, one thread at a time.
 */
#ifndef COMPILER_MEMORY_H
#define COMPILER_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *head;
    size_t used_bytes;  /* of all chunks together */
    size_t limit_bytes; /* 0: no limit */
};

/* Zeroed, aligned to 16; NULL beyond the limit or without memory. */
void *arena_alloc(struct arena *a, size_t size_bytes);
/* A copy with a NUL behind it; NULL as above. */
char *arena_copy(struct arena *a, const char *text, size_t size_bytes);
void arena_free(struct arena *a);

/* Bytes with a NUL behind them.  A failure sticks: check `failed` once, at
 * the end. */
struct buffer {
    char *bytes;
    size_t size, room;
    size_t limit_bytes; /* 0: no limit */
    int failed;
};

void buffer_add(struct buffer *b, const void *bytes, size_t size_bytes);
void buffer_text(struct buffer *b, const char *text);
void buffer_format(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *b);

#endif
