/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands halcyon and halcc as a shell sees them: words, JSON by its
 * documented keys (docs/tools.md), exit statuses, and output that cannot be
 * written.  Runs those that were built beside this test.
 */
#include "hal/hal.h"
#include "tests/tools/shell.h"

static void commands_say_what_they_are(void **state)
{
    char version[64];

    (void)state;
    snprintf(version, sizeof version, "halcyon %d.%d.%d\n", HAL_VERSION_MAJOR,
             HAL_VERSION_MINOR, HAL_VERSION_PATCH);
    expect("$H version", 0, version);
    assert_string_equal(output, version);
    expect("$H --version", 0, version);
    expect("$H --help", 0, "usage: halcyon COMMAND");
    expect("$H help", 0, "  conform ");
    expect("$H -h", 0, "  info ");
    expect("$H help conform", 0, "usage: halcyon conform");
    expect("$H help info", 0, "usage: halcyon info");
    expect("$H info --help", 0, "Exit status: 0 ");
    expect("$H info -h", 0, "--json");
    expect("$H merge --help", 0, "2 usage");
    expect("$H verify --help", 0, "2 usage");
    expect("$H compare --help", 0, "2 usage");
    expect("$H bench --help", 0, "Exit status: 0 ");
    expect("$H help bench", 0, "usage: halcyon bench");
    expect("$H conform --help", 0, "3 planned work\ncould not run.");
    expect("$C --help", 0, "usage: halcc");
    expect("$C --version", 0, "halcc ");
}

static void wrong_usage_is_status_2(void **state)
{
    (void)state;
    expect("$H", 2, "usage: halcyon COMMAND");
    expect("$H frob", 2, "no command 'frob'");
    assert_non_null(strstr(output, "  conform ")); /* what there is */
    expect("$H help frob", 2, "no command 'frob'");
    expect("$H version now", 2, "'now' is not expected");
    expect("$H info --frob", 2, "usage: halcyon info");
    expect("$H bench frob", 2, "\"frob\" is no section");
    assert_non_null(strstr(output, "  launch "));
    expect("$H bench --device", 2, "lacks its value");
    expect("$H conform --level nope", 2, "there are: core, memory");
    expect("$C --frob", 2, "'--frob' is no option");
}

static void what_is_not_there_is_status_3(void **state)
{
    (void)state;
    expect("$H bench --device cpu:7", 3, "there are: cpu:0");
    expect("$H conform --device cpu:7 --case api.device.count", 3,
           "there are: cpu:0");
    expect("$H conform --case api.device.cuont", 3,
           "nearest is api.device.count");
    expect("HALCYON_DEVICES=nope:0 $H info", 3, "nope:0");
    expect("HALCYON_DEVICES=nope:0 $H info --json 2>$D/err", 3, "\"devices\"");
}

/* It is named, and the way around it. */
static void a_driver_that_crashes(void **state)
{
    (void)state;
    expect("env -u HALCYON_DEVICES FAKE_CUDA_CRASHES=1 "
           "HALCYON_CUDA_LIB=$(dirname $H)/tests/fakes/fake_cuda.so "
           "$H conform --device cpu:0 --case api.device.count",
           3, "it is the drivers of cuda: HALCYON_DEVICES=cpu,");
    assert_non_null(strstr(output, "leaves them out"));
    expect("env -u HALCYON_DEVICES FAKE_CUDA_CRASHES=1 "
           "HALCYON_CUDA_LIB=$(dirname $H)/tests/fakes/fake_cuda.so $H info",
           3, "a driver ended it (Aborted): HALCYON_DEVICES=cpu loads none");
}

/* A copy of the program alone runs no default that lacks the vectors. */
static void without_vectors_it_says_so(void **state)
{
    (void)state;
    expect("cp $H $D/alone && $D/alone conform --device cpu:0", 3,
           "are not beside this program: name a pack");
    expect("$D/alone conform --list 2>&1 >/dev/null", 0,
           "note: without the reference vectors");
    expect("$D/alone conform --list --level core 2>&1 >/dev/null; rm $D/alone",
           0, "");
    assert_string_equal(output, "");
}

/* Each way to lose words, for each command. */
static void lost_words_are_status_3(void **state)
{
    static const char *const lines[] = {
        "$H --help >/dev/full",
        "$H version >/dev/full",
        "$H info >/dev/full",
        "$H info --json >/dev/full",
        "$H info --help >/dev/full",
        "$H bench --help >/dev/full",
        "$H bench launch --quick --device cpu:0 >/dev/full",
        "$H bench launch --quick --device cpu:0 --json /dev/full",
        "$H bench launch --quick --device cpu:0 --json /nowhere/x.json",
        "$H conform --help >/dev/full",
        "$H conform --list >/dev/full",
        "$H conform --list --json - >/dev/full",
        "$H conform --list --json /dev/full",
        "$H conform --device cpu:0 --case api.device.count >/dev/full",
        "$H conform --device cpu:0 --case api.device.count --quiet >/dev/full",
        "$H conform --device cpu:0 --case api.device.count --json /dev/full",
        "$H conform --device cpu:0 --case api.device.count --junit /dev/full",
        "$H conform --device cpu:0 --case api.device.count --json - >/dev/full",
        "$H version >&-",
        "$H conform --device cpu:0 --case api.device.count --quiet >&-",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect(lines[i], 3, "cannot write");
}

/* A closed descriptor's number must not go to a report, nor our words to it. */
static void closed_descriptors_are_filled(void **state)
{
    (void)state;
    expect("$H conform --device cpu:0 --case api.device.count --json $D/r.json "
           "<&- 2>&- >$D/out && cat $D/r.json",
           0, "\"verdict\"");
    expect("$H conform --device cpu:0 --case api.device.count --json $D/r.json "
           ">&- 2>$D/err; cat $D/r.json",
           0, "\"verdict\"");
    assert_null(strstr(output, "halcyon conform: 1 case"));
}

static void info_is_json(void **state)
{
    cJSON *o = json_of("$H info --json 2>$D/err");
    const cJSON *device = first_of(o, "devices"), *known;
    int stand_in = 0;

    (void)state;
    has_keys(o, "schema:s version:s devices:a backends:a known:a parts:a "
                "settings:o");
    assert_string_equal(text_of(o, "schema"), "halcyon.info/1");
    has_keys(device, "ordinal:n name:s product:s backend:s driver:s standsOn:s "
                     "totalGlobalMem:n maxAllocBytes:n sharedMemPerBlock:n "
                     "sharedMemPerBlockOptin:n "
                     "maxThreadsPerBlock:n warpSize:n memAlign:n "
                     "maxThreadsDim:a maxGridSize:a dtypes:a dtypesNative:a "
                     "integrated:b managedMemory:b");
    assert_string_equal(text_of(device, "name"), "cpu:0");
    has_keys(first_of(o, "backends"), "name:s deviceCount:n status:s note:s");
    has_keys(first_of(o, "known"), "name:s about:s");
    has_keys(first_of(o, "parts"), "name:s present:b package:s why:s");
    has_keys(cJSON_GetObjectItem(o, "settings"), "HALCYON_DEVICES:s");
    cJSON_ArrayForEach(known, cJSON_GetObjectItem(o, "known"))
    {
        stand_in |= !strcmp(text_of(known, "name"), "ascend-910b");
    }
    assert_true(stand_in);
    cJSON_Delete(o);
    expect("$H info", 0, "cpu:0  ");
    assert_non_null(strstr(output, "ascend-910b"));
    assert_non_null(strstr(output, "HALCYON_DEVICES=cpu:0"));
}

static void bench_is_json(void **state)
{
    cJSON *o =
        json_of("$H bench launch --quick --device cpu:0 --json $D/b.json "
                ">$D/out && cat $D/b.json");
    const cJSON *machine = cJSON_GetObjectItem(o, "machine"), *result;
    int n = 0;

    (void)state;
    has_keys(o, "schema:s machine:o quick:b failures:n results:a first_use:a");
    assert_string_equal(text_of(o, "schema"), "halcyon.bench.1");
    has_keys(machine, "cpu:s cpus:n");
    cJSON_ArrayForEach(result, cJSON_GetObjectItem(o, "results"))
    {
        has_keys(result, "section:s device:s name:s unit:s hal:n against:s "
                         "raw:n ratio:n ratio_min:n ratio_max:n "
                         "ratio_of_best:n pairs:n calls_per_sample:n");
        assert_string_equal(text_of(result, "section"), "launch");
        assert_true(cJSON_GetObjectItem(result, "ratio")->valuedouble > 0);
        n++;
    }
    assert_true(n > 0);
    cJSON_Delete(o);
}

/* A stand-in is measured like any device, against what it stands on. */
static void bench_takes_stand_ins(void **state)
{
    (void)state;
    expect("printf '[chip]\nname = Chip\n[device]\nstand_on = cpu\n"
           "[limits]\nmemory = 1 GiB ; ? test\n' >$D/some-chip.ini",
           0, "");
    assert_int_equal(setenv("HALCYON_PROFILE_PATH", dir, 1), 0);
    expect("$H bench launch --quick --device some-chip", 0, "some-chip: Chip");
    assert_non_null(strstr(output, "launch + sync"));
    assert_null(strstr(output, "no comparison"));
    expect("HALCYON_DEVICES=some-chip $H bench launch --quick", 0,
           "some-chip: Chip");
    expect("env -u HALCYON_DEVICES $H bench launch --quick --device some-chip "
           "--device cpu:0",
           0, "\ncpu:0: ");
    unsetenv("HALCYON_PROFILE_PATH");
    expect("$H bench launch --quick --device some-chip", 3, "no device");
}

static void conform_is_json(void **state)
{
    cJSON *o = json_of("$H conform --device cpu:0 --case api.device.count "
                       "--json - 2>$D/err");

    (void)state;
    has_keys(o, "schema:s version:s started:s seconds:n result:s exit_status:n "
                "seed:n planned:n environment:o devices:a summary:o cases:a");
    assert_string_equal(text_of(o, "result"), "conformant");
    has_keys(first_of(o, "cases"), "name:s device:s verdict:s seed:n ms:n "
                                   "message:s rerun:s metrics:o");
    has_keys(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "summary"), "cpu:0"),
             "planned:n pass:n fail:n unsupported:n missing:n");
    cJSON_Delete(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_say_what_they_are),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(what_is_not_there_is_status_3),
        cmocka_unit_test(a_driver_that_crashes),
        cmocka_unit_test(without_vectors_it_says_so),
        cmocka_unit_test(lost_words_are_status_3),
        cmocka_unit_test(closed_descriptors_are_filled),
        cmocka_unit_test(info_is_json),
        cmocka_unit_test(bench_is_json),
        cmocka_unit_test(bench_takes_stand_ins),
        cmocka_unit_test(conform_is_json),
    };

    return cmocka_run_group_tests(tests, shell_begin, shell_end);
}
