/* SPDX-License-Identifier: Apache-2.0 */
/*
 * case.c - one run of one case: its checks, its end, its random numbers and
 * its metrics.  Each run ends with exactly one verdict.
 */
#include "conformance/case.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conformance/verdict.h"

/* Where the process goes after a verdict that may have left the device in any
 * state.  The driver's own exit handlers are not trusted to end. */
#define EXIT_AFTER_VERDICT 0

struct conf_scratch {
    struct conf_scratch *next;
    max_align_t data[];
};

double conf_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- the end ----------------------------------------------------------- */

/* Takes the verdict, or waits for the end of the process when another thread
 * of the case already has. */
static void take_verdict(struct conf *c)
{
    if (atomic_exchange(&c->ended, 1) == 0)
        return;
    while (1)
        pause();
}

static void leave(struct conf *c) __attribute__((noreturn));
static void leave(struct conf *c)
{
    int own = pthread_equal(pthread_self(), c->thread);
    int good = c->verdict == CONF_PASS || c->verdict == CONF_UNSUPPORTED;

    if (own && (good || c->stay))
        longjmp(c->leave, 1);
    c->emit(c);
    _exit(EXIT_AFTER_VERDICT);
}

void conf_end(struct conf *c, enum conf_verdict verdict, const char *format,
              ...)
{
    va_list ap;

    take_verdict(c);
    va_start(ap, format);
    vsnprintf(c->message, sizeof c->message, format, ap);
    va_end(ap);
    c->verdict = verdict;
    if (verdict == CONF_UNSUPPORTED && !c->message[0]) {
        c->verdict = CONF_ERROR;
        strcpy(c->message, "unsupported without a reason");
    }
    if (verdict != CONF_FAIL && verdict != CONF_ERROR &&
        verdict != CONF_UNSUPPORTED) {
        c->verdict = CONF_ERROR;
        snprintf(c->message, sizeof c->message,
                 "a case may not end itself with '%s'",
                 conf_verdict_name(verdict));
    }
    leave(c);
}

/* What the runner itself looks at when a case has returned. */
static void check_end(struct conf *c)
{
    halError_t st = halSuccess;

    if (atomic_load(&c->checks) == 0)
        conf_end(c, CONF_ERROR, "the case made no check: it proves nothing");
    if (c->device >= 0) {
        st = halSetDevice(c->device);
        if (st == halSuccess)
            st = halDeviceSynchronize();
    }
    if (st != halSuccess)
        conf_end(c, CONF_ERROR, "work failed after the last check: %s: %s",
                 halGetErrorName(st), halGetErrorDetail());
    conf_blocks_check(c);
}

static void free_scratch(struct conf *c)
{
    while (c->scratch) {
        struct conf_scratch *s = c->scratch;

        c->scratch = s->next;
        free(s);
    }
}

void conf_case_run(struct conf *c, const struct conf_case *cc, uint64_t seed)
{
    c->cc = cc;
    seed = conf_seed_of(seed, cc->name);
    for (int i = 0; i < 4; i++)
        c->rng[i] = conf_mix(seed + (uint64_t)i + 1);
    c->poison = conf_mix(seed);
    atomic_store(&c->checks, 0);
    atomic_store(&c->ended, 0);
    c->n_metrics = 0;
    c->n_blocks = 0;
    c->verdict = CONF_PASS;
    c->message[0] = 0;
    c->start_ms = conf_now_ms();
    c->thread = pthread_self();

    if (setjmp(c->leave) == 0) {
        cc->run(c);
        check_end(c);
        take_verdict(c);
    }
    conf_blocks_free(c);
    free_scratch(c);
    c->emit(c);
}

/* ---- checks ------------------------------------------------------------ */

void conf_check(struct conf *c, int ok, const char *format, ...)
{
    char text[CONF_MESSAGE_MAX];
    va_list ap;

    atomic_fetch_add(&c->checks, 1);
    if (ok)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    conf_end(c, CONF_FAIL, "%s", text);
}

void conf_ok(struct conf *c, halError_t st, const char *call, const char *file,
             int line)
{
    /* NotReady is an answer, not a failure: it says nothing more. */
    const char *detail = st == halErrorNotReady ? "" : halGetErrorDetail();

    if (st != halSuccess)
        conf_end(c, CONF_ERROR, "%s:%d: %s: %s%s%s", file, line, call,
                 halGetErrorName(st), detail[0] ? ": " : "", detail);
}

void conf_fails(struct conf *c, halError_t want, halError_t got,
                const char *call, const char *file, int line)
{
    atomic_fetch_add(&c->checks, 1);
    if (got != want)
        conf_end(c, CONF_FAIL, "%s:%d: %s: want %s, got %s%s%s", file, line,
                 call, halGetErrorName(want), halGetErrorName(got),
                 got != halSuccess ? ": " : "",
                 got != halSuccess ? halGetErrorDetail() : "");
    if (got != halErrorNotReady && !halGetErrorDetail()[0])
        conf_end(c, CONF_FAIL, "%s:%d: %s: %s without a sentence that helps",
                 file, line, call, halGetErrorName(got));
}

/* ---- what a case knows ------------------------------------------------- */

const void *conf_param(const struct conf *c)
{
    return c->cc->param;
}

int conf_device(const struct conf *c)
{
    return c->device;
}

const struct halDeviceProp *conf_prop(const struct conf *c)
{
    return &c->prop;
}

int conf_other_device(const struct conf *c, int which)
{
    /* The device under test is ordinal 0 of the worker's process. */
    return which >= 0 && which < c->n_devices - 1 ? which + 1 : -1;
}

static void set_metric(struct conf *c, const char *name, double value, int max)
{
    struct conf_metric *m;

    for (int i = 0; i < c->n_metrics; i++) {
        m = &c->metrics[i];
        if (strcmp(m->name, name))
            continue;
        if (!max || !(m->value >= value))
            m->value = value;
        return;
    }
    if (c->n_metrics == CONF_METRICS_MAX)
        return;
    m = &c->metrics[c->n_metrics++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->value = value;
}

void conf_metric(struct conf *c, const char *name, double value)
{
    set_metric(c, name, value, 0);
}

void conf_metric_max(struct conf *c, const char *name, double value)
{
    set_metric(c, name, value, 1);
}

void *conf_host(struct conf *c, size_t size)
{
    struct conf_scratch *s = NULL;

    if (size <= SIZE_MAX - sizeof *s)
        s = calloc(1, sizeof *s + size);
    if (!s)
        conf_end(c, CONF_ERROR, "no host memory for %zu bytes", size);
    s->next = c->scratch;
    c->scratch = s;
    return s->data;
}

/* ---- random numbers: xoshiro256**, seeded by splitmix64 ----------------- */

uint64_t conf_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

uint64_t conf_seed_of(uint64_t run_seed, const char *name)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a of the name */

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001B3u;
    return conf_mix(h ^ conf_mix(run_seed));
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t conf_random(struct conf *c)
{
    uint64_t *s = c->rng;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double conf_uniform(struct conf *c, double low, double high)
{
    return low + (high - low) * ((double)(conf_random(c) >> 11) * 0x1p-53);
}

double conf_normal(struct conf *c)
{
    /* The sum of twelve 16-bit uniforms: variance 1, and the same bits on any
     * machine, which log() and cos() of the C libraries do not give. */
    int64_t sum = 0;

    for (int i = 0; i < 3; i++) {
        uint64_t r = conf_random(c);

        for (int k = 0; k < 64; k += 16)
            sum += (int64_t)(r >> k & 0xFFFF);
    }
    return ((double)sum - 12 * 32767.5) * 0x1p-16;
}
