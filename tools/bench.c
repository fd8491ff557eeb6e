/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.c - `halcyon bench`: the options, and which section runs on which
 * device.  The sections are in tools/bench/, and so are the commands `bench
 * kernels` and `bench compare`.  Figures are for people
 * and never a test: the exit status is 0 whether goals are met or not, 1 when
 * something could not be measured, 2 for wrong usage, 3 when a device that was
 * named is not there or the figures could not be written.
 */
#include <stdio.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/commands.h"

static const struct section {
    const char *name, *about;
    void (*run)(struct bench *b, const struct halDeviceProp *prop);
} sections[] = {
    { "launch", "an empty kernel, against the driver's own API", bench_launch },
    { "copies", "halMemcpy, against memcpy or the driver's copies",
      bench_copies },
    { "gemm", "halopGemm f32, against OpenBLAS, CLBlast, a tiled kernel",
      bench_gemm },
    { "gemv", "halopGemv, against read bandwidth and OpenBLAS", bench_gemv },
};
#define N_SECTIONS (sizeof sections / sizeof *sections)

static int usage(FILE *to, int status)
{
    fprintf(to, "usage: halcyon bench [SECTION]... [--device NAME]... "
                "[--quick] [--json FILE]\n"
                "       halcyon bench kernels [options]   every operator, "
                "against the roofline\n"
                "       halcyon bench compare A B         two result files\n\n"
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
                "over the other's for rates.\n\n"
                "Exit status: 0 measured, 1 something failed, 2 wrong usage, "
                "3 no such device,\nor the figures could not be written.\n");
    return status;
}

struct options {
    struct bench bench;
    bool wanted[N_SECTIONS];
    struct bench_wanted devices;
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
            o->devices.n < BENCH_DEVICES_MAX) {
            o->devices.names[o->devices.n++] = argv[++i];
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
    int ordinals[BENCH_DEVICES_MAX];
    int status, n;

    bench_blas_calm();
    if (argc > 1 && !strcmp(argv[1], "kernels"))
        return bench_kernels_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "compare"))
        return bench_compare_command(argc - 1, argv + 1);
    status = parse(argc, argv, &o);
    if (status >= 0)
        return status;
    o.devices.command = argv - 1; /* argv[0] is "bench" */
    n = bench_pick_devices(&o.devices, ordinals);
    if (n < 0)
        return 3;
    bench_name_machine(o.bench.machine, &o.bench.n_cpus);
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
