/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planted.h - cases that are wrong, each in its own way, for test_runner.c,
 * which includes it once.  docs/conformance.md lists them.
 */
#ifndef TESTS_CONFORMANCE_PLANTED_H
#define TESTS_CONFORMANCE_PLANTED_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/conf.h"
#include "conformance/list.h"

static void passes(struct conf *c)
{
    CONF_TRUE(c, 1 + 1 == 2);
}

static void gives_zeros(struct conf *c)
{
    const double want[4] = { 1, 2, 3, 4 };
    const float got[4] = { 0 };
    const struct conf_bound bound = conf_bound_of(halF32, 4);

    conf_compare(c, "y", halF32, got, want, NULL, 2, 2, &bound);
}

static void gives_nan(struct conf *c)
{
    const double want[3] = { 1, 2, 3 };
    const float got[3] = { 1, __builtin_nanf(""), 3 };
    const struct conf_bound bound = { .abs = 1e30, .rel_l2 = 1e30 };

    conf_compare(c, "y", halF32, got, want, NULL, 1, 3, &bound);
}

static void crashes(struct conf *c)
{
    conf_check(c, 1, "so far so good");
    fputs("about to crash\n", stderr);
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
    raise(SIGSEGV);
}

static void is_killed(struct conf *c)
{
    conf_check(c, 1, "as when memory runs out");
    kill(getpid(), SIGKILL);
}

static void exits(struct conf *c)
{
    conf_check(c, 1, "so far so good");
    _exit(0);
}

static void hangs(struct conf *c)
{
    conf_check(c, 1, "so far so good");
    for (;;)
        pause();
}

/* A child that holds every pipe open must not hold up the runner. */
static void hangs_with_child(struct conf *c)
{
    const char *path = getenv("TEST_CHILD_FILE");
    pid_t pid;

    conf_check(c, 1, "so far so good");
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    if (path) {
        FILE *f = fopen(path, "w");

        fprintf(f, "%ld", (long)pid);
        fclose(f);
    }
    for (;;)
        pause();
}

static void checks_nothing(struct conf *c)
{
    (void)conf_random(c);
}

static void compares_nothing(struct conf *c)
{
    const struct conf_bound bound = { 0 };

    conf_compare(c, "y", halF32, "", NULL, NULL, 0, 5, &bound);
}

static void prints_garbage(struct conf *c)
{
    for (int i = 0; i < 100; i++) {
        printf("{\"event\":\"verdict\"} \xFF\xFE <&> garbage %d\n", i);
        fprintf(stderr, "more \033[31m garbage %d\n", i);
    }
    fflush(NULL);
    CONF_TRUE(c, 1);
}

static void spoils_events(struct conf *c)
{
    CONF_TRUE(c, write(3, "no event\n", 9) == 9);
}

/* Answers for itself, and then again. */
static void answers_twice(struct conf *c)
{
    static const char line[] =
        "{\"event\":\"verdict\",\"name\":\"selftest.answers_twice\","
        "\"verdict\":\"pass\",\"ms\":1,\"message\":\"\",\"metrics\":{}}\n";

    CONF_TRUE(c, write(3, line, sizeof line - 1) == sizeof line - 1);
}

/* What a worker would say whose verdict was changed. */
static void passes_with_words(struct conf *c)
{
    static const char line[] =
        "{\"event\":\"verdict\",\"name\":\"selftest.passes_with_words\","
        "\"verdict\":\"pass\",\"ms\":1,\"message\":\"element 3 is 7\","
        "\"metrics\":{}}\n";

    CONF_TRUE(c, write(3, line, sizeof line - 1) == sizeof line - 1);
}

static void passes_past_bound(struct conf *c)
{
    CONF_TRUE(c, 1);
    conf_metric(c, "y.of_bound", 1.5);
}

static void closes_events(struct conf *c)
{
    conf_check(c, 1, "so far so good");
    close(3);
    for (;;)
        pause();
}

static void writes_after(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 100, 0);

    CONF_OK(c, halMemset((char *)b.mem + 100, 0, 1));
    conf_check(c, 1, "the zones are looked at when the case returns");
}

static void writes_before(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 100, 4);

    CONF_OK(c, halMemset((char *)b.mem - 1, 0, 1));
    CONF_OK(c, halDeviceSynchronize());
    conf_free(c, &b);
    conf_check(c, 1, "not reached");
}

static void writes_input(struct conf *c)
{
    uint8_t data[5000] = { 0 };
    struct conf_buf b = conf_upload(c, data, sizeof data, 0);

    CONF_OK(c, halMemset((char *)b.mem + 4999, 1, 1));
    CONF_OK(c, halDeviceSynchronize());
    conf_check_zones(c, &b);
}

static void never_writes(struct conf *c)
{
    const struct conf_bound bound = { .abs = 1e30, .rel_l2 = 1e30 };
    double want[64];
    float *got = conf_host(c, sizeof(float) * 64);
    struct conf_buf b = conf_alloc(c, sizeof(float) * 64, 0);

    for (int i = 0; i < 64; i++)
        want[i] = 0;
    CONF_OK(c, halMemset(b.mem, 0, sizeof(float) * 61));
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &b);
    conf_compare(c, "y", halF32, got, want, NULL, 1, 64, &bound);
}

static void writes_all(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 1021, 3);

    CONF_OK(c, halMemset(b.mem, 0xA5, 1021));
    conf_expect_bytes(c, &b, 0xA5);
    conf_check_zones(c, &b);
}

static void is_unsupported(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "the device has no <b> & \"such\" %s",
             "thing");
}

static void gives_no_reason(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "%s", "");
}

static void call_fails(struct conf *c)
{
    CONF_OK(c, halMalloc(NULL, 16));
}

static void wrong_error(struct conf *c)
{
    CONF_FAILS(c, halErrorNotFound, halMalloc(NULL, 16));
}

static void right_error(struct conf *c)
{
    CONF_FAILS(c, halErrorInvalidValue, halMalloc(NULL, 16));
}

static void *fail_elsewhere(void *arg)
{
    conf_check(arg, 0, "seen by another thread");
    return NULL;
}

static void thread_fails(struct conf *c)
{
    pthread_t thread;

    CONF_TRUE(c, pthread_create(&thread, NULL, fail_elsewhere, c) == 0);
    pthread_join(thread, NULL);
}

static void says_much(struct conf *c)
{
    char text[6000];

    memset(text, '\n', sizeof text);
    text[sizeof text - 1] = 0;
    conf_end(c, CONF_FAIL, "bad bytes \x01\xC3\x28\xFF%s", text);
}

static void tells_random(struct conf *c)
{
    CONF_TRUE(c, 1);
    conf_metric(c, "random", (double)(conf_random(c) >> 12));
    conf_metric(c, "nan", __builtin_nan(""));
}

static void param_is_kept(struct conf *c)
{
    const int *p = conf_param(c);

    conf_check(c, *p == 42, "param is %d", *p);
}

static const struct conf_case planted[] = {
    { "selftest.pass", passes, .levels = "core" },
    { "selftest.zeros", gives_zeros, .levels = "core" },
    { "selftest.nan", gives_nan, .levels = "core" },
    { "selftest.crash", crashes, .levels = "core" },
    { "selftest.killed", is_killed, .levels = "core" },
    { "selftest.exits", exits, .levels = "core" },
    { "selftest.hang", hangs, .levels = "core", .limit_s = 1 },
    { "selftest.hang_with_child", hangs_with_child, .levels = "core",
      .limit_s = 1 },
    { "selftest.no_check", checks_nothing, .levels = "core" },
    { "selftest.nothing_compared", compares_nothing, .levels = "core" },
    { "selftest.garbage", prints_garbage, .levels = "core" },
    { "selftest.spoils_events", spoils_events, .levels = "core" },
    { "selftest.answers_twice", answers_twice, .levels = "core" },
    { "selftest.passes_with_words", passes_with_words, .levels = "core" },
    { "selftest.passes_past_bound", passes_past_bound, .levels = "core" },
    { "selftest.closes_events", closes_events, .levels = "core" },
    { "selftest.writes_after", writes_after, .levels = "core memory" },
    { "selftest.writes_before", writes_before, .levels = "core memory" },
    { "selftest.writes_input", writes_input, .levels = "core memory" },
    { "selftest.never_writes", never_writes, .levels = "core memory" },
    { "selftest.writes_all", writes_all, .levels = "core memory" },
    { "selftest.unsupported", is_unsupported, .levels = "core" },
    { "selftest.no_reason", gives_no_reason, .levels = "core" },
    { "selftest.call_fails", call_fails, .levels = "core" },
    { "selftest.wrong_error", wrong_error, .levels = "core" },
    { "selftest.right_error", right_error, .levels = "core" },
    { "selftest.thread_fails", thread_fails, .levels = "core" },
    { "selftest.says_much", says_much, .levels = "core" },
    { "selftest.random", tells_random, .levels = "core" },
    { 0 },
};

static void planted_family(struct conf_list *list,
                           const struct conf_options *options)
{
    const struct conf_case *first = planted;
    int value = 42;

    (void)options;
    conf_list_add_table(list, planted);
    conf_list_add(list,
                  &(struct conf_case){ "selftest.param", param_is_kept, &value,
                                       .levels = "core" },
                  sizeof value);
    if (getenv("TEST_TWICE"))
        conf_list_add(list, first, 0);
    if (getenv("TEST_LIST_ERROR"))
        conf_list_error(list, "pack x: key y is damaged");
}

#endif
