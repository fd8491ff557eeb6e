/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - api.module.*: dialect text through the device's compiler, .halbin
 * files whole and damaged, functions and what they say of themselves.
 */
#include <ctype.h>
#include <unistd.h>
#include <xxhash.h>

#include "compiler/halbin.h"
#include "conformance/api/api.h"
#include "conformance/families.h"

#define DIALECT "#include \"hal_dialect.h\"\n"

extern const unsigned char hal_stock_halbin[], hal_stock_halbin_end[];

static size_t stock_size(void)
{
    return (size_t)(hal_stock_halbin_end - hal_stock_halbin);
}

static void source_basic(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = NULL;
    const char *name = NULL;
    int found = 0;

    CONF_OK(c, halModuleGetFunction(&f, m, "api_mark"));
    for (int i = 0; i < 3; i++) {
        CONF_OK(c, halModuleGetKernelName(&name, m, i));
        found += !strncmp(name, "api_", 4);
    }
    CONF_TRUE(c, found == 3);
    CONF_FAILS(c, halErrorInvalidValue, halModuleGetKernelName(&name, m, 3));
    CONF_FAILS(c, halErrorInvalidValue, halModuleGetKernelName(&name, m, -1));
    CONF_FAILS(c, halErrorNotFound, halModuleGetFunction(&f, m, "no_such"));
    CONF_TRUE(c, strstr(halGetErrorDetail(), "no_such") != NULL);
    CONF_OK(c, halModuleUnload(m));
}

/* "wrong.k:6" or "wrong.k(6)", whatever follows but a digit. */
static int names_line(const char *text, const char *file, unsigned line)
{
    size_t n = strlen(file);

    for (const char *at = strstr(text, file); at; at = strstr(at + 1, file)) {
        char *end = NULL;

        if ((at[n] == ':' || at[n] == '(') && at[n + 1] >= '0' &&
            at[n + 1] <= '9' && strtoul(at + n + 1, &end, 10) == line)
            return 1;
    }
    return 0;
}

/* An error in the text names the text's own file and line. */
static void source_error_line(struct conf *c)
{
    static const char text[] =
        DIALECT "\n"                                            /* 1, 2 */
                "KERNEL(broken, OUT(f32, y), ARG(uint, n))\n"   /* 3 */
                "{\n"                                           /* 4 */
                "    ITEMS(i, n) {\n"                           /* 5 */
                "        ST(f32, y, i, 1.0f + no_such_name);\n" /* 6 */
                "    }\n"
                "}\n";
    halModule_t m = NULL;
    const char *column;

    CONF_FAILS(c, halErrorKernelBuild,
               halModuleLoadSource(&m, text, "wrong.k", NULL));
    conf_check(c, strstr(halGetErrorDetail(), "wrong.k") != NULL,
               "the message does not name wrong.k: %s", halGetErrorDetail());
    conf_check(c, names_line(halGetErrorDetail(), "wrong.k", 6),
               "the message does not name line 6 of wrong.k: %s",
               halGetErrorDetail());
    column = strstr(halGetErrorDetail(), "wrong.k:6:");
    conf_check(c, !column || !isdigit((unsigned char)column[10]),
               "the message has a column of the expanded text: %s",
               halGetErrorDetail());
    CONF_TRUE(c, m == NULL);
}

static void source_preprocessor_error(struct conf *c)
{
    halModule_t m = NULL;

    CONF_FAILS(c, halErrorKernelBuild,
               halModuleLoadSource(&m, DIALECT "#if 1\nKERNEL(a, OUT(f32, y))",
                                   "open_if.k", NULL));
    CONF_TRUE(c, strstr(halGetErrorDetail(), "open_if.k") != NULL);
    CONF_FAILS(
        c, halErrorKernelBuild,
        halModuleLoadSource(&m, "#include \"no_such.h\"\n", "inc.k", NULL));
    CONF_TRUE(c, strstr(halGetErrorDetail(), "no_such.h") != NULL);
    CONF_FAILS(c, halErrorKernelBuild,
               halModuleLoadSource(&m, DIALECT, "empty.k", NULL));
}

static void source_null(struct conf *c)
{
    halModule_t m = NULL;

    CONF_FAILS(c, halErrorInvalidValue,
               halModuleLoadSource(NULL, DIALECT, "a.k", NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halModuleLoadSource(&m, NULL, "a.k", NULL));
}

/* Options define macros, and a change of them is a change of the kernel, in
 * the cache too. */
static void source_options(struct conf *c)
{
    static const char text[] = DIALECT
        "KERNEL(value, OUT(u32, y))\n{\n    ONCE ST(u32, y, 0, VALUE);\n}\n";
    struct conf_buf b = conf_alloc(c, 4, 0);

    for (uint32_t round = 0; round < 4; round++) {
        uint32_t want = round % 2 ? 222 : 111, got = 0;
        halModule_t m = NULL;
        void *args[] = { &b.mem };
        char options[32];

        snprintf(options, sizeof options, "-DVALUE=%uu", want);
        CONF_OK(c, halModuleLoadSource(&m, text, "value.k", options));
        CONF_OK(c, halLaunchKernel(api_function(c, m, "value"),
                                   (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                                   args, 0, NULL));
        CONF_OK(c, halMemcpy(&got, b.mem, 4, halMemcpyDeviceToHost));
        conf_check(c, got == want, "with %s the kernel wrote %u", options, got);
        CONF_OK(c, halModuleUnload(m));
    }
}

/* What a kernel declares is held against the limit when it is loaded; a launch
 * may add up to the other one. */
static void source_local(struct conf *c)
{
    static const char text[] =
        DIALECT "KERNEL(declares, OUT(u32, y), LOCAL(uint, part, WORDS))\n"
                "{\n    ONCE part[WORDS - 1u] = 1u;\n    SYNC;\n"
                "    ONCE ST(u32, y, 0, part[WORDS - 1u]);\n}\n";
    const struct halDeviceProp *p = conf_prop(c);
    halModule_t m = NULL;
    char options[40];

    if (p->sharedMemPerBlock > UINT32_MAX / 2)
        conf_end(c, CONF_UNSUPPORTED, "no kernel can declare too much");
    snprintf(options, sizeof options, "-DWORDS=%u",
             (unsigned)p->sharedMemPerBlock / 4 + 1);
    CONF_FAILS(c, halErrorKernelBuild,
               halModuleLoadSource(&m, text, "local.k", options));
    conf_check(c,
               strstr(halGetErrorDetail(), "local.k") &&
                   strstr(halGetErrorDetail(), "bytes of LOCAL memory"),
               "the error says: %s", halGetErrorDetail());
    conf_check(c, !m, "a module was made");
}

/* Macros of the dialect are one statement each: an else is its own if's. */
static void source_statements(struct conf *c)
{
    static const char text[] =
        DIALECT "KERNEL(statements, INOUT(u32, y), ARG(uint, n), LOCAL(uint, "
                "part, 1))\n"
                "{\n"
                "    if (n > 2u)\n"
                "        ONCE ST(u32, y, 0, 11u);\n"
                "    else\n"
                "        ONCE ST(u32, y, 0, 22u);\n"
                "    if (n > 2u)\n"
                "        if (n > 4u)\n"
                "            ONCE ST(u32, y, 1, 33u);\n"
                "        else\n"
                "            ONCE { ST(u32, y, 1, 44u); }\n"
                "    if (n > 2u)\n"
                "        SYNC;\n"
                "    else\n"
                "        ONCE ST(u32, y, 2, 55u);\n"
                "    if (n > 4u)\n"
                "        ONCE part[0] = n;\n"
                "    else\n"
                "        SYNC;\n"
                "    SYNC;\n"
                "    ONCE\n"
                "        if (n > 4u)\n"
                "            ST(u32, y, 3, part[0]);\n"
                "        else\n"
                "            ST(u32, y, 3, 66u);\n"
                "}\n";
    static const struct {
        uint32_t n, want[4];
    } rows[] = {
        { 1, { 22, 9, 55, 66 } },
        { 3, { 11, 44, 9, 66 } },
        { 5, { 11, 33, 9, 5 } },
    };
    struct conf_buf b = conf_alloc(c, 16, 0);
    halModule_t m = NULL;

    CONF_OK(c, halModuleLoadSource(&m, text, "statements.k", NULL));
    for (int i = 0; i < 3; i++) {
        uint32_t got[4] = { 9, 9, 9, 9 }, n = rows[i].n;
        void *args[] = { &b.mem, &n };

        CONF_OK(c, halMemcpy(b.mem, got, 16, halMemcpyHostToDevice));
        CONF_OK(c, halLaunchKernel(api_function(c, m, "statements"),
                                   (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                                   args, 0, NULL));
        CONF_OK(c, halMemcpy(got, b.mem, 16, halMemcpyDeviceToHost));
        for (int k = 0; k < 4; k++)
            conf_check(c, got[k] == rows[i].want[k],
                       "n %u: word %d is %u, not %u", n, k, got[k],
                       rows[i].want[k]);
    }
    conf_check_zones(c, &b);
}

static void unload(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add"), g = NULL;
    struct halFuncAttributes attr;
    struct conf_buf b = conf_alloc(c, 64, 0);
    float a = 1;
    uint32_t n = 4;
    void *args[] = { &b.mem, &b.mem, &a, &n };

    CONF_OK(c, halModuleUnload(m));
    CONF_FAILS(c, halErrorInvalidHandle, halModuleUnload(m));
    CONF_FAILS(c, halErrorInvalidHandle, halModuleUnload(NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halModuleGetFunction(&g, m, "api_add"));
    CONF_FAILS(c, halErrorInvalidHandle, halFuncGetAttributes(&attr, f));
    CONF_FAILS(c, halErrorInvalidHandle,
               halLaunchKernel(f, (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                               args, 0, NULL));
    conf_check_zones(c, &b);
}

/* Unload waits for launches that are still running. */
static void unload_waits(struct conf *c)
{
    halModule_t m = api_module(c);
    struct api_slow slow;

    api_slow_make(c, m, 60, &slow);
    api_slow_launch(c, &slow, 13, NULL);
    CONF_OK(c, halModuleUnload(m));
    CONF_TRUE(c, api_slow_value(c, &slow) == 13);
}

static void data_stock(struct conf *c)
{
    halModule_t m = NULL;
    const char *name = NULL;
    halFunction_t f = NULL;

    CONF_OK(c, halModuleLoadData(&m, hal_stock_halbin, stock_size()));
    CONF_OK(c, halModuleGetKernelName(&name, m, 0));
    CONF_TRUE(c, name && name[0]);
    CONF_OK(c, halModuleGetFunction(&f, m, name));
    CONF_OK(c, halModuleUnload(m));
    CONF_FAILS(c, halErrorInvalidHandle, halModuleUnload(m));
}

static void data_truncated(struct conf *c)
{
    size_t n = stock_size();
    halModule_t m = NULL;

    CONF_FAILS(c, halErrorInvalidImage,
               halModuleLoadData(&m, hal_stock_halbin, 0));
    for (size_t cut = 1; cut < n; cut = cut < 256 ? cut + 1 : cut * 2)
        CONF_FAILS(c, halErrorInvalidImage,
                   halModuleLoadData(&m, hal_stock_halbin, cut));
    CONF_FAILS(c, halErrorInvalidImage,
               halModuleLoadData(&m, hal_stock_halbin, n - 1));
    CONF_TRUE(c, m == NULL);
}

static void data_corrupt(struct conf *c)
{
    size_t n = stock_size();
    uint8_t *copy = conf_host(c, n);
    halModule_t m = NULL;

    for (int i = 0; i < 24; i++) {
        size_t at = i < 12 ? (size_t)i * 8 : conf_random(c) % n;

        memcpy(copy, hal_stock_halbin, n);
        copy[at] ^= 0x10;
        halError_t st = halModuleLoadData(&m, copy, n);
        conf_check(c, st == halErrorInvalidImage,
                   "byte %zu flipped: %s, expected halErrorInvalidImage", at,
                   halGetErrorName(st));
    }
    CONF_TRUE(c, m == NULL);
}

static void data_garbage(struct conf *c)
{
    uint8_t *junk = api_bytes(c, 4096);
    halModule_t m = NULL;

    CONF_FAILS(c, halErrorInvalidImage, halModuleLoadData(&m, junk, 4096));
    CONF_FAILS(c, halErrorInvalidValue, halModuleLoadData(&m, NULL, 4096));
    CONF_FAILS(c, halErrorInvalidValue, halModuleLoadData(NULL, junk, 4096));
}

/* Bytes of header and section table (docs/halbin.md), and their hash. */
enum { FRONT = 64 + 5 * 32, HASH_AT = 48 };

static void seal(uint8_t *halbin)
{
    uint64_t hash;

    memset(halbin + HASH_AT, 0, 8);
    hash = XXH3_64bits(halbin, FRONT);
    for (int i = 0; i < 8; i++)
        halbin[HASH_AT + i] = (uint8_t)(hash >> (8 * i));
}

/* A whole .halbin of a later version: the detail says so. */
static void data_future(struct conf *c)
{
    size_t n = stock_size();
    uint8_t *copy = conf_host(c, n);
    halModule_t m = NULL;

    CONF_TRUE(c, n > FRONT);
    memcpy(copy, hal_stock_halbin, n);
    seal(copy);
    /* As it is, it is the same again: what follows fails for its version. */
    CONF_TRUE(c, !memcmp(copy, hal_stock_halbin, n));
    copy[8] = HALBIN_VERSION + 1;
    seal(copy);
    CONF_FAILS(c, halErrorInvalidImage, halModuleLoadData(&m, copy, n));
    conf_check(c, strstr(halGetErrorDetail(), "version") != NULL,
               "the message does not speak of the version: %s",
               halGetErrorDetail());
    CONF_TRUE(c, m == NULL);
}

/* Sound, but for a target that no backend here runs, or a chip of later. */
static void data_other_target(struct conf *c)
{
    static const char text[] = "// not for you\n";
    const struct hal_image image = { .target = HAL_TARGET_PTX,
                                     .caps = 1ull << 63,
                                     .group = 64,
                                     .blob = text,
                                     .blob_bytes = sizeof text,
                                     .variant = "ptx.elsewhere" };
    const struct hal_kernel_desc kernel = { .name = "conf_elsewhere",
                                            .n_images = 1,
                                            .images = &image };
    struct hal_message msg = { "" };
    void *bytes = NULL;
    size_t n = 0;
    halModule_t m = NULL;

    conf_check(c, halbin_write(&kernel, 1, &bytes, &n, &msg) == HALBIN_OK,
               "halbin_write: %s", msg.text);
    CONF_FAILS(c, halErrorNoImageForDevice, halModuleLoadData(&m, bytes, n));
    conf_check(c,
               strstr(halGetErrorDetail(), "conf_elsewhere") &&
                   strstr(halGetErrorDetail(), "ptx.elsewhere"),
               "the message does not name what the module has: %s",
               halGetErrorDetail());
    CONF_TRUE(c, m == NULL);
    free(bytes);
}

/* A sound module whose code no driver takes, for any device: the error must
 * come out, and the device must go on. */
static void data_no_code(struct conf *c)
{
    static const char text[] = "this is no code; nobody can run it\n";
    struct hal_image images[HAL_TARGET_COUNT];
    struct hal_kernel_desc kernel = { .name = "conf_no_code",
                                      .n_images = HAL_TARGET_COUNT,
                                      .images = images };
    struct hal_message msg = { "" };
    halModule_t m = NULL;
    halFunction_t f = NULL;
    void *bytes = NULL;
    size_t n = 0;
    halError_t st;

    for (uint8_t i = 0; i < HAL_TARGET_COUNT; i++)
        images[i] = (struct hal_image){ .target = i,
                                        .group = 1,
                                        .blob = text,
                                        .blob_bytes = sizeof text,
                                        .variant = "no.code" };
    conf_check(c, halbin_write(&kernel, 1, &bytes, &n, &msg) == HALBIN_OK,
               "halbin_write: %s", msg.text);
    st = halModuleLoadData(&m, bytes, n);
    if (st == halSuccess)
        st = halModuleGetFunction(&f, m, "conf_no_code");
    conf_check(c, st != halSuccess, "code that nobody can run was taken");
    conf_check(c, strlen(halGetErrorDetail()) > 10, "without a word: %s",
               halGetErrorName(st));
    free(bytes);
    if (m)
        CONF_OK(c, halModuleUnload(m));
    CONF_OK(c, halDeviceSynchronize());
}

/* The caller's bytes may go as soon as the call returns. */
static void data_is_copied(struct conf *c)
{
    size_t n = stock_size();
    uint8_t *copy = malloc(n);
    halModule_t m = NULL;
    const char *name = NULL;
    halFunction_t f = NULL;

    CONF_TRUE(c, copy != NULL);
    memcpy(copy, hal_stock_halbin, n);
    CONF_OK(c, halModuleLoadData(&m, copy, n));
    memset(copy, 0xff, n);
    free(copy);
    CONF_OK(c, halModuleGetKernelName(&name, m, 1));
    CONF_TRUE(c, name && name[0]);
    CONF_OK(c, halModuleGetFunction(&f, m, name));
    CONF_OK(c, halModuleUnload(m));
}

static void load_file(struct conf *c)
{
    char path[] = "/tmp/halcyon-conf-XXXXXX";
    int fd = mkstemp(path);
    halModule_t m = NULL;
    ssize_t n;

    CONF_TRUE(c, fd >= 0);
    n = write(fd, hal_stock_halbin, stock_size());
    close(fd);
    halError_t st =
        n == (ssize_t)stock_size() ? halModuleLoad(&m, path) : halErrorFileIo;
    unlink(path);
    CONF_OK(c, st);
    CONF_OK(c, halModuleUnload(m));
    CONF_FAILS(c, halErrorFileIo, halModuleLoad(&m, path));
    CONF_TRUE(c, strstr(halGetErrorDetail(), path) != NULL);
    CONF_FAILS(c, halErrorFileIo, halModuleLoad(&m, "/"));
    CONF_FAILS(c, halErrorInvalidValue, halModuleLoad(&m, NULL));
    CONF_FAILS(c, halErrorInvalidValue, halModuleLoad(NULL, path));
}

static void func_attributes(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_mark");
    struct halFuncAttributes a;
    struct halParamInfo p;
    static const char *names[] = { "y", "value", "sign", "scale", "gx", "gy" };

    CONF_OK(c, halFuncGetAttributes(&a, f));
    CONF_TRUE(c, a.blockDim.x >= 1 && a.blockDim.y == 1 && a.blockDim.z == 1);
    CONF_TRUE(c, a.blockDim.x <= conf_prop(c)->maxThreadsPerBlock);
    CONF_TRUE(c, a.numParams == 6 && a.variant[0]);
    CONF_TRUE(c, a.sharedSizeBytes <= conf_prop(c)->sharedMemPerBlock);
    for (int i = 0; i < 6; i++) {
        CONF_OK(c, halFuncGetParam(&p, f, i));
        CONF_TRUE(c, !strcmp(p.name, names[i]));
        CONF_TRUE(c, p.kind == (i ? halParamScalar : halParamOut));
    }
    CONF_OK(c, halFuncGetParam(&p, f, 2));
    CONF_TRUE(c, p.dtype == halI32);
    CONF_OK(c, halFuncGetParam(&p, f, 3));
    CONF_TRUE(c, p.dtype == halF32);
    CONF_FAILS(c, halErrorInvalidValue, halFuncGetParam(&p, f, 6));
    CONF_FAILS(c, halErrorInvalidValue, halFuncGetParam(&p, f, -1));
    CONF_FAILS(c, halErrorInvalidValue, halFuncGetAttributes(NULL, f));
    CONF_FAILS(c, halErrorInvalidHandle, halFuncGetAttributes(&a, NULL));
}

static void func_set_attribute(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_mark");
    struct halFuncAttributes a;

    CONF_OK(c, halFuncSetAttribute(
                   f, halFuncAttributeMaxDynamicSharedMemorySize, 1024));
    CONF_OK(c, halFuncGetAttributes(&a, f));
    CONF_TRUE(c, a.maxDynamicSharedSizeBytes == 1024);
    CONF_FAILS(
        c, halErrorInvalidValue,
        halFuncSetAttribute(f, halFuncAttributeMaxDynamicSharedMemorySize, -1));
    CONF_FAILS(c, halErrorInvalidValue,
               halFuncSetAttribute(
                   f, halFuncAttributeMaxDynamicSharedMemorySize, INT32_MAX));
    CONF_FAILS(c, halErrorInvalidValue,
               halFuncSetAttribute(f, (halFuncAttribute)77, 1));
}

static void occupancy(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct halFuncAttributes a;
    int blocks = -1, grid = -1, block = -1;

    CONF_OK(c, halFuncGetAttributes(&a, f));
    CONF_OK(c, halOccupancyMaxActiveBlocksPerMultiprocessor(
                   &blocks, f, (int)a.blockDim.x, 0));
    CONF_TRUE(c, blocks >= 1);
    CONF_OK(c, halOccupancyMaxPotentialBlockSize(&grid, &block, f, 0, 0));
    CONF_TRUE(c, block == (int)a.blockDim.x && grid >= 1);
    CONF_OK(c, halOccupancyMaxActiveBlocksPerMultiprocessor(
                   &blocks, f, (int)a.blockDim.x,
                   (size_t)conf_prop(c)->sharedMemPerBlockOptin * 2));
    CONF_TRUE(c, blocks == 0);
    CONF_FAILS(c, halErrorInvalidValue,
               halOccupancyMaxActiveBlocksPerMultiprocessor(NULL, f, 1, 0));
    CONF_FAILS(c, halErrorInvalidHandle,
               halOccupancyMaxPotentialBlockSize(&grid, &block, NULL, 0, 0));
}

/* A function of this device cannot be launched on another's stream. */
static void other_device(struct conf *c)
{
    int here = conf_device(c), there = conf_other_device(c, 0);
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t s = NULL;
    float a = 1;
    uint32_t n = 4;
    void *args[] = { &b.mem, &b.mem, &a, &n };

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halStreamCreate(&s));
    CONF_FAILS(c, halErrorInvalidHandle,
               halLaunchKernel(f, (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                               args, 0, s));
    CONF_OK(c, halStreamDestroy(s));
    CONF_OK(c, halSetDevice(here));
    conf_check_zones(c, &b);
}

static const struct conf_case cases[] = {
    { "api.module.source.basic", source_basic, .levels = CORE },
    { "api.module.source.error_line", source_error_line, .levels = CORE },
    { "api.module.source.preprocessor", source_preprocessor_error,
      .levels = CORE },
    { "api.module.source.null", source_null, .levels = CORE },
    { "api.module.source.options", source_options, .levels = CORE },
    { "api.module.source.local", source_local, .levels = CORE },
    { "api.module.source.statements", source_statements, .levels = CORE },
    { "api.module.unload", unload, .levels = CORE },
    { "api.module.unload_waits", unload_waits, .levels = CORE },
    { "api.module.data.stock", data_stock, .levels = CORE },
    { "api.module.data.truncated", data_truncated, .levels = CORE },
    { "api.module.data.corrupt", data_corrupt, .levels = CORE },
    { "api.module.data.garbage", data_garbage, .levels = CORE },
    { "api.module.data.future", data_future, .levels = CORE },
    { "api.module.data.other_target", data_other_target, .levels = CORE },
    { "api.module.data.no_code", data_no_code, .levels = CORE },
    { "api.module.data.is_copied", data_is_copied, .levels = CORE },
    { "api.module.load_file", load_file, .levels = CORE },
    { "api.module.function.attributes", func_attributes, .levels = CORE },
    { "api.module.function.set_attribute", func_set_attribute, .levels = CORE },
    { "api.module.occupancy", occupancy, .levels = CORE },
    { "api.module.other_device", other_device, .levels = CORE },
    { 0 },
};

void conf_cases_api_module(struct conf_list *list,
                           const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
