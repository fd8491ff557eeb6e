/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beneath.c - the driver's device beneath one of ours.  A stand-in's properties
 * are the chip's; the driver knows only the device that it stands on, whose
 * name is in what the registry says about that.
 */
#include <stdio.h>
#include <string.h>

#include "tools/bench/bench.h"

/* "NAME (DRIVER)" without the last pair of brackets, which may hold others. */
static void cut_driver(char *about)
{
    size_t n = strlen(about);
    int depth = 0;

    while (n--) {
        depth += (about[n] == ')') - (about[n] == '(');
        if (depth == 0)
            break;
    }
    if (n != (size_t)-1 && n > 0 && about[n] == '(' && about[n - 1] == ' ')
        about[n - 1] = 0;
}

int bench_raw_open(const struct bench_raw_api *api,
                   const struct halDeviceProp *prop, unsigned group,
                   size_t bytes, void **out_raw)
{
    struct halDeviceProp real = *prop;
    char name[64], about[256];

    if (!prop->standsOn[0])
        return api->open(prop, group, bytes, out_raw);
    for (int i = 0; halDeviceGetKnownName(name, about, i) == halSuccess; i++) {
        if (strcmp(name, prop->standsOn) != 0)
            continue;
        cut_driver(about);
        snprintf(real.name, sizeof real.name, "%s", about);
        break;
    }
    return api->open(&real, group, bytes, out_raw) ? 1 : 0;
}
