/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.c - `halcyon bench`: the options, the machine, and which section runs
 * on which device.  The sections are in tools/bench/.  Figures are for people
 * and never a test: the exit status is 0 whether goals are met or not, 1 when
 * something could not be measured, 2 for wrong usage, 3 when a device that was
 * named is not there or the figures could not be written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/bench.h"
#include "tools/commands.h"

#define DEVICES_MAX 64

static const struct section {
    const char *name, *about;
    void (*run)(struct bench *b, const struct halDeviceProp *prop);
} sections[] = {
    { "launch", "an empty kernel, against the driver's own API", bench_launch },
    { "copies", "halMemcpy, against memcpy or the driver's copies",
      bench_copies },
    { "gemm", "halopGemm f32, against OpenBLAS", bench_gemm },
    { "gemv", "halopGemv, against read bandwidth and OpenBLAS", bench_gemv },
};
#define N_SECTIONS (sizeof sections / sizeof *sections)

static int usage(FILE *to, int status)
{
    fprintf(to, "usage: halcyon bench [SECTION]... [--device NAME]... "
                "[--quick] [--json FILE]\n\n"
                "Measures Halcyon against what lies beneath it: pairs taken "
                "in turns, in one process.\n\n");
    for (size_t i = 0; i < N_SECTIONS; i++)
        fprintf(to, "  %-14s %s\n", sections[i].name, sections[i].about);
    fprintf(to, "\n"
                "  --device NAME  this device only; may be repeated\n"
                "  --quick        smaller sizes, fewer and shorter samples\n"
                "  --json FILE    the figures, schema halcyon.bench.1\n\n"
                "Default: every section on every device that is no stand-in.\n"
                "xR is Halcyon's time over the other's for times, its rate "
                "over the other's for rates.\n");
    return status;
}

struct options {
    struct bench bench;
    bool wanted[N_SECTIONS];
    const char *devices[DEVICES_MAX];
    int n_devices;
};

/* -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    bool any = false;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        size_t s = 0;

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
            return usage(stdout, 0);
        if (strcmp(arg, "--quick") == 0) {
            o->bench.quick = true;
            continue;
        }
        if (strcmp(arg, "--json") == 0 && i + 1 < argc) {
            o->bench.json_path = argv[++i];
            continue;
        }
        if (strcmp(arg, "--device") == 0 && i + 1 < argc &&
            o->n_devices < DEVICES_MAX) {
            o->devices[o->n_devices++] = argv[++i];
            continue;
        }
        while (s < N_SECTIONS && strcmp(arg, sections[s].name) != 0)
            s++;
        if (s == N_SECTIONS) {
            fprintf(stderr,
                    "halcyon bench: \"%s\" is no section and no option, "
                    "or lacks its value\n",
                    arg);
            return usage(stderr, 2);
        }
        o->wanted[s] = any = true;
    }
    for (size_t s = 0; s < N_SECTIONS; s++)
        o->wanted[s] |= !any;
    return -1;
}

/* Ordinals to measure; returns how many, or -1 with a message printed. */
static int pick_devices(const struct options *o, int ordinals[DEVICES_MAX])
{
    int n = 0, count = 0;

    if (halGetDeviceCount(&count) != halSuccess) {
        fprintf(stderr, "halcyon bench: %s\n", halGetErrorDetail());
        return -1;
    }
    for (int i = 0; i < o->n_devices; i++)
        if (halDeviceGetByName(&ordinals[n++], o->devices[i]) != halSuccess) {
            fprintf(stderr, "halcyon bench: --device %s: %s\n", o->devices[i],
                    halGetErrorDetail());
            return -1;
        }
    for (int i = 0; !o->n_devices && i < count && n < DEVICES_MAX; i++) {
        struct halDeviceProp prop;

        if (halGetDeviceProperties(&prop, i) == halSuccess && !prop.standsOn[0])
            ordinals[n++] = i;
    }
    if (!n)
        fprintf(stderr, "halcyon bench: no device (see `halcyon info`)\n");
    return n ? n : -1;
}

/* The processor is named even when the cpu backend is filtered out. */
static void name_machine(struct bench *b)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    b->n_cpus = cpus > 0 ? (unsigned)cpus : 1;
    snprintf(b->machine, sizeof b->machine, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');

        if (!value || strncmp(line, "model name", 10) != 0)
            continue;
        value += strspn(value, ": \t");
        snprintf(b->machine, sizeof b->machine, "%.*s",
                 (int)strcspn(value, "\n"), value);
        break;
    }
    if (f)
        fclose(f);
    printf("machine: %s, %u CPUs\n", b->machine, b->n_cpus);
}

static void print_firsts(const struct bench *b)
{
    if (b->n_firsts)
        printf("\nfirst use, with the driver's compilation (not in the "
               "figures):\n");
    for (size_t i = 0; i < b->n_firsts; i++)
        printf("        %-10s %-26s %10.1f ms\n", b->firsts[i].device,
               b->firsts[i].name, b->firsts[i].ms);
}

int cmd_bench(int argc, char **argv)
{
    struct options o = { 0 };
    int ordinals[DEVICES_MAX];
    int status = parse(argc, argv, &o), n;

    if (status >= 0)
        return status;
    n = pick_devices(&o, ordinals);
    if (n < 0)
        return 3;
    name_machine(&o.bench);
    for (int i = 0; i < n; i++) {
        struct halDeviceProp prop;

        if (halSetDevice(ordinals[i]) != halSuccess ||
            halGetDeviceProperties(&prop, ordinals[i]) != halSuccess) {
            bench_fail("%s", halGetErrorDetail());
            bench_broken(&o.bench, "device", "", "opening");
            continue;
        }
        printf("\n%s: %s; %s\n", prop.halName, prop.name, prop.driver);
        for (size_t s = 0; s < N_SECTIONS; s++)
            if (o.wanted[s])
                sections[s].run(&o.bench, &prop);
    }
    print_firsts(&o.bench);
    status = o.bench.n_failures ? 1 : 0;
    if (o.bench.json_path && bench_write_json(&o.bench) != 0) {
        fprintf(stderr, "halcyon bench: cannot write %s\n", o.bench.json_path);
        status = 3;
    }
    bench_close(&o.bench);
    return status;
}
