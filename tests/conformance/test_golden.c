/* SPDX-License-Identifier: Apache-2.0 */
/* test_golden.c - packs: nothing dropped, nothing damaged let through, a name
 * in two packs told apart, an unknown operation said so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conformance/case.h"
#include "conformance/golden.h"
#include "conformance/list.h"
#include "conformance/origin.h"
#include "conformance/runner.h"

#define COMPACT "conformance/golden"

/* A pack of one case: x + 1 = y in the file "sub/data.safetensors". */
static const char header[] =
    "{\"one/in/x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"one/out/y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}";

static char root[] = "/tmp/halcyon-golden-XXXXXX";
static char *dirs[64];
static int n_dirs;

static void put(const char *dir, const char *name, const void *bytes,
                size_t size)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* Makes a pack with this index; its y holds `last`. */
static const char *pack(const char *name, const char *index, float last)
{
    char dir[256], sub[300];
    uint8_t file[8 + sizeof header - 1 + 16] = { sizeof header - 1 };
    const float data[4] = { 1, 2, 3, last };

    memcpy(file + 8, header, sizeof header - 1);
    memcpy(file + 8 + sizeof header - 1, data, sizeof data);
    (void)snprintf(dir, sizeof dir, "%s/%s", root, name);
    (void)snprintf(sub, sizeof sub, "%s/sub", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    put(dir, "index.json", index, strlen(index));
    put(sub, "data.safetensors", file, sizeof file);
    dirs[n_dirs] = strdup(dir);
    return dirs[n_dirs++];
}

#define CASE(name, op, file, input)                                   \
    "{\"name\":\"" name "\",\"op\":\"" op "\",\"file\":\"" file "\"," \
    "\"dtype\":\"f32\",\"attrs\":{},\"inputs\":{\"x\":" input "},"    \
    "\"outputs\":{\"y\":{\"tensor\":\"one/out/y\",\"dtype\":\"F32\"," \
    "\"shape\":[2]}}}"
#define X     "{\"tensor\":\"one/in/x\",\"dtype\":\"F32\",\"shape\":[2]}"
#define FILE_ "sub/data.safetensors"

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    for (int i = 0; i < n_dirs; i++)
        free(dirs[i]);
    (void)snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static size_t count_golden(const struct conf_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        n += strncmp(list->cases[i].name, "golden.", 7) == 0;
    return n;
}

/* As many cases as the index has entries; a second time adds none. */
static void nothing_dropped(void **state)
{
    const char *const twice[] = { COMPACT, COMPACT };
    struct golden_pack *p = NULL;
    char error[GOLDEN_ERROR] = "";

    (void)state;
    assert_int_equal(golden_pack_open(&p, COMPACT, error), 0);
    for (int n = 1; n <= 2; n++) {
        const struct conf_options options = { twice, n };
        struct conf_list list = { 0 };

        assert_int_equal(conf_list_build(&list, &options), 0);
        assert_int_equal(count_golden(&list), p->n_cases);
        assert_int_equal(list.n_notes, n - 1);
        conf_list_release(&list);
    }
    golden_pack_close(p);
}

static void same_name(void **state)
{
    const char *const packs[] = {
        pack("first", "[" CASE("one", "Add", FILE_, X) "]", 4),
        pack("second", "[" CASE("one", "Add", FILE_, X) "]", 5),
        pack("third", "[" CASE("one", "Add", FILE_, X) "]", 4),
    };
    const struct conf_options options = { packs, 3 };
    struct conf_list list = { 0 };

    (void)state;
    assert_int_equal(conf_list_build(&list, &options), 0);
    assert_int_equal(count_golden(&list), 2);
    assert_non_null(conf_list_find(&list, "golden.one"));
    assert_non_null(conf_list_find(&list, "golden.second.one"));
    conf_list_release(&list);
}

static void say(struct conf *c)
{
    (void)c;
}

/* It runs, and says what is missing; without a device. */
static void unknown_operation(void **state)
{
    const char *const packs[] = {
        pack("unknown", "[" CASE("u", "Frobnicate", FILE_, X) "]", 4),
    };
    const struct conf_options options = { packs, 1 };
    struct conf_list list = { 0 };
    static struct conf c;
    const struct conf_case *cc;

    (void)state;
    assert_int_equal(conf_list_build(&list, &options), 0);
    cc = conf_list_find(&list, "golden.u");
    assert_non_null(cc);
    c.device = -1;
    c.emit = say;
    c.stay = 1;
    conf_case_run(&c, cc, 1);
    assert_int_equal(c.verdict, CONF_UNSUPPORTED);
    assert_non_null(strstr(c.message, "Frobnicate"));
    conf_list_release(&list);
}

static void damaged(void **state)
{
    static const struct {
        const char *index, *says[2];
    } bad[] = {
        { "", { "index.json", "JSON" } },
        { "[]", { "index.json", "empty" } },
        { "{}", { "index.json", "no list" } },
        { "[1]", { "index.json", "no case" } },
        { "[{}]", { "index.json", "name" } },
        { "[" CASE("a b", "Add", FILE_, X) "]", { "a b", "name" } },
        { "[" CASE("a/b", "Add", FILE_, X) "]", { "a/b", "name" } },
        { "[" CASE("a", "", FILE_, X) "]", { "\"a\"", "op" } },
        { "[" CASE("a", "Add", "../x", X) "]", { "\"a\"", "within" } },
        { "[" CASE("a", "Add", "/etc/passwd", X) "]", { "\"a\"", "within" } },
        { "[" CASE("a", "Add", "sub//data.safetensors", X) "]",
          { "\"a\"", "within" } },
        { "[" CASE("a", "Add", "none.safetensors", X) "]",
          { "none.safetensors", "opened" } },
        { "[" CASE("a", "Add", "sub", X) "]", { "/sub", "regular" } },
        { "[" CASE("a", "Add", FILE_, "{}") "]", { "inputs.x", "missing" } },
        { "[" CASE("a", "Add", FILE_,
                   "{\"tensor\":\"no\",\"dtype\":\"F32\",\"shape\":[2]}") "]",
          { "inputs.x", "no tensor \"no\"" } },
        { "[" CASE("a", "Add", FILE_,
                   "{\"tensor\":\"one/in/x\",\"dtype\":\"F16\","
                   "\"shape\":[2]}") "]",
          { "inputs.x", "dtype" } },
        { "[" CASE("a", "Add", FILE_,
                   "{\"tensor\":\"one/in/x\",\"dtype\":\"F32\","
                   "\"shape\":[2,1]}") "]",
          { "inputs.x", "shape" } },
        { "[" CASE("a", "Add", FILE_, X) "," CASE("a", "Add", FILE_, X) "]",
          { "\"a\"", "twice" } },
        { "[{\"name\":\"a\",\"op\":\"Add\",\"file\":\"" FILE_
          "\",\"inputs\":{},\"outputs\":{}}]",
          { "\"a\"", "outputs" } },
        { "[" CASE("a", "Add", FILE_, X) "]]", { "index.json", "after" } },
        { "[{\"op\":\"Mul\","
          "\"name\":\"a\",\"op\":\"Add\"}]",
          { "index.json", "[0].op is there twice" } },
        { "[{\"name\":\"a\",\"op\":\"Add\\u0000\"}]",
          { "index.json", "op: a string with \\u0000" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char name[16], error[GOLDEN_ERROR] = "";
        struct golden_pack *p = NULL;
        const char *dir;
        struct conf_list list = { 0 };

        (void)snprintf(name, sizeof name, "bad%zu", i);
        dir = pack(name, bad[i].index, 4);
        assert_int_equal(golden_pack_open(&p, dir, error), -1);
        if (!strstr(error, bad[i].says[0]) || !strstr(error, bad[i].says[1])) {
            print_error("%s: \"%s\"\n", bad[i].index, error);
            fail();
        }
        const struct conf_options options = { &dir, 1 };
        assert_int_equal(conf_list_build(&list, &options), -1);
        assert_non_null(strstr(list.error, bad[i].says[1]));
        conf_list_release(&list);
    }
}

/* The pack `name` with a link to `to` in place of `what`. */
static const char *linked(const char *name, const char *what, const char *to)
{
    const char *dir = pack(name, "[" CASE("a", "Add", FILE_, X) "]", 4);
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", dir, what);
    assert_int_equal(remove(path), 0);
    assert_int_equal(symlink(to, path), 0);
    return dir;
}

/* What a pack names is in the pack, links followed. */
static void links(void **state)
{
    static const struct {
        const char *what, *to;
    } out[] = {
        { FILE_, "../../whole/" FILE_ },
        { "index.json", "../whole/index.json" },
        { FILE_, "/etc/passwd" },
    };
    struct golden_pack *p = NULL;
    char error[GOLDEN_ERROR] = "", path[512];
    const char *dir = pack("whole", "[" CASE("a", "Add", FILE_, X) "]", 4);

    (void)state;
    assert_int_equal(golden_pack_open(&p, dir, error), 0);
    golden_pack_close(p);
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "out%zu", i);
        dir = linked(name, out[i].what, out[i].to);
        assert_int_equal(golden_pack_open(&p, dir, error), -1);
        if (!strstr(error, out[i].what) ||
            !strstr(error, "a link that leads out of")) {
            print_error("%s\n", error);
            fail();
        }
    }
    /* One that stays within is a file as any other; so is the pack itself. */
    dir = linked("in", FILE_, "../there.safetensors");
    (void)snprintf(path, sizeof path,
                   "cp %s/whole/" FILE_ " %s/there.safetensors", root, dir);
    assert_int_equal(system(path), 0);
    assert_int_equal(golden_pack_open(&p, dir, error), 0);
    golden_pack_close(p);
    (void)snprintf(path, sizeof path, "%s/link", root);
    assert_int_equal(symlink(dir, path), 0);
    assert_int_equal(golden_pack_open(&p, path, error), 0);
    golden_pack_close(p);
}

/* The data are read later than the header: what became a link meanwhile is not
 * followed out of the pack either. */
static void late_links(void **state)
{
    const char *dir = pack("late", "[" CASE("a", "Add", FILE_, X) "]", 4);
    struct golden_pack *p = NULL;
    char error[GOLDEN_ERROR] = "", path[512], other[512];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/" FILE_, dir);
    (void)snprintf(other, sizeof other, "%s/elsewhere", root);
    assert_int_equal(golden_pack_open(&p, dir, error), 0);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_null(
        golden_file_data(p->cases[0].file, p->cases[0].inputs[0].t, error));
    assert_string_equal(error, "is a link that leads out of the pack");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(other, path), 0);
    assert_non_null(
        golden_file_data(p->cases[0].file, p->cases[0].inputs[0].t, error));
    golden_pack_close(p);
}

/* A pack's hash is of its index and of every byte of its files. */
static void hashes(void **state)
{
    static const char index[] = "[" CASE("a", "Add", FILE_, X) "]";
    char a[CONF_HASH_TEXT], b[CONF_HASH_TEXT], error[GOLDEN_ERROR] = "";

    (void)state;
    assert_int_equal(golden_hash(pack("hash0", index, 4), a, error), 0);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(golden_hash(pack("hash1", index, 4), b, error), 0);
    assert_string_equal(a, b); /* wherever it lies */
    assert_int_equal(golden_hash(pack("hash2", index, 5), b, error), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(
        golden_hash(pack("hash3", "[" CASE("a", "Add", FILE_, X) " ]", 4), b,
                    error),
        0);
    assert_string_not_equal(a, b);
    assert_int_equal(golden_hash("/nowhere", b, error), -1);
    assert_non_null(strstr(error, "/nowhere"));
}

/* A run tells what its verdicts were made with: the pack must still be that. */
static void changed_in_mid_run(void **state)
{
    const char *at[] = { pack("held", "[" CASE("a", "Add", FILE_, X) "]", 4) };
    const struct conf_settings set = { .json = "x.json", .golden = { at, 1 } };
    struct conf_run run = { .set = &set };
    char path[512];
    FILE *f;

    (void)state;
    assert_int_equal(conf_origin_take(&run), 0);
    assert_int_equal(conf_origin_holds(&run), 0);
    (void)snprintf(path, sizeof path, "%s/index.json", at[0]);
    f = fopen(path, "a");
    assert_non_null(f);
    assert_int_equal(fputs("\n", f) < 0, 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(conf_origin_holds(&run), -1);
    assert_int_equal(remove(path), 0);
    assert_int_equal(conf_origin_holds(&run), -1);
    cJSON_Delete(run.origin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_dropped),
        cmocka_unit_test(same_name),
        cmocka_unit_test(unknown_operation),
        cmocka_unit_test(damaged),
        cmocka_unit_test(links),
        cmocka_unit_test(late_links),
        cmocka_unit_test(changed_in_mid_run),
        cmocka_unit_test(hashes),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
