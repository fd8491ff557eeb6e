/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: what is read, and that nothing else is. */
#include "tests/hal/hal_test.h"

#include "hal/internal.h"
#include "hal/profile.h"

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend, 0 };

struct hal_text_file {
    const char *name, *text;
};
extern const struct hal_text_file hal_profile_files[];

#define HEAD "[chip]\nname = X\n[device]\nstand_on = cpu\n[limits]\n"
#define FULL HEAD "memory = 1 GiB ; s doc\n"

static struct hal_profile *parse(const char *text, struct hal_message *msg)
{
    return hal__profile_parse("dir/x-1.ini", text, strlen(text), msg);
}

static void reads(void **state)
{
    struct hal_message msg = { "" };
    struct hal_profile *p;

    (void)state;
    p = parse("# comment\r\n; another\n\n[chip]\nname = The X \nvendor=V\n"
              "[device]\n"
              "stand_on = opencl:Portable Computing Language , vulkan, cpu\n"
              "[limits]\nmemory = 64 GiB ; s doc\n"
              "shared_per_block = 28672 ; 2 web\nl2 = 3 MiB ; u web\n"
              "block = 1024 512 64 ; ? us\nversion = 7 1 ; s doc\n"
              "dtypes = f32 bf16, e4m3 ; s doc\nwithout = fp64 map_host ; s d\n"
              "[peaks]\nbf16 = 312.5 ; s doc",
              &msg);
    assert_string_equal(msg.text, "");
    assert_non_null(p);
    assert_string_equal(p->id, "x-1");
    assert_string_equal(p->name, "The X");
    assert_string_equal(p->vendor, "V");
    assert_int_equal(p->n_stands, 3);
    assert_string_equal(p->stands[0].backend, "opencl");
    assert_string_equal(p->stands[0].match, "Portable Computing Language");
    assert_string_equal(p->stands[1].backend, "vulkan");
    assert_string_equal(p->stands[2].match, "");
    assert_true(p->memory == (uint64_t)64 << 30);
    assert_int_equal(p->shared_per_block, 28672);
    assert_int_equal(p->l2, 3 << 20);
    assert_int_equal(p->block[1], 512);
    assert_int_equal(p->version[1], 1);
    assert_int_equal(p->dtypes, 1u << halF32 | 1u << halBF16 | 1u << halE4M3);
    assert_int_equal(p->caps_without, HAL_CAP_FP64);
    assert_int_equal(p->without_map_host, 1);
    assert_true(p->bf16 == 312.5);
    hal__profile_free(p);
}

/* What a device can do follows from the limits that it has left. */
static void limits_take_abilities(void **state)
{
    static const struct {
        const char *line;
        uint64_t shared, optin, caps;
    } rows[] = {
        { "", 1 << 20, 2 << 20, HAL_CAP_LARGE_LOCAL | HAL_CAP_FP64 },
        { "shared_per_block = 256 KiB ; s doc\n", 256 << 10, 256 << 10,
          HAL_CAP_LARGE_LOCAL | HAL_CAP_FP64 },
        { "shared_per_block = 192 KiB ; s doc\n", 192 << 10, 192 << 10,
          HAL_CAP_FP64 },
        { "shared_per_block = 48 KiB ; s doc\n"
          "shared_per_block_optin = 227 KiB ; s doc\n",
          48 << 10, 227 << 10, HAL_CAP_FP64 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hal_dev_info info = { .caps =
                                         HAL_CAP_LARGE_LOCAL | HAL_CAP_FP64 };
        struct hal_message msg = { "" };
        struct hal_profile *p;
        char text[200];

        info.prop.sharedMemPerBlock = 1 << 20;
        info.prop.sharedMemPerBlockOptin = 2 << 20;
        snprintf(text, sizeof text, FULL "%s", rows[i].line);
        p = parse(text, &msg);
        assert_non_null(p);
        hal__profile_apply(p, &info);
        assert_true(info.prop.sharedMemPerBlock == rows[i].shared);
        assert_true(info.prop.sharedMemPerBlockOptin == rows[i].optin);
        assert_true(info.caps == rows[i].caps);
        hal__profile_free(p);
    }
}

/* What follows from a limit, and what a driver does not tell. */
static void limits_follow(void **state)
{
    struct hal_dev_info info = { .prop = { .totalGlobalMem = 1ull << 60,
                                           .maxAllocBytes = 1ull << 60,
                                           .dtypes = 1u << halF32,
                                           .dtypesNative = ~0u } };
    struct hal_profile p = { .memory = 1 << 30, .grid = { 9, 8, 7 } };

    (void)state;
    hal__profile_apply(&p, &info);
    assert_true(info.prop.totalGlobalMem == 1 << 30);
    assert_true(info.prop.maxAllocBytes == 1 << 30);
    assert_true(info.prop.dtypesNative == 1u << halF32);
    assert_true(info.prop.maxGridSize[2] == 7); /* the driver's is 0 */
}

static void refuses(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        { "", "[chip] name is missing" },
        { "[chip]\nname = X\n", "stand_on is missing" },
        { HEAD, "memory is missing" },
        { "name = X\n", ":1: a key before" },
        { "[chip\n", ":1: a section" },
        { "[]\n", ":1: a section" },
        { "[chip]\nname\n", ":2: neither" },
        { "[chip]\nname =\n", ":2: the value" },
        { "[chip]\nname = ; X\n", ":2: the value" },
        { "[chip]\nna me = X\n", ":2: a key" },
        { "[chip]\nname = X\nname = Y\n", ":3: 'name' was given in line 2" },
        { "[chip]\ncolour = X\n", ":2: [chip] has no key 'colour'" },
        { "[chop]\nname = X\n", "no key" },
        { HEAD "memory = 1 GiB\n", ":6: a figure ends" },
        { HEAD "memory = 1 GiB ; x doc\n", ":6: a figure ends" },
        { HEAD "memory = 1 GiB ; s\n", ":6: a figure ends" },
        { HEAD "memory = 1 GB ; s doc\n", ":6: a size" },
        { HEAD "memory = 0 ; s doc\n", ":6: a size of 0" },
        { HEAD "memory = -1 ; s doc\n", ":6: a number" },
        { HEAD "memory = 99999999999999999999 ; s d\n", ":6: the number" },
        { HEAD "memory = 2000000 TiB ; s doc\n", ":6: the size" },
        { FULL "warp = 99999999999 ; s doc\n", ":7: the number" },
        { FULL "warp = 32 x ; s doc\n", ":7: there is text" },
        { FULL "block = 1 2 ; s doc\n", ":7: a number" },
        { FULL "l2 = 5 GiB ; s doc\n", ":7: the size" },
        { FULL "dtypes = f32 f33 ; s doc\n", ":7: dtypes are" },
        { FULL "without = legs ; s doc\n", ":7: a chip" },
        { FULL "[peaks]\nfp32 = nan ; s doc\n", ":8: a number" },
        { FULL "[peaks]\nfp32 = 1e300 ; s doc\n", ":8: a peak" },
        { "[device]\nstand_on = ,,\n", ":2: stand_on" },
        { "[device]\nstand_on = averyveryverylongname\n", ":2: stand_on" },
        { "[device]\nstand_on = a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n",
          ":2: at most 16" },
    };
    struct hal_message msg;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&msg, 0, sizeof msg);
        assert_null(parse(bad[i].text, &msg));
        if (!strstr(msg.text, bad[i].words)) {
            print_error("\"%s\": \"%s\", wanted \"%s\"\n", bad[i].text,
                        msg.text, bad[i].words);
            fail();
        }
    }
}

static void bounds(void **state)
{
    struct hal_message msg = { "" };
    char *text = malloc(100000);
    size_t i;

    (void)state;
    memset(text, 'a', 100000);
    assert_null(hal__profile_parse("x.ini", text, 100000, &msg));
    assert_non_null(strstr(msg.text, "more than"));
    assert_null(hal__profile_parse("x.ini", text, 600, &msg));
    assert_non_null(strstr(msg.text, "too long"));
    assert_null(hal__profile_parse("x.ini", "[chip]\nname = \0X\n", 17, &msg));
    assert_non_null(strstr(msg.text, ":2: a NUL"));
    assert_null(hal__profile_parse("a b.ini", FULL, strlen(FULL), &msg));
    assert_null(hal__profile_parse(".ini", FULL, strlen(FULL), &msg));
    /* Every beginning of a good text is read within its bounds. */
    for (i = 0; i < strlen(FULL); i++) {
        char *exact = malloc(i + 1);
        struct hal_profile *p;

        memcpy(exact, FULL, i);
        p = hal__profile_parse("x.ini", exact, i, &msg);
        hal__profile_free(p);
        free(exact);
    }
    free(text);
}

static void built_in(void **state)
{
    const struct hal_text_file *f;
    int n = 0;

    (void)state;
    for (f = hal_profile_files; f->name; f++, n++) {
        struct hal_message msg = { "" };
        struct hal_profile *p =
            hal__profile_parse(f->name, f->text, strlen(f->text), &msg);

        if (!p)
            print_error("%s\n", msg.text);
        assert_non_null(p);
        /* It works anywhere: the last resort is the CPU. */
        assert_string_equal(p->stands[p->n_stands - 1].backend, "cpu");
        hal__profile_free(p);
    }
    assert_true(n >= 9);
}

static struct hal_profile *built_in_of(const char *name)
{
    const struct hal_text_file *f = hal_profile_files;
    struct hal_message msg = { "" };
    struct hal_profile *p;

    while (f->name && strcmp(f->name, name) != 0)
        f++;
    if (!f->name)
        fail_msg("no profile %s", name);
    p = hal__profile_parse(f->name, f->text, strlen(f->text), &msg);
    if (!p)
        fail_msg("%s", msg.text);
    return p;
}

/* What tells NVIDIA's chips apart, and must not be another's by a slip. */
static void nvidia(void **state)
{
    static const struct {
        const char *file;
        uint32_t major, units;
        double bandwidth, bf16, fp8;
    } chips[] = {
        { "a100.ini", 8, 108, 2039, 312, 0 },
        { "a800.ini", 8, 108, 2039, 312, 0 },
        { "h100.ini", 9, 132, 3350, 989, 1979 },
        { "h800.ini", 9, 132, 3350, 989, 1979 },
        { "h200.ini", 9, 132, 4800, 989, 1979 },
        { "h20.ini", 9, 78, 4000, 148, 296 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
        struct hal_profile *p = built_in_of(chips[i].file);

        assert_string_equal(p->stands[0].backend, "cuda");
        assert_int_equal(p->version[0], chips[i].major);
        assert_int_equal(p->units, chips[i].units);
        assert_true(p->bandwidth == chips[i].bandwidth);
        assert_true(p->bf16 == chips[i].bf16 && p->fp16 == chips[i].bf16);
        assert_true(p->fp8 == chips[i].fp8);
        assert_int_equal(p->dtypes >> halE4M3 & 1, chips[i].major == 9);
        assert_int_equal(p->warp, 32);
        hal__profile_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(limits_take_abilities),
        cmocka_unit_test(limits_follow),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds),
        cmocka_unit_test(built_in),
        cmocka_unit_test(nvidia),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
