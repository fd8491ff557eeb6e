/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `halcyon bench kernels` and `halcyon bench compare` as a shell sees them.
 * No test looks at how long anything took, only at what is said about it:
 * figures that fit each other, and verdicts over files written by hand.
 */
#include <glob.h>
#include <math.h>

#include "tests/tools/shell.h"

/* ---- bench kernels ------------------------------------------------------ */

static void help_says_how(void **state)
{
    (void)state;
    expect("$H bench --help", 0, "halcyon bench kernels [options]");
    assert_non_null(strstr(output, "halcyon bench compare A B"));
    expect("$H bench kernels --help", 0, "usage: halcyon bench kernels");
    assert_non_null(strstr(output, "The roofline is measured"));
    assert_non_null(strstr(output, "halcyon.bench.kernels.1"));
    expect("$H bench compare -h", 0, "usage: halcyon bench compare");
    assert_non_null(strstr(output, "Exit status: 0 nothing is worse"));
}

static void wrong_words_are_status_2(void **state)
{
    (void)state;
    expect("$H bench kernels --frob", 2, "\"--frob\" is no option");
    expect("$H bench kernels gemm", 2, "\"gemm\" is no option");
    expect("$H bench kernels --op", 2, "lacks its value");
    expect("$H bench kernels --json", 2, "lacks its value");
    expect("$H bench kernels --device", 2, "lacks its value");
    expect("$H bench kernels --op gemm --op 'nope*'", 2,
           "no operator is \"nope*\"");
    assert_non_null(strstr(output, " gemm_gguf "));
    expect("$H bench kernels --op gemm --device cpu:7", 3, "there are: cpu:0");
    expect("$H bench kernels --op argmax --json /nowhere/x.json", 3,
           "cannot write /nowhere/x.json");
    expect("$H bench kernels --op argmax.f16 --quick --json /dev/full", 3,
           "cannot write /dev/full");
    expect("$H bench kernels --list >/dev/full", 3, "cannot write");
    expect("$H bench compare", 2, "two files are needed");
    expect("$H bench compare a", 2, "two files are needed");
    expect("$H bench compare a b c", 2, "\"c\" is not understood");
    expect("$H bench compare --frob a b", 2, "\"--frob\" is not understood");
    expect("$H bench compare --threshold nan a b", 2, "has a wrong one");
    expect("$H bench compare --threshold -1 a b", 2, "has a wrong one");
    expect("$H bench compare --threshold 1x a b", 2, "has a wrong one");
    expect("$H bench compare --json a b", 2, "two files are needed");
}

static void globs_choose_rows(void **state)
{
    (void)state;
    expect("$H bench kernels --list --op gemv", 0, "gemv.f32.f32");
    assert_null(strstr(output, "gemv_"));
    assert_null(strstr(output, "gemm"));
    expect("$H bench kernels --list --op 'gem?_gguf.q4_k*'", 0,
           "gemm_gguf.q4_k.bf16.f32");
    assert_non_null(strstr(output, "gemv_gguf.q4_k.bf16.f32"));
    assert_null(strstr(output, "q6_k"));
    expect("$H bench kernels --list --op argmax --full", 0,
           "rows=64 vocab=129280");
    expect("$H bench kernels --list --op argmax", 0, "rows=8 vocab=129280");
    /* No row twice, which would make a file that compare refuses. */
    expect("$H bench kernels --list --full | cut -c1-34,60- | sort | uniq -d",
           0, "");
    assert_string_equal(output, "");
    expect("$H bench kernels --list | cut -c1-34,60- | sort | uniq -d", 0, "");
    assert_string_equal(output, "");
}

/* Functions of the public headers that launch nothing. */
static int is_on_the_host(const char *name)
{
    return !strncmp(name, "halopRopeFrequencies", 20) ||
           !strncmp(name, "halopRopeTable", 14) ||
           !strncmp(name, "halopRopeSoftmaxScale", 21) ||
           !strcmp(name, "halopSelect");
}

static unsigned names_of(const char *path)
{
    FILE *f = fopen(path, "re");
    char line[256], name[64], word[80];
    unsigned n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "HAL_API halError_t %60[a-zA-Z0-9](", name) != 1 ||
            is_on_the_host(name))
            continue;
        snprintf(word, sizeof word, " %s ", name);
        if (!strstr(output, word))
            fail_msg("%s of %s has no row", name, path);
        n++;
    }
    fclose(f);
    return n;
}

/* Who adds an operator adds its row. */
static void every_operator_has_a_row(void **state)
{
    unsigned n = 0;
    glob_t headers;

    (void)state;
    expect("$H bench kernels --list", 0, "halopGemm ");
    assert_int_equal(glob("kernels/ops*.h", 0, NULL, &headers), 0);
    for (size_t i = 0; i < headers.gl_pathc; i++)
        n += names_of(headers.gl_pathv[i]);
    globfree(&headers);
    assert_true(n >= 35); /* or the headers are written otherwise */
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(o, key);

    if (!cJSON_IsNumber(item))
        fail_msg("no number %s in: %s", key, output);
    return item->valuedouble;
}

static void is_spread(const cJSON *o)
{
    has_keys(o, "median:n p10:n p90:n");
    assert_true(number_of(o, "p10") > 0);
    assert_true(number_of(o, "p10") <= number_of(o, "median"));
    assert_true(number_of(o, "median") <= number_of(o, "p90"));
}

static void is_near(double is, double want)
{
    if (!(fabs(is - want) <= 1e-6 * fabs(want)))
        fail_msg("%g, not %g, in: %s", is, want, output);
}

static const cJSON *row_of(const cJSON *o, const char *op)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, cJSON_GetObjectItem(o, "results"))
    {
        if (!strcmp(text_of(row, "op"), op))
            return row;
    }
    fail_msg("no row of %s in: %s", op, output);
    return NULL;
}

static void figures_fit_each_other(void **state)
{
    cJSON *o = json_of("$H bench kernels --quick --device cpu:0 --op "
                       "rmsnorm.f16 --op gemv.bf16.bf16 --json $D/k.json "
                       ">$D/out && cat $D/k.json");
    const cJSON *device = first_of(o, "devices"), *row, *time, *roof;
    double s;

    (void)state;
    has_keys(o, "schema:s version:s machine:o quick:b full:b devices:a "
                "results:a without_figure:a");
    assert_string_equal(text_of(o, "schema"), "halcyon.bench.kernels.1");
    has_keys(cJSON_GetObjectItem(o, "machine"), "cpu:s cpus:n");
    has_keys(device, "device:s product:s driver:s roofline:o note:s");
    roof = cJSON_GetObjectItem(device, "roofline");
    has_keys(roof, "read:o copy:o fma:o");
    cJSON_ArrayForEach(row, roof)
    {
        is_spread(row);
        has_keys(row, "by:s");
    }
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "results")), 2);
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(o, "results"))
    {
        has_keys(row, "device:s op:s kind:s shape:s time_s:o samples:n "
                      "calls_per_sample:n first_call_s:n bytes_read:n "
                      "bytes_written:n flops:n bytes_per_s:n flops_per_s:n "
                      "bound:s share:o");
        assert_string_equal(text_of(row, "device"), "cpu:0");
        time = cJSON_GetObjectItem(row, "time_s");
        is_spread(time);
        is_spread(cJSON_GetObjectItem(row, "share"));
        assert_true(number_of(cJSON_GetObjectItem(row, "share"), "best") > 0);
        assert_true(number_of(time, "best") <= number_of(time, "p10"));
        assert_true(number_of(row, "samples") >= 3);
        assert_true(number_of(row, "first_call_s") > 0);
        s = number_of(time, "median");
        is_near(number_of(row, "bytes_per_s") * s,
                number_of(row, "bytes_read") + number_of(row, "bytes_written"));
        is_near(number_of(row, "flops_per_s") * s, number_of(row, "flops"));
    }
    row = row_of(o, "rmsnorm");
    assert_string_equal(text_of(row, "shape"), "rows=512 n=7168");
    assert_string_equal(text_of(row, "bound"), "copy");
    is_near(number_of(row, "bytes_read"), 2.0 * 513 * 7168);
    is_near(number_of(row, "bytes_written"), 2.0 * 512 * 7168);
    row = row_of(o, "gemv");
    assert_string_equal(text_of(row, "kind"), "bf16.bf16");
    is_near(number_of(row, "flops"), 2.0 * 2048 * 7168);
    is_near(number_of(row, "bytes_read"), 2.0 * (2048 * 7168 + 7168));
    is_near(number_of(row, "bytes_written"), 2.0 * 2048);
    cJSON_Delete(o);
}

/* No escape of a terminal in what is no terminal. */
static void lines_are_plain(void **state)
{
    (void)state;
    expect("TERM=xterm $H bench kernels --quick --device cpu:0 --op "
           "moe_permute",
           0, "roofline, read: ");
    assert_null(strchr(output, '\033'));
    assert_non_null(strstr(output, "moe_permute.i32"));
    assert_non_null(strstr(output, "% copy"));
}

/* What cannot be told is left out, and the rest is measured. */
static void roofline_without_compiler(void **state)
{
    cJSON *o =
        json_of("HALCYON_CC=/bin/false HALCYON_CACHE_DIR=$D/none "
                "$H bench kernels --quick --device cpu:0 --op argmax.f16 "
                "--op add.f16 --op embedding.f16 --json $D/k.json "
                ">$D/out && cat $D/k.json");
    const cJSON *device = first_of(o, "devices");
    const cJSON *roof = cJSON_GetObjectItem(device, "roofline");

    (void)state;
    assert_null(cJSON_GetObjectItem(roof, "read"));
    assert_null(cJSON_GetObjectItem(roof, "fma"));
    assert_string_equal(text_of(cJSON_GetObjectItem(roof, "copy"), "by"),
                        "halMemcpyAsync");
    assert_string_not_equal(text_of(device, "note"), "");
    assert_null(cJSON_GetObjectItem(row_of(o, "argmax"), "share"));
    assert_null(cJSON_GetObjectItem(row_of(o, "add"), "share"));
    assert_non_null(cJSON_GetObjectItem(row_of(o, "embedding"), "share"));
    cJSON_Delete(o);
    expect("cat $D/out", 0, "roofline, read: not measured: ");
}

/* A matrix product on an OpenCL device has three other sides, one of which no
 * package brings; each computed the same, or there is no figure. */
static void products_have_other_sides(void **state)
{
    cJSON *o;
    const cJSON *row;
    int has_tiled = 0;

    (void)state;
    if (run("HALCYON_DEVICES=opencl:0 $H info") != 0)
        skip();
    o = json_of("HALCYON_DEVICES=opencl:0 POCL_DEVICES=basic $H bench gemm "
                "--quick --json $D/g.json >$D/out && cat $D/g.json");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(o, "results"))
    {
        assert_string_equal(text_of(row, "name"), "f32 128x256x256");
        assert_true(number_of(row, "ratio") > 0);
        has_tiled |= !strcmp(text_of(row, "against"), "tiled kernel");
    }
    assert_true(has_tiled);
    cJSON_Delete(o);
    /* measured, or said to be left out with its package */
    expect("grep CLBlast $D/out", 0, "CLBlast");
    if (!strstr(output, "GFLOP/s"))
        assert_non_null(strstr(output, "(package libclblast1)"));
    /* rows of one name, held against different things, are different rows */
    expect("$H bench compare $D/g.json $D/g.json", 0, "0 worse, 0 missing");
}

/* ---- bench compare --------------------------------------------------- */

/* Writes $D/NAME: a head and the lists' items. */
static void file(const char *name, const char *results, const char *gaps)
{
    char path[TEMP_DIR_ROOM + 64];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f,
            "{\"schema\":\"halcyon.bench.kernels.1\",\"machine\":{\"cpu\":"
            "\"Chip %.1s\",\"cpus\":2},\"devices\":[{\"device\":\"cpu:0\","
            "\"product\":\"P\",\"driver\":\"D\"}],\"results\":[%s],"
            "\"without_figure\":[%s]}\n",
            name, results, gaps);
    assert_int_equal(fclose(f), 0);
}

#define KEY(kind)                                                 \
    "\"device\":\"cpu:0\",\"op\":\"gemm\",\"kind\":\"" kind "\"," \
    "\"shape\":\"m=1\""
#define SPREAD(median, p10, p90) \
    "{\"median\":" #median ",\"p10\":" #p10 ",\"p90\":" #p90 "}"
#define ROW(kind, time, share) \
    "{" KEY(kind) ",\"time_s\":" time ",\"share\":" share "}"
#define TIME(kind, time) "{" KEY(kind) ",\"time_s\":" time "}"
#define GAP(kind) \
    "{" KEY(kind) ",\"unsupported\":false,\"why\":\"it broke down\"}"

/* Its verdict on one row, and the exit status. */
static void judged(const char *a, const char *b, int status, const char *words)
{
    file("a", a, "");
    file("b", b, "");
    expect("$H bench compare $D/a $D/b", status, words);
}

#define T0 SPREAD(1.0, 0.9, 1.1)
#define S0 SPREAD(0.5, 0.45, 0.55)

static void slower_is_worse(void **state)
{
    (void)state;
    judged(ROW("x", T0, S0), ROW("x", T0, S0), 0,
           "0 worse, 0 missing, 0 better, 0 new, 1 the same");
    judged(ROW("x", T0, S0),
           ROW("x", SPREAD(2, 1.8, 2.2), SPREAD(0.25, 0.2, 0.3)), 1,
           "worse    cpu:0 gemm.x m=1: 2 s (1.8..2.2), was 1 s (0.9..1.1): x2");
    assert_non_null(strstr(output, "25 % of the roofline, was 50 %"));
    assert_non_null(strstr(output, "1 worse, 0 missing"));
    assert_non_null(strstr(output, "x2.000 of A's times"));
    judged(ROW("x", SPREAD(2, 1.8, 2.2), SPREAD(0.25, 0.2, 0.3)),
           ROW("x", T0, S0), 0, "better   cpu:0 gemm.x");
    assert_non_null(strstr(output, "0 worse, 0 missing, 1 better"));
    /* without shares the times decide */
    judged(TIME("x", T0), ROW("x", SPREAD(2, 1.8, 2.2), S0), 1, "1 worse");
    judged(TIME("x", T0), TIME("x", SPREAD(2, 1.8, 2.2)), 1, "1 worse");
}

static void noise_is_not_worse(void **state)
{
    (void)state;
    /* the ranges meet */
    judged(TIME("x", SPREAD(1, 0.9, 1.6)), TIME("x", SPREAD(2, 1.5, 2.2)), 0,
           "1 the same or noise");
    /* a busy machine: all the same against its roofline */
    judged(ROW("x", T0, S0), ROW("x", SPREAD(2, 1.8, 2.2), S0), 0,
           "1 the same or noise");
    /* a roofline that came out well, in the same time */
    judged(ROW("x", T0, S0), ROW("x", T0, SPREAD(0.25, 0.2, 0.3)), 0,
           "1 the same or noise");
    /* time says worse, roofline better */
    judged(ROW("x", T0, S0),
           ROW("x", SPREAD(2, 1.8, 2.2), SPREAD(0.9, 0.8, 0.95)), 0,
           "1 the same or noise");
    /* apart, but by 4 % alone */
    judged(TIME("x", SPREAD(1, 0.99, 1.01)),
           TIME("x", SPREAD(1.04, 1.03, 1.05)), 0, "1 the same or noise");
    expect("$H bench compare --threshold 3 $D/a $D/b", 1, "1 worse");
    expect("$H bench compare $D/a --threshold 4.5 $D/b", 0, "0 worse");
}

static void missing_rows_are_named(void **state)
{
    (void)state;
    judged(TIME("x", T0) "," TIME("y", T0), TIME("x", T0), 1,
           "missing  cpu:0 gemm.y m=1: was 1 s (0.9..1.1); now not in B");
    judged(TIME("x", T0), TIME("x", T0) "," TIME("y", T0), 0,
           "new      cpu:0 gemm.y");
    file("a", TIME("x", T0) "," TIME("y", T0), "");
    file("b", TIME("x", T0), GAP("y"));
    expect("$H bench compare $D/a $D/b", 1, "now it broke down");
    expect("$H bench compare $D/b $D/a", 0, "1 new, 1 the same");
    file("a", TIME("x", T0), GAP("y"));
    expect("$H bench compare $D/a $D/b", 0, "0 new, 2 the same");
    judged(TIME("x", T0), TIME("y", T0), 3, "no row has a figure in both");
    judged("", "", 3, "no row has a figure in both");
}

static void other_machines_are_named(void **state)
{
    (void)state;
    judged(TIME("x", T0), TIME("x", T0), 0,
           "note: machine is \"Chip b\" with 2 CPUs, was \"Chip a\"");
    expect("cp $D/a $D/c; $H bench compare $D/a $D/c", 0, "");
    assert_null(strstr(output, "note:"));
    expect("sed 's/\"driver\":\"D\"/\"driver\":\"E\"/' $D/a >$D/c;"
           "$H bench compare $D/a $D/c",
           0, "note: cpu:0: driver is \"E\", was \"D\"");
    expect("sed 's/\"results\":\\[/&{\"device\":\"opencl:0\",\"op\":\"o\","
           "\"kind\":\"k\",\"shape\":\"s\",\"time_s\":{\"median\":1,\"p10\":1,"
           "\"p90\":1}},/' $D/a >$D/c; $H bench compare $D/a $D/c",
           0, "note: device opencl:0 is in B only");
    expect("$H bench compare $D/c $D/a", 1,
           "note: device opencl:0 is in A only");
}

/* A file that is refused, and the key that is named, as either of the two. */
static void refused(const char *results, const char *words)
{
    file("b", results, "");
    file("a", TIME("x", T0), "");
    expect("$H bench compare $D/a $D/b", 3, words);
    expect("$H bench compare $D/b $D/a", 3, words);
}

static void damaged_rows_are_refused(void **state)
{
    (void)state;
    refused(TIME("x", T0) "," TIME("x", T0),
            "results[1]: cpu:0 gemm.x m=1 is there twice");
    refused("7", "results[0]: no object");
    refused("{\"device\":\"cpu:0\"}", "results[0].op: missing");
    refused("{\"device\":7}", "results[0].device: missing, or no plain text");
    refused("{\"device\":\"\\u001b[2J\"}", "results[0].device: missing");
    refused("{" KEY("x") "}", "results[0].time_s: missing, or no object");
    refused(TIME("x", SPREAD(NaN, 1, 1)), "no JSON from byte");
    refused(TIME("x", SPREAD(1e999, 1, 1)), "results[0].time_s.median: ");
    refused(TIME("x", SPREAD(1, 1, 1e999)), "results[0].time_s.p90: ");
    refused(TIME("x", SPREAD(0, 0, 0)), "results[0].time_s.median: ");
    refused(TIME("x", SPREAD(1, -1, 1)), "results[0].time_s.p10: ");
    refused(TIME("x", SPREAD("1", 1, 1)), "results[0].time_s.median: ");
    refused(TIME("x", "{\"median\":1,\"p10\":1}"), "results[0].time_s.p90: ");
    refused(TIME("x", SPREAD(1, 2, 3)),
            "results[0].time_s.median: not within p10 and p90");
    refused(ROW("x", T0, SPREAD(0.5, 0.4, 0.45)), "results[0].share.median: ");
    refused(ROW("x", T0, "[]"), "results[0].share: missing, or no object");
    refused(ROW("x", T0, SPREAD(1e-320, 1e-320, 1)), "too small");
    refused(TIME("y", T0) "," TIME("x", "1"), "results[1].time_s: missing");
    file("a", TIME("x", T0), GAP("x"));
    expect("$H bench compare $D/a $D/a", 3,
           "without_figure[0]: cpu:0 gemm.x m=1 is there twice");
    file("a", TIME("x", T0), "{" KEY("y") "}");
    expect("$H bench compare $D/a $D/a", 3, "without_figure[0].why: missing");
}

/* $D/c from sed's script over a good file. */
static void foreign(const char *script, const char *words)
{
    char line[500];

    file("a", TIME("x", T0), "");
    snprintf(line, sizeof line, "%s >$D/c; $H bench compare $D/a $D/c", script);
    expect(line, 3, words);
}

static void foreign_files_are_refused(void **state)
{
    (void)state;
    foreign("sed s/bench.kernels.1/conform.1/ $D/a",
            "schema: \"halcyon.conform.1\" is neither");
    foreign("sed s/bench.kernels.1/bench.kernels.2/ $D/a", "is neither");
    foreign("sed s/schema/scheme/ $D/a", "schema: missing");
    foreign("sed s/machine/machin/ $D/a", "machine: missing");
    foreign("sed s/cpus/cpu2/ $D/a", "machine.cpus: missing");
    foreign("sed s/results/result/ $D/a", "results: missing, or no list");
    foreign("sed s/without_fig/fig/ $D/a", "without_figure: missing");
    foreign("head -c 200 $D/a", "no JSON from byte");
    foreign("(cat $D/a; echo x)", "more than one JSON value");
    foreign("sed 's/\"machine\"/\"schema\":"
            "\"x\",\"machine\"/' $D/a",
            "schema is there twice");
    foreign("sed 's/\"cpu\":\"[^\"]*/&\\\\u0000x/' $D/a",
            "cpu: a string with \\u0000");
    foreign("head -c 100000 /dev/zero | tr '\\0' '['", "no JSON from byte");
    foreign("printf ''", "no JSON");
    foreign("printf '[]'", "no JSON object");
    foreign("(cat $D/a; printf '\\0')", "c: a byte of zero in the text");
    foreign("head -c 17000000 /dev/zero | tr '\\0' ' '",
            "at most 16777216 are read");
    foreign("sed s/bench.kernels.1/bench.1/ $D/a", "results[0].section: ");
    expect("$H bench compare $D/a $D/nowhere", 3, "nowhere: No such file");
    expect("mkfifo $D/f && timeout 5 $H bench compare $D/a $D/f", 3,
           "f: no regular file");
    expect("$H bench compare $D/a $D", 3, "no regular file");
    expect("printf '{\"schema\":\"halcyon.bench.1\",\"machine\":{\"cpu\":\"c\","
           "\"cpus\":1},\"results\":[]}' >$D/c; $H bench compare $D/a $D/c",
           3, "B's is halcyon.bench.1: they do not compare");
}

/* The other command's files: ratios, of times or of rates. */
static void pairs(const char *name, const char *unit, double ratio)
{
    char path[TEMP_DIR_ROOM + 64];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f,
            "{\"schema\":\"halcyon.bench.1\",\"machine\":{\"cpu\":\"c\","
            "\"cpus\":1},\"results\":[{\"section\":\"copies\",\"device\":"
            "\"cpu:0\",\"name\":\"H2D\",\"against\":\"memcpy\",\"unit\":\"%s\","
            "\"ratio\":%g,"
            "\"ratio_p10\":%g,\"ratio_p90\":%g}]}",
            unit, ratio, ratio * 0.9, ratio * 1.1);
    assert_int_equal(fclose(f), 0);
}

static void pairs_compare_too(void **state)
{
    (void)state;
    pairs("a", "s", 1);
    pairs("b", "s", 2);
    expect("$H bench compare $D/a $D/b", 1,
           "worse    cpu:0 copies H2D, memcpy: 2 ");
    expect("$H bench compare $D/b $D/a", 0, "1 better");
    pairs("a", "B/s", 1);
    pairs("b", "B/s", 2);
    expect("$H bench compare $D/a $D/b", 0, "1 better");
    expect("$H bench compare $D/b $D/a", 1, "1 worse");
    expect("sed s/_p10/_min/\\;s/_p90/_max/ $D/a >$D/c;"
           "$H bench compare $D/b $D/c",
           1, "1 worse");
    expect("$H bench compare docs/results/2026-11-23-zen4.json "
           "docs/results/2026-11-23-zen4.json",
           0, "0 worse, 0 missing, 0 better, 0 new");
}

static void verdicts_are_json(void **state)
{
    const cJSON *row;
    cJSON *o;

    (void)state;
    file("a", ROW("x", T0, S0) "," TIME("y", T0), "");
    file("b", ROW("x", SPREAD(2, 1.8, 2.2), SPREAD(0.25, 0.2, 0.3)), "");
    expect("$H bench compare --json $D/v $D/a $D/b", 1, "1 worse, 1 missing");
    o = json_of("cat $D/v");
    has_keys(o, "schema:s a:s b:s of:s threshold_percent:n regression:b "
                "notes:a rows:a");
    assert_string_equal(text_of(o, "schema"), "halcyon.bench.compare.1");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(o, "regression")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "notes")), 1);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "rows")), 2);
    row = first_of(o, "rows");
    has_keys(row, "device:s op:s kind:s shape:s verdict:s ratio:n a:o b:o");
    assert_string_equal(text_of(row, "verdict"), "worse");
    is_near(number_of(row, "ratio"), 2);
    is_spread(cJSON_GetObjectItem(cJSON_GetObjectItem(row, "b"), "cost"));
    assert_string_equal(text_of(row->next, "verdict"), "missing");
    cJSON_Delete(o);
    expect("$H bench compare --json $D/v $D/a $D/a", 0, "0 worse");
    o = json_of("cat $D/v");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(o, "regression")));
    cJSON_Delete(o);
    expect("$H bench compare --json /dev/full $D/a $D/a", 3, "cannot write");
    expect("$H bench compare $D/a $D/a >/dev/full", 3, "cannot write");
}

/* What `bench kernels` writes, `bench compare` reads. */
static void own_files_compare(void **state)
{
    (void)state;
    expect("$H bench kernels --quick --device cpu:0 --op moe_permute --json "
           "$D/k && $H bench compare $D/k $D/k",
           0, "0 worse, 0 missing, 0 better, 0 new, 1 the same");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_says_how),
        cmocka_unit_test(wrong_words_are_status_2),
        cmocka_unit_test(globs_choose_rows),
        cmocka_unit_test(every_operator_has_a_row),
        cmocka_unit_test(figures_fit_each_other),
        cmocka_unit_test(lines_are_plain),
        cmocka_unit_test(roofline_without_compiler),
        cmocka_unit_test(products_have_other_sides),
        cmocka_unit_test(slower_is_worse),
        cmocka_unit_test(noise_is_not_worse),
        cmocka_unit_test(missing_rows_are_named),
        cmocka_unit_test(other_machines_are_named),
        cmocka_unit_test(damaged_rows_are_refused),
        cmocka_unit_test(foreign_files_are_refused),
        cmocka_unit_test(pairs_compare_too),
        cmocka_unit_test(verdicts_are_json),
        cmocka_unit_test(own_files_compare),
    };

    return cmocka_run_group_tests(tests, shell_begin, shell_end);
}
