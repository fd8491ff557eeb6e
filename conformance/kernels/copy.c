/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - kernel.copy_strided.*: bytes move, values do not matter, and what
 * lies between the elements of y stays as it was.
 */
#include <string.h>

#include "conformance/kernels/cases.h"

struct shape {
    const char *name;
    int64_t dims[4], x_strides[4], y_strides[4];
    int64_t x_first; /* element of x's buffer that x points to */
    int odd;
};

struct param {
    int elem_bytes;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", { 1, 1, 1, 1 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, 0, 0 },
    { "dense", { 3, 5, 7, 11 }, { 385, 77, 11, 1 }, { 385, 77, 11, 1 }, 0, 0 },
    { "transpose", { 1, 1, 37, 53 }, { 0, 0, 1, 37 }, { 0, 0, 53, 1 }, 0, 0 },
    { "permute", { 2, 3, 5, 7 }, { 1, 2, 6, 30 }, { 105, 35, 7, 1 }, 0, 0 },
    { "gaps", { 2, 3, 4, 5 }, { 120, 30, 6, 1 }, { 200, 50, 11, 2 }, 0, 0 },
    { "broadcast", { 4, 1, 3, 17 }, { 0, 0, 0, 1 }, { 51, 51, 17, 1 }, 0, 0 },
    { "reverse", { 1, 1, 9, 31 }, { 0, 0, -31, -1 }, { 0, 0, 31, 1 }, 278, 0 },
    { "slice", { 1, 1, 3, 7 }, { 0, 0, 80, 5 }, { 0, 0, 7, 1 }, 43, 0 },
    { "n65537", { 1, 1, 1, 65537 }, { 0, 0, 0, 1 }, { 0, 0, 0, 1 }, 0, 0 },
    { "rows70001", { 70001, 1, 1, 3 }, { 3, 0, 0, 1 }, { 4, 0, 0, 1 }, 0, 0 },
    { "misaligned", { 1, 3, 5, 9 }, { 0, 45, 9, 1 }, { 0, 50, 10, 1 }, 0, 1 },
    { "long_batch",
      { 3, 70001, 1, 1 },
      { 70001, 1, 0, 0 },
      { 1, 3, 0, 0 },
      0,
      0 },
};

/* Elements from the lowest to the highest that the strides reach. */
static int64_t span(const int64_t dims[4], const int64_t strides[4])
{
    int64_t elements = 1;

    for (int d = 0; d < 4; d++)
        elements += (dims[d] - 1) * (strides[d] < 0 ? -strides[d] : strides[d]);
    return elements;
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    size_t size = (size_t)p->elem_bytes, odd = (size_t)s->odd * size;
    size_t x_bytes = ((size_t)span(s->dims, s->x_strides) + 300) * size;
    size_t y_bytes = (size_t)span(s->dims, s->y_strides) * size;
    unsigned char *host = conf_host(c, x_bytes), *want, *got;
    struct conf_buf x, y;

    for (size_t i = 0; i < x_bytes; i++)
        host[i] = (unsigned char)conf_random(c);
    x = conf_upload(c, host, x_bytes, odd);
    y = conf_alloc(c, y_bytes, odd);
    want = kx_snapshot(c, &y); /* the poison */
    CONF_OK(c, halopCopyStrided(p->elem_bytes, y.mem, s->y_strides,
                                (char *)x.mem + (size_t)s->x_first * size,
                                s->x_strides, s->dims, NULL));
    oracle_copy_strided(p->elem_bytes, want, s->y_strides,
                        host + (size_t)s->x_first * size, s->x_strides,
                        s->dims);
    got = kx_snapshot(c, &y);
    for (size_t i = 0; i < y_bytes; i++)
        if (got[i] != want[i])
            conf_check(c, 0, "y byte %zu: got %02x, want %02x", i, got[i],
                       want[i]);
    conf_check(c, 1, "y");
    conf_check_zones(c, &x);
    conf_check_zones(c, &y);
}

void kx_cases_copy(struct conf_list *list)
{
    for (int size = 1; size <= 8; size *= 2)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { size, shapes[i] };

            kx_add(list, size == 2 ? halBF16 : halF32, i == 2 ? " core" : "",
                   run, &p, sizeof p, "copy_strided.b%d.%s", size, p.s.name);
        }
}
