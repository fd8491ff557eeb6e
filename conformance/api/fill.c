/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.c - api.fill.*: memset in 8, 16 and 32 bits and in two dimensions.  A
 * fill ends exactly where it should, off word boundaries too.
 */
#include "conformance/api/api.h"
#include "conformance/families.h"

struct fill {
    size_t offset, size; /* bytes */
    unsigned width;      /* of the pattern: 1, 2 or 4 */
};

static void fill_one(struct conf *c)
{
    const struct fill *f = conf_param(c);
    size_t whole = f->offset + f->size + 61;
    struct conf_buf b = conf_alloc(c, whole, 0);
    uint8_t *got = conf_host(c, whole), *want = conf_host(c, whole);
    char *at = (char *)b.mem + f->offset;

    conf_download(c, want, &b); /* the poison around the fill must stay */
    for (size_t i = 0; i < f->size; i++)
        want[f->offset + i] = (uint8_t)(0xd4c3b2a1u >> (8 * (i % f->width)));
    if (f->width == 1)
        CONF_OK(c, halMemset(at, 0xa1, f->size));
    else if (f->width == 2)
        CONF_OK(c, halMemsetD16(at, 0xb2a1, f->size / 2));
    else
        CONF_OK(c, halMemsetD32(at, 0xd4c3b2a1u, f->size / 4));
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &b);
    api_same(c, got, want, whole, "after the fill");
}

static void async_on_stream(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 4096, 0);
    uint8_t *got = conf_host(c, 4096);
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halMemsetAsync(b.mem, 0xff, 4096, s));
    CONF_OK(c, halMemsetD16Async(b.mem, 0x1234, 1000, s));
    CONF_OK(c, halMemsetD32Async((char *)b.mem + 400, 0xcafebabeu, 3, s));
    CONF_OK(c, halStreamSynchronize(s));
    conf_download(c, got, &b);
    CONF_TRUE(c, got[0] == 0x34 && got[1] == 0x12 && got[399] == 0x12);
    CONF_TRUE(c, got[400] == 0xbe && got[411] == 0xca && got[412] == 0x34);
    CONF_TRUE(c, got[1999] == 0x12 && got[2000] == 0xff);
    CONF_OK(c, halStreamDestroy(s));
}

/* Only the low byte counts, as memset(3) has it. */
static void low_byte(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 100, 0);

    CONF_OK(c, halMemset(b.mem, 0x1ff7a, 100));
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &b, 0x7a);
    CONF_OK(c, halMemset(b.mem, -1, 100));
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &b, 0xff);
}

static void fill_2d(struct conf *c)
{
    enum { W = 13, H = 9, P = 40 };
    struct conf_buf b = conf_alloc(c, P * H, 1);
    uint8_t *want = conf_host(c, P * H), *got = conf_host(c, P * H);

    conf_download(c, want, &b);
    for (int y = 0; y < H; y++)
        memset(want + y * P, 0x3c, W);
    CONF_OK(c, halMemset2D(b.mem, P, 0x3c, W, H));
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &b);
    api_same(c, got, want, P * H, "2D fill");
    CONF_OK(c, halMemset2DAsync(b.mem, P, 0x3d, W, 0, NULL));
    CONF_OK(c, halMemset2DAsync(b.mem, P, 0x3d, 0, H, NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &b);
    api_same(c, got, want, P * H, "2D fill of nothing");
}

static void bad(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 256, 0);
    void *p = NULL;
    int on_stack = 0;

    CONF_OK(c, halMalloc(&p, 256));
    CONF_FAILS(c, halErrorInvalidValue, halMemset(p, 0, 257));
    CONF_FAILS(c, halErrorInvalidValue, halMemset((char *)p + 250, 0, 7));
    CONF_FAILS(c, halErrorInvalidValue, halMemsetD32(p, 0, 65));
    CONF_FAILS(c, halErrorInvalidValue, halMemsetD32(p, 0, SIZE_MAX / 2));
    CONF_FAILS(c, halErrorInvalidPointer, halMemset(&on_stack, 0, 4));
    CONF_FAILS(c, halErrorInvalidValue, halMemset(NULL, 0, 4));
    CONF_FAILS(c, halErrorInvalidValue, halMemsetD32((char *)b.mem + 2, 0, 4));
    CONF_FAILS(c, halErrorInvalidValue, halMemsetD16((char *)b.mem + 1, 0, 4));
    CONF_FAILS(c, halErrorInvalidValue, halMemset2D(p, 8, 0, 16, 4));
    CONF_FAILS(c, halErrorInvalidValue, halMemset2D(p, 100, 0, 16, 4));
    CONF_OK(c, halMemset(p, 0, 0));
    CONF_OK(c, halMemset(NULL, 0, 0));
    CONF_OK(c, halFree(p));
    CONF_FAILS(c, halErrorInvalidPointer, halMemset(p, 0, 4));
    conf_check_zones(c, &b);
}

static const struct conf_case cases[] = {
    { "api.fill.async", async_on_stream, .levels = MEMORY },
    { "api.fill.low_byte", low_byte, .levels = MEMORY },
    { "api.fill.2d", fill_2d, .levels = MEMORY },
    { "api.fill.bad", bad, .levels = MEMORY },
    { 0 },
};

void conf_cases_api_fill(struct conf_list *list,
                         const struct conf_options *options)
{
    static const struct fill fills[] = {
        { 0, 1, 1 },     { 1, 2, 1 },     { 3, 1, 1 },    { 2, 1021, 1 },
        { 5, 4096, 1 },  { 0, 65537, 1 }, { 2, 2, 2 },    { 6, 1022, 2 },
        { 2, 65538, 2 }, { 0, 4, 4 },     { 4, 1020, 4 }, { 12, 262148, 4 },
    };

    (void)options;
    conf_list_add_table(list, cases);
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        char name[96];

        snprintf(name, sizeof name, "api.fill.d%u.o%zu_n%zu",
                 8 * fills[i].width, fills[i].offset, fills[i].size);
        conf_list_add(list,
                      &(struct conf_case){ .name = name,
                                           .run = fill_one,
                                           .param = &fills[i],
                                           .levels = MEMORY },
                      sizeof fills[i]);
    }
}
