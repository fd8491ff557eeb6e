/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.c - reads a chip's profile.  Strict, for a misspelt limit would
 * quietly not limit: unknown, repeated and missing keys are errors, and each
 * figure must carry its status (s vendor document or measurement, 2 secondary,
 * u uncertain, ? a choice of ours) and its source.
 */
#include "hal/profile.h"
#include "hal/ini.h"
#include "hal/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_type {
    TYPE_TEXT,   /* char[size] */
    TYPE_STANDS, /* "backend:match, backend, ..." */
    TYPE_BYTES,  /* uint64_t: 28672, 28 KiB, 48 GiB */
    TYPE_U32,
    TYPE_U32_BYTES, /* uint32_t, written as TYPE_BYTES */
    TYPE_DIM3,      /* "1024 1024 64" */
    TYPE_PAIR,      /* "7 1" */
    TYPE_DTYPES,    /* "f32 bf16", or "none" */
    TYPE_WITHOUT,   /* "fp64 peer ..." */
    TYPE_REAL
};

#define FIELD(section, key, type, field)                         \
    {                                                            \
        section, key, type, offsetof(struct hal_profile, field), \
            sizeof(((struct hal_profile *)0)->field)             \
    }

static const struct key {
    const char *section, *name;
    enum value_type type;
    size_t offset, size;
} keys[] = {
    FIELD("chip", "name", TYPE_TEXT, name),
    FIELD("chip", "vendor", TYPE_TEXT, vendor),
    FIELD("chip", "sdk", TYPE_TEXT, sdk),
    FIELD("device", "stand_on", TYPE_STANDS, stands),
    FIELD("limits", "memory", TYPE_BYTES, memory),
    FIELD("limits", "max_alloc", TYPE_BYTES, max_alloc),
    FIELD("limits", "shared_per_block", TYPE_BYTES, shared_per_block),
    FIELD("limits", "shared_per_block_optin", TYPE_BYTES,
          shared_per_block_optin),
    FIELD("limits", "pitch", TYPE_BYTES, pitch),
    FIELD("limits", "warp", TYPE_U32, warp),
    FIELD("limits", "threads_per_block", TYPE_U32, threads_per_block),
    FIELD("limits", "threads_per_unit", TYPE_U32, threads_per_unit),
    FIELD("limits", "units", TYPE_U32, units),
    FIELD("limits", "block", TYPE_DIM3, block),
    FIELD("limits", "grid", TYPE_DIM3, grid),
    FIELD("limits", "mem_align", TYPE_U32_BYTES, mem_align),
    FIELD("limits", "pitch_align", TYPE_U32_BYTES, pitch_align),
    FIELD("limits", "l2", TYPE_U32_BYTES, l2),
    FIELD("limits", "clock_khz", TYPE_U32, clock_khz),
    FIELD("limits", "memory_clock_khz", TYPE_U32, memory_clock_khz),
    FIELD("limits", "bus_bits", TYPE_U32, bus_bits),
    FIELD("limits", "version", TYPE_PAIR, version),
    FIELD("limits", "dtypes", TYPE_DTYPES, dtypes),
    FIELD("limits", "dtypes_native", TYPE_DTYPES, dtypes_native),
    FIELD("limits", "without", TYPE_WITHOUT, caps_without),
    FIELD("peaks", "bandwidth", TYPE_REAL, bandwidth),
    FIELD("peaks", "fp64", TYPE_REAL, fp64),
    FIELD("peaks", "fp32", TYPE_REAL, fp32),
    FIELD("peaks", "tf32", TYPE_REAL, tf32),
    FIELD("peaks", "fp16", TYPE_REAL, fp16),
    FIELD("peaks", "bf16", TYPE_REAL, bf16),
    FIELD("peaks", "int8", TYPE_REAL, int8),
    FIELD("peaks", "fp8", TYPE_REAL, fp8),
};

#define N_KEYS (sizeof keys / sizeof keys[0])

static const char *const dtype_names[halDtypeCount] = {
    [halF32] = "f32",   [halF16] = "f16",   [halBF16] = "bf16",
    [halF64] = "f64",   [halI8] = "i8",     [halU8] = "u8",
    [halI16] = "i16",   [halU16] = "u16",   [halI32] = "i32",
    [halU32] = "u32",   [halI64] = "i64",   [halU64] = "u64",
    [halE4M3] = "e4m3", [halE5M2] = "e5m2",
};

static const struct {
    const char *name;
    uint64_t cap;  /* or */
    size_t offset; /* of the flag in struct hal_profile */
} abilities[] = {
    { "fp16", HAL_CAP_FP16, 0 },
    { "fp64", HAL_CAP_FP64, 0 },
    { "int64", HAL_CAP_INT64, 0 },
    { "subgroups", HAL_CAP_SUBGROUP, 0 },
    { "atomics", HAL_CAP_ATOMICS, 0 },
    { "managed", 0, offsetof(struct hal_profile, without_managed) },
    { "map_host", 0, offsetof(struct hal_profile, without_map_host) },
    { "priorities", 0, offsetof(struct hal_profile, without_priorities) },
};

struct reading {
    struct hal_profile *profile;
    uint32_t seen[N_KEYS];
    char what[160]; /* the complaint, when it has parts */
};

static const char *read_number(const char *s, uint64_t *out, const char **end)
{
    char *stop;
    unsigned long long v;

    if (!isdigit((unsigned char)*s))
        return "a number is wanted";
    v = strtoull(s, &stop, 10);
    /* Also refuses ULLONG_MAX, which strtoull returns for what is larger. */
    if (v > (uint64_t)1 << 60)
        return "the number is too large";
    *out = v;
    *end = stop;
    return NULL;
}

static const char *read_bytes(const char *s, uint64_t *out)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    const char *what, *end;
    uint64_t v;
    unsigned i;

    what = read_number(s, &v, &end);
    if (what)
        return what;
    end += strspn(end, " \t");
    for (i = 0; i < 5; i++) {
        if (strcmp(end, units[i]) && (*end || i))
            continue;
        if (v > UINT64_MAX >> (10 * i) || v << (10 * i) > (uint64_t)1 << 60)
            return "the size is too large";
        *out = v << (10 * i);
        return *out ? NULL : "a size of 0 limits nothing";
    }
    return "a size is a number and B, KiB, MiB, GiB or TiB";
}

static const char *read_u32s(const char *s, uint32_t *out, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        const char *what;
        uint64_t v;

        s += strspn(s, " \t,");
        what = read_number(s, &v, &s);
        if (what)
            return what;
        if (v > UINT32_MAX)
            return "the number is too large";
        out[i] = (uint32_t)v;
    }
    return *s ? "there is text after the number" : NULL;
}

/* The next word of a list of words; 0 at the end. */
static size_t next_word(const char **s)
{
    *s += strspn(*s, " \t,");
    return strcspn(*s, " \t,");
}

static const char *read_dtypes(const char *s, uint32_t *out)
{
    uint32_t mask = 0;
    size_t len;
    int i;

    if (!strcmp(s, "none")) {
        *out = 0;
        return NULL;
    }
    while ((len = next_word(&s))) {
        for (i = 0; i < halDtypeCount; i++)
            if (strlen(dtype_names[i]) == len &&
                !memcmp(dtype_names[i], s, len))
                break;
        if (i == halDtypeCount)
            return "dtypes are f32 f16 bf16 f64 i8 u8 i16 u16 i32 u32 i64 u64 "
                   "e4m3 e5m2";
        mask |= 1u << i;
        s += len;
    }
    *out = mask;
    return NULL;
}

static const char *read_without(const char *s, struct hal_profile *p)
{
    const size_t n = sizeof abilities / sizeof abilities[0];
    size_t len, i;

    while ((len = next_word(&s))) {
        for (i = 0; i < n; i++)
            if (strlen(abilities[i].name) == len &&
                !memcmp(abilities[i].name, s, len))
                break;
        if (i == n)
            return "a chip may be without fp16 fp64 int64 subgroups atomics "
                   "managed map_host priorities";
        if (abilities[i].cap)
            p->caps_without |= abilities[i].cap;
        else
            *(uint32_t *)(void *)((char *)p + abilities[i].offset) = 1;
        s += len;
    }
    return NULL;
}

static const char *read_stands(const char *s, struct hal_profile *p)
{
    while (*s) {
        struct profile_stand *stand = &p->stands[p->n_stands];
        size_t len = strcspn(s, ","), n;
        const char *colon = memchr(s, ':', len);

        if (p->n_stands == PROFILE_STANDS_MAX)
            return "at most 16 devices to stand on";
        n = colon ? (size_t)(colon - s) : len;
        while (n && s[n - 1] == ' ')
            n--;
        if (!n || n >= sizeof stand->backend)
            return "stand_on is a list of backend or backend:driver";
        memcpy(stand->backend, s, n);
        if (colon) {
            n = len - (size_t)(colon + 1 - s);
            while (n && colon[n] == ' ')
                n--;
            if (!n || n >= sizeof stand->match)
                return "a driver's name has 1 to 95 characters";
            memcpy(stand->match, colon + 1, n);
        }
        p->n_stands++;
        s += len;
        s += strspn(s, ", \t");
    }
    return p->n_stands ? NULL : "stand_on names no device";
}

static const char *read_real(const char *s, double *out)
{
    char *stop;
    double v;

    if (!isdigit((unsigned char)*s))
        return "a number is wanted";
    v = strtod(s, &stop);
    if (*stop || !(v >= 0 && v < 1e9))
        return "a peak is a plain number";
    *out = v;
    return NULL;
}

static const char *read_value(const struct key *k, const char *value,
                              struct hal_profile *p)
{
    void *field = (char *)p + k->offset;
    const char *what;
    uint64_t v;

    switch (k->type) {
    case TYPE_TEXT:
        if (strlen(value) >= k->size)
            return "the text is too long";
        memcpy(field, value, strlen(value) + 1);
        return NULL;
    case TYPE_STANDS:
        return read_stands(value, p);
    case TYPE_BYTES:
        return read_bytes(value, field);
    case TYPE_U32:
        return read_u32s(value, field, 1);
    case TYPE_U32_BYTES:
        what = read_bytes(value, &v);
        if (!what && v > UINT32_MAX)
            what = "the size is too large";
        if (!what)
            *(uint32_t *)field = (uint32_t)v;
        return what;
    case TYPE_DIM3:
        return read_u32s(value, field, 3);
    case TYPE_PAIR:
        return read_u32s(value, field, 2);
    case TYPE_DTYPES:
        return read_dtypes(value, field);
    case TYPE_WITHOUT:
        return read_without(value, p);
    case TYPE_REAL:
        return read_real(value, field);
    }
    return "an unknown type";
}

static const char *take(const struct ini_line *line, void *context)
{
    struct reading *r = context;
    const char *what;
    size_t i;

    for (i = 0; i < N_KEYS; i++)
        if (!strcmp(keys[i].section, line->section) &&
            !strcmp(keys[i].name, line->key))
            break;
    if (i == N_KEYS) {
        snprintf(r->what, sizeof r->what, "[%s] has no key '%s'", line->section,
                 line->key);
        return r->what;
    }
    if (r->seen[i]) {
        snprintf(r->what, sizeof r->what, "'%s' was given in line %u",
                 line->key, r->seen[i]);
        return r->what;
    }
    r->seen[i] = line->number;
    if ((!strcmp(line->section, "limits") || !strcmp(line->section, "peaks")) &&
        (!line->note[0] || !strchr("s2u?", line->note[0]) ||
         line->note[1] != ' ' || !line->note[2]))
        return "a figure ends with '; STATUS source', status s, 2, u or ?";
    what = read_value(&keys[i], line->value, r->profile);
    if (!what && keys[i].offset == offsetof(struct hal_profile, dtypes))
        r->profile->has_dtypes = 1;
    if (!what && keys[i].offset == offsetof(struct hal_profile, dtypes_native))
        r->profile->has_native = 1;
    return what;
}

/* The device name that a file gives: its base name without ".ini". */
static int id_of(const char *file, char id[64])
{
    const char *base = strrchr(file, '/');
    size_t len, i;

    base = base ? base + 1 : file;
    len = strlen(base);
    if (len >= 4 && !strcmp(base + len - 4, ".ini"))
        len -= 4;
    if (!len || len >= 64)
        return 0;
    for (i = 0; i < len; i++)
        if (!isalnum((unsigned char)base[i]) && !strchr("-_.", base[i]))
            return 0;
    memcpy(id, base, len);
    id[len] = 0;
    return 1;
}

struct hal_profile *hal__profile_parse(const char *file, const char *text,
                                       size_t size, struct hal_message *msg)
{
    struct reading r = { 0 };
    char error[256];

    r.profile = calloc(1, sizeof *r.profile);
    if (!r.profile) {
        snprintf(msg->text, sizeof msg->text, "%.200s: out of memory", file);
        return NULL;
    }
    if (!id_of(file, r.profile->id)) {
        snprintf(msg->text, sizeof msg->text,
                 "%.200s: a device name has 1 to 63 letters, digits, -, _ "
                 "or .",
                 file);
        goto out;
    }
    if (!ini_read(text, size, take, &r, error, sizeof error)) {
        snprintf(msg->text, sizeof msg->text, "%.200s:%s", file, error);
        goto out;
    }
    if (!r.profile->name[0] || !r.profile->n_stands || !r.profile->memory) {
        snprintf(msg->text, sizeof msg->text, "%.200s: %s is missing", file,
                 !r.profile->name[0]    ? "[chip] name"
                 : !r.profile->n_stands ? "[device] stand_on"
                                        : "[limits] memory");
        goto out;
    }
    return r.profile;
out:
    free(r.profile);
    return NULL;
}

void hal__profile_free(struct hal_profile *profile)
{
    free(profile);
}
