/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - the arena and the growing buffer.  Invariant: used_bytes never
 * exceeds a limit that is set, so hostile text costs at most that much.
 */
#include "compiler/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that malloc is rare, small enough that a one-kernel source
 * does not take a megabyte. */
#define CHUNK_BYTES ((size_t)64 << 10)

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, room;
    _Alignas(16) char bytes[];
};

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    struct arena_chunk *c = a->head;
    size_t size, room;
    void *p;

    if (size_bytes > SIZE_MAX / 4)
        return NULL;
    size = (size_bytes + 15) & ~(size_t)15;
    if (a->limit_bytes && size > a->limit_bytes - a->used_bytes)
        return NULL;
    if (!c || c->room - c->used < size) {
        room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        c = malloc(sizeof *c + room);
        if (!c)
            return NULL;
        c->next = a->head;
        c->used = 0;
        c->room = room;
        a->head = c;
    }
    p = c->bytes + c->used;
    c->used += size;
    a->used_bytes += size;
    return memset(p, 0, size);
}

char *arena_copy(struct arena *a, const char *text, size_t size_bytes)
{
    char *p = arena_alloc(a, size_bytes + 1);

    if (p && size_bytes)
        memcpy(p, text, size_bytes);
    return p;
}

void arena_free(struct arena *a)
{
    struct arena_chunk *next;

    for (struct arena_chunk *c = a->head; c; c = next) {
        next = c->next;
        free(c);
    }
    a->head = NULL;
    a->used_bytes = 0;
}

/* Makes room for `more` bytes and a NUL. */
static int buffer_grow(struct buffer *b, size_t more)
{
    size_t room = b->room ? b->room : 1024;
    char *bytes;

    if (b->failed)
        return 0;
    if (more > SIZE_MAX / 4 || b->size > SIZE_MAX / 4 ||
        (b->limit_bytes && more > b->limit_bytes - b->size)) {
        b->failed = 1;
        return 0;
    }
    while (room - b->size <= more)
        room *= 2;
    if (room == b->room)
        return 1;
    bytes = realloc(b->bytes, room);
    if (!bytes) {
        b->failed = 1;
        return 0;
    }
    b->bytes = bytes;
    b->room = room;
    return 1;
}

void buffer_add(struct buffer *b, const void *bytes, size_t size_bytes)
{
    if (!buffer_grow(b, size_bytes))
        return;
    if (size_bytes)
        memcpy(b->bytes + b->size, bytes, size_bytes);
    b->size += size_bytes;
    b->bytes[b->size] = 0;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_format(struct buffer *b, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !buffer_grow(b, (size_t)n)) {
        b->failed = 1;
        return;
    }
    va_start(args, format);
    vsnprintf(b->bytes + b->size, (size_t)n + 1, format, args);
    va_end(args);
    b->size += (size_t)n;
}

void buffer_free(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){ 0 };
}
