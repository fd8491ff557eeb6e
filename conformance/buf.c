/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - device memory of a case: poison and red zones.
 *
 * An allocation is [zone | misalign | data | zone], all of it poison until the
 * case or a kernel writes data.  The poison of byte i depends on the case's
 * seed, the buffer and i alone, so that it can be recognised later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "conformance/case.h"

/* Of each zone, before misalign: a multiple of the largest alignment that a
 * driver asks for, and wide enough for a stray row of small tiles. */
#define ZONE_BYTES ((size_t)4096)
/* Filling and hashing go by pieces of this size. */
#define PIECE_BYTES ((size_t)1 << 20)
/* Inputs are fingerprinted by blocks, so that a message can say where. */
#define PRINT_BYTES ((size_t)4096)

struct conf_block {
    struct conf_block *next;
    int number; /* in order of creation, from 1 */
    int device;
    uint8_t *base;
    size_t before, size, total;
    uint64_t seed;
    uint64_t *prints; /* of an input's data; NULL for conf_alloc's */
};

/* Where conf_download put a buffer: conf_compare recognises poison by it. */
struct conf_download {
    struct conf_download *next;
    const uint8_t *host;
    size_t size;
    uint64_t seed;
    size_t before;
};

/* Every byte is 0x78..0x7F or 0xF8..0xFF: read as a float of any format that
 * is huge or NaN, never near the zeros that a kernel might owe. */
static uint8_t poison_byte(uint64_t seed, size_t i)
{
    return (uint8_t)((conf_mix(seed + (i >> 3)) >> (i & 7) * 8 & 0x87) | 0x78);
}

static void poison_fill(uint8_t *out, uint64_t seed, size_t first, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t at = first + i;

        if ((at & 7) == 0 && n - i >= 8) {
            uint64_t word = (conf_mix(seed + (at >> 3)) & 0x8787878787878787u) |
                            0x7878787878787878u;

            for (int k = 0; k < 8; k++)
                out[i + (size_t)k] = (uint8_t)(word >> k * 8);
            i += 8;
        } else {
            out[i++] = poison_byte(seed, at);
        }
    }
}

/* ---- making ------------------------------------------------------------ */

/* Poison, and in the middle the data if there are any, by pieces. */
static void write_block(struct conf *c, struct conf_block *b,
                        const uint8_t *data)
{
    size_t room = b->total < PIECE_BYTES ? b->total : PIECE_BYTES;
    uint8_t *piece = malloc(room);

    if (!piece)
        conf_end(c, CONF_ERROR, "no host memory for %zu bytes", room);
    for (size_t at = 0; at < b->total; at += room) {
        size_t n = b->total - at < room ? b->total - at : room;
        size_t from = at > b->before ? at : b->before;
        size_t to = at + n < b->before + b->size ? at + n : b->before + b->size;
        halError_t st;

        poison_fill(piece, b->seed, at, n);
        if (data && from < to)
            memcpy(piece + (from - at), data + (from - b->before), to - from);
        st = halMemcpy(b->base + at, piece, n, halMemcpyHostToDevice);
        if (st != halSuccess) {
            free(piece);
            conf_ok(c, st, "filling a buffer", __FILE__, __LINE__);
        }
    }
    free(piece);
}

static void print_input(struct conf *c, struct conf_block *b,
                        const uint8_t *data)
{
    size_t n = (b->size + PRINT_BYTES - 1) / PRINT_BYTES;

    b->prints = calloc(n ? n : 1, sizeof *b->prints);
    if (!b->prints)
        conf_end(c, CONF_ERROR, "no host memory for %zu fingerprints", n);
    for (size_t i = 0; i < n; i++) {
        size_t at = i * PRINT_BYTES;
        size_t left = b->size - at;

        b->prints[i] =
            XXH3_64bits(data + at, left < PRINT_BYTES ? left : PRINT_BYTES);
    }
}

static struct conf_buf make(struct conf *c, const void *data, size_t size,
                            size_t misalign)
{
    struct conf_block *b;
    void *base = NULL;
    halError_t st;

    if (size > SIZE_MAX / 2 || misalign > ZONE_BYTES)
        conf_end(c, CONF_ERROR, "conf_alloc: %zu bytes, misaligned by %zu",
                 size, misalign);
    b = calloc(1, sizeof *b);
    if (!b)
        conf_end(c, CONF_ERROR, "no host memory for a buffer");
    b->number = ++c->n_blocks;
    b->before = ZONE_BYTES + misalign;
    b->size = size;
    b->total = b->before + size + ZONE_BYTES;
    b->seed = conf_mix(c->poison + (uint64_t)b->number);
    b->device = c->device;
    b->next = c->blocks;
    c->blocks = b;
    st = halGetDevice(&b->device);
    if (st == halSuccess)
        st = halMalloc(&base, b->total);
    conf_ok(c, st, "halMalloc of a buffer", __FILE__, __LINE__);
    b->base = base;
    write_block(c, b, data);
    if (data)
        print_input(c, b, data);
    return (
        struct conf_buf){ .mem = b->base + b->before, .size = size, .impl = b };
}

struct conf_buf conf_alloc(struct conf *c, size_t size, size_t misalign)
{
    return make(c, NULL, size, misalign);
}

struct conf_buf conf_upload(struct conf *c, const void *host, size_t size,
                            size_t misalign)
{
    static const uint8_t nothing;

    return make(c, host ? host : &nothing, host ? size : 0, misalign);
}

/* ---- reading ----------------------------------------------------------- */

void conf_download(struct conf *c, void *host, const struct conf_buf *b)
{
    const struct conf_block *block = b->impl;
    struct conf_download *d = conf_host(c, sizeof *d);

    conf_ok(c, halMemcpy(host, b->mem, b->size, halMemcpyDeviceToHost),
            "reading a buffer", __FILE__, __LINE__);
    *d = (struct conf_download){ .next = c->downloads,
                                 .host = host,
                                 .size = b->size,
                                 .seed = block->seed,
                                 .before = block->before };
    if (block->prints)
        return; /* it never held poison */
    c->downloads = d;
}

const uint8_t *conf_poison_of(struct conf *c, const void *host, size_t size)
{
    const uint8_t *p = host;

    for (struct conf_download *d = c->downloads; d; d = d->next) {
        if (p < d->host || p > d->host + d->size ||
            size > (size_t)(d->host + d->size - p))
            continue;
        uint8_t *out = conf_host(c, size);

        poison_fill(out, d->seed, d->before + (size_t)(p - d->host), size);
        return out;
    }
    return NULL;
}

void conf_expect_bytes(struct conf *c, const struct conf_buf *b, uint8_t value)
{
    const struct conf_block *block = b->impl;
    uint8_t *host = conf_host(c, b->size);
    size_t i = 0;

    conf_download(c, host, b);
    while (i < b->size && host[i] == value)
        i++;
    conf_check(
        c, i == b->size, "buffer %d: byte %zu of %zu is 0x%02x%s, want 0x%02x",
        block->number, i, b->size, i < b->size ? host[i] : 0,
        i < b->size && host[i] == poison_byte(block->seed, block->before + i)
            ? " (never written)"
            : "",
        value);
}

/* ---- zones ------------------------------------------------------------- */

static void check_zone(struct conf *c, const struct conf_block *b, size_t first,
                       size_t n, const char *side)
{
    uint8_t zone[2 * ZONE_BYTES];
    size_t i = 0, changed = 0, at = 0;

    conf_ok(c, halMemcpy(zone, b->base + first, n, halMemcpyDeviceToHost),
            "reading a red zone", __FILE__, __LINE__);
    for (; i < n; i++)
        if (zone[i] != poison_byte(b->seed, first + i) && changed++ == 0)
            at = i;
    if (!changed)
        return;
    conf_end(c, CONF_FAIL,
             "buffer %d of %zu bytes: written outside: %zu bytes of the red "
             "zone %s it changed, first at offset %lld (0x%02x)",
             b->number, b->size, changed, side,
             (long long)(first + at) - (long long)b->before, zone[at]);
}

static void check_input(struct conf *c, const struct conf_block *b)
{
    uint8_t *host = conf_host(c, b->size);

    conf_ok(
        c, halMemcpy(host, b->base + b->before, b->size, halMemcpyDeviceToHost),
        "reading an input", __FILE__, __LINE__);
    for (size_t at = 0; at < b->size; at += PRINT_BYTES) {
        size_t left = b->size - at;
        size_t n = left < PRINT_BYTES ? left : PRINT_BYTES;

        if (XXH3_64bits(host + at, n) != b->prints[at / PRINT_BYTES])
            conf_end(c, CONF_FAIL,
                     "buffer %d of %zu bytes: an input was written, first "
                     "within bytes %zu to %zu",
                     b->number, b->size, at, at + n - 1);
    }
}

static void check_block(struct conf *c, const struct conf_block *b)
{
    size_t end = b->before + b->size;

    check_zone(c, b, 0, b->before, "before");
    check_zone(c, b, end, b->total - end, "after");
}

void conf_check_zones(struct conf *c, const struct conf_buf *buf)
{
    const struct conf_block *b = buf->impl;

    atomic_fetch_add(&c->checks, 1);
    check_block(c, b);
    if (b->prints)
        check_input(c, b);
}

void conf_blocks_check(struct conf *c)
{
    for (struct conf_block *b = c->blocks; b; b = b->next)
        check_block(c, b);
}

/* ---- freeing ----------------------------------------------------------- */

static halError_t free_block(struct conf *c, struct conf_block *b)
{
    halError_t st = halSuccess;

    if (b->base) {
        st = halSetDevice(b->device);
        if (st == halSuccess)
            st = halFree(b->base);
        if (halSetDevice(c->device) != halSuccess && st == halSuccess)
            st = halErrorInvalidDevice;
    }
    free(b->prints);
    free(b);
    return st;
}

void conf_free(struct conf *c, struct conf_buf *buf)
{
    struct conf_block **at = &c->blocks;
    struct conf_block *b = buf->impl;
    int device = c->device;

    if (!b)
        return;
    check_block(c, b);
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    conf_ok(c, halGetDevice(&device), "halGetDevice", __FILE__, __LINE__);
    conf_ok(c, free_block(c, b), "halFree of a buffer", __FILE__, __LINE__);
    conf_ok(c, halSetDevice(device), "halSetDevice", __FILE__, __LINE__);
    *buf = (struct conf_buf){ 0 };
}

void conf_blocks_free(struct conf *c)
{
    /* The verdict is known: an error here shows in the next case, whose
     * process this is. */
    while (c->blocks) {
        struct conf_block *b = c->blocks;

        c->blocks = b->next;
        (void)!free_block(c, b);
    }
    c->downloads = NULL; /* they lie in the scratch */
}
