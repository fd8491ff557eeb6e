/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - on which devices, and on which machine, `halcyon bench` measures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/bench.h"

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
static void admit(const struct bench_wanted *w)
{
    const char *outer = getenv("HALCYON_DEVICES");
    char *list = NULL, name[64], about[256];
    bool is_new = false;
    size_t size;
    FILE *to = open_memstream(&list, &size);

    if (!to)
        return;
    fputs(outer ? outer : "", to);
    for (int i = 0; i < w->n; i++) {
        const char *want = w->names[i];
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
        execv("/proc/self/exe", w->command);
    free(list);
}

int bench_pick_devices(const struct bench_wanted *w,
                       int ordinals[BENCH_DEVICES_MAX])
{
    int n = 0, count = 0;

    if (halGetDeviceCount(&count) != halSuccess) {
        fprintf(stderr, "halcyon bench: %s\n", halGetErrorDetail());
        return -1;
    }
    if (w->n)
        admit(w);
    for (int i = 0; i < w->n; i++)
        if (halDeviceGetByName(&ordinals[n++], w->names[i]) != halSuccess) {
            fprintf(stderr, "halcyon bench: --device %s: %s\n", w->names[i],
                    halGetErrorDetail());
            return -1;
        }
    for (int i = 0; !w->n && i < count && n < BENCH_DEVICES_MAX; i++) {
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
void bench_name_machine(char machine[256], unsigned *out_n_cpus)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    *out_n_cpus = cpus > 0 ? (unsigned)cpus : 1;
    snprintf(machine, 256, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');

        if (!value || strncmp(line, "model name", 10) != 0)
            continue;
        value += strspn(value, ": \t");
        snprintf(machine, 256, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (f)
        fclose(f);
    printf("machine: %s, %u CPUs\n", machine, *out_n_cpus);
}
