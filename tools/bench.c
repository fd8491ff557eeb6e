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

/* The command as it was given, for a second start. */
static char **command;

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
                "Default: every section on every device that HALCYON_DEVICES "
                "admits.\n"
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

static bool lists(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (*list) {
        size_t length = strcspn(list, ",");

        if (length == n && !memcmp(list, name, n))
            return true;
        list += length + (list[length] == ',');
    }
    return false;
}

/* A device that exists and is not admitted, a stand-in as a rule: which devices
 * there are is settled for a process, so the command starts again with the name
 * in HALCYON_DEVICES.  Returns if the name is unknown, or was there already. */
static void admit(const struct options *o)
{
    const char *outer = getenv("HALCYON_DEVICES");
    char *list = NULL, name[64], about[256];
    bool is_new = false;
    size_t size;
    FILE *to = open_memstream(&list, &size);

    if (!to)
        return;
    fputs(outer ? outer : "", to);
    for (int i = 0; i < o->n_devices; i++) {
        const char *want = o->devices[i];
        int ordinal;

        fflush(to);
        if (lists(list, want) ||
            (outer && halDeviceGetByName(&ordinal, want) == halSuccess))
            continue;
        for (int k = 0; halDeviceGetKnownName(name, about, k) == halSuccess;
             k++) {
            if (strcmp(name, want) != 0)
                continue;
            is_new |= halDeviceGetByName(&ordinal, want) != halSuccess;
            fprintf(to, "%s%s", size ? "," : "", want);
            fflush(to);
            break;
        }
    }
    if (fclose(to) == 0 && is_new && !setenv("HALCYON_DEVICES", list, 1))
        execv("/proc/self/exe", command);
    free(list);
}

/* Ordinals to measure; returns how many, or -1 with a message printed. */
static int pick_devices(const struct options *o, int ordinals[DEVICES_MAX])
{
    int n = 0, count = 0;

    if (halGetDeviceCount(&count) != halSuccess) {
        fprintf(stderr, "halcyon bench: %s\n", halGetErrorDetail());
        return -1;
    }
    if (o->n_devices)
        admit(o);
    for (int i = 0; i < o->n_devices; i++)
        if (halDeviceGetByName(&ordinals[n++], o->devices[i]) != halSuccess) {
            fprintf(stderr, "halcyon bench: --device %s: %s\n", o->devices[i],
                    halGetErrorDetail());
            return -1;
        }
    for (int i = 0; !o->n_devices && i < count && n < DEVICES_MAX; i++) {
        struct halDeviceProp prop;

        /* Stand-ins are here only if HALCYON_DEVICES names them. */
        if (halGetDeviceProperties(&prop, i) == halSuccess)
            ordinals[n++] = i;
        else
            fprintf(stderr, "halcyon bench: device %d: %s\n", i,
                    halGetErrorDetail());
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
    command = argv - 1; /* argv[0] is "bench" */
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
