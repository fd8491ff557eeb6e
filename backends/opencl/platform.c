/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.c - the list of devices: all platforms, all device types.
 * Invariant: the order does not depend on the order in which the ICD loader
 * read its directory: platforms by name, devices as their platform has them.
 */
#include "backends/opencl/opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_PLATFORMS 32
#define MAX_DEVICES   64

struct platform {
    cl_platform_id id;
    unsigned index; /* in the loader's order */
    char name[128];
    char version[128];
    unsigned quirks;
};

static struct opencl_device devices[MAX_DEVICES];
static unsigned n_devices;

static void trim(char *text)
{
    size_t n = strlen(text);

    while (n && (text[n - 1] == ' ' || text[n - 1] == '\n'))
        text[--n] = '\0';
}

void opencl_device_string(cl_device_id id, cl_device_info what, char *text,
                          size_t size)
{
    size_t need = 0;
    char *all = NULL;

    text[0] = '\0';
    if (opencl_cl.GetDeviceInfo(id, what, 0, NULL, &need) != CL_SUCCESS ||
        !need)
        return;
    all = calloc(1, need + 1);
    if (!all)
        return;
    if (opencl_cl.GetDeviceInfo(id, what, need, all, NULL) == CL_SUCCESS)
        snprintf(text, size, "%s", all);
    trim(text);
    free(all);
}

static void platform_string(cl_platform_id id, cl_platform_info what,
                            char *text, size_t size)
{
    size_t need = 0;
    char *all = NULL;

    text[0] = '\0';
    if (opencl_cl.GetPlatformInfo(id, what, 0, NULL, &need) != CL_SUCCESS ||
        !need)
        return;
    all = calloc(1, need + 1);
    if (!all)
        return;
    if (opencl_cl.GetPlatformInfo(id, what, need, all, NULL) == CL_SUCCESS)
        snprintf(text, size, "%s", all);
    trim(text);
    free(all);
}

static int by_name(const void *a, const void *b)
{
    const struct platform *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (!order)
        order = strcmp(x->version, y->version);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Whether the comma-separated list holds a part of the name. */
static bool asked_for(const char *list, const char *name)
{
    while (*list) {
        char want[128];
        size_t n = strcspn(list, ",");

        snprintf(want, sizeof want, "%.*s", (int)n, list);
        if (want[0] && strcasestr(name, want))
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

static bool admitted(const struct platform *p, unsigned n_platforms)
{
    const char *list = getenv("HALCYON_OPENCL_PLATFORMS");

    if (list && *list)
        return asked_for(list, p->name);
    return !(p->quirks & OPENCL_QUIRK_HIDDEN) || n_platforms == 1;
}

static void device_add(const struct platform *p, cl_device_id id)
{
    struct opencl_device d = { .platform = p->id, .id = id };
    char version[128];
    const char *end;
    int major = 0, minor = 0, length;

    opencl_device_string(id, CL_DEVICE_VERSION, version, sizeof version);
    /* 1.2 brought what this backend stands on: fills and barriers. */
    if (sscanf(version, "OpenCL %d.%d", &major, &minor) != 2 ||
        major * 10 + minor < 12)
        return;
    d.quirks = opencl_quirks(p->name, version);
    snprintf(d.platform_name, sizeof d.platform_name, "%s", p->name);
    opencl_device_string(id, CL_DEVICE_NAME, d.name, sizeof d.name);
    if (!d.name[0])
        snprintf(d.name, sizeof d.name, "unnamed OpenCL device");
    opencl_device_string(id, CL_DRIVER_VERSION, d.driver_version,
                         sizeof d.driver_version);
    /* PoCL's version goes on with how it was built, after two blanks. */
    end = strstr(p->version, "  ");
    length = end ? (int)(end - p->version) : (int)strlen(p->version);
    (void)snprintf(d.driver, sizeof d.driver, "%s, %.*s, driver %s", p->name,
                   length, p->version, d.driver_version);
    devices[n_devices++] = d;
}

static void platform_add(const struct platform *p)
{
    cl_device_id ids[MAX_DEVICES];
    cl_uint n = 0;

    /* A platform without devices, or one that fails, offers none: it must not
     * hide the others. */
    if (opencl_cl.GetDeviceIDs(p->id, CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids,
                               &n) != CL_SUCCESS)
        return;
    for (cl_uint i = 0; i < n && i < MAX_DEVICES; i++)
        if (n_devices < MAX_DEVICES)
            device_add(p, ids[i]);
}

halError_t opencl_platform_list(unsigned *out_count)
{
    cl_platform_id ids[MAX_PLATFORMS];
    struct platform platforms[MAX_PLATFORMS];
    cl_uint n = 0;
    cl_int code;

    code = opencl_cl.GetPlatformIDs(MAX_PLATFORMS, ids, &n);
    if (code != CL_SUCCESS || !n)
        return hal_fail(halErrorNoDriver,
                        "opencl: libOpenCL knows no driver (%s); install one, "
                        "such as pocl-opencl-icd",
                        code == CL_SUCCESS ? "zero platforms"
                                           : opencl_error_name(code));
    if (n > MAX_PLATFORMS)
        n = MAX_PLATFORMS;
    for (cl_uint i = 0; i < n; i++) {
        struct platform *p = &platforms[i];

        memset(p, 0, sizeof *p);
        p->id = ids[i];
        p->index = i;
        platform_string(p->id, CL_PLATFORM_NAME, p->name, sizeof p->name);
        platform_string(p->id, CL_PLATFORM_VERSION, p->version,
                        sizeof p->version);
        p->quirks = opencl_quirks(p->name, "");
    }
    qsort(platforms, n, sizeof platforms[0], by_name);
    n_devices = 0;
    for (cl_uint i = 0; i < n; i++)
        if (admitted(&platforms[i], n))
            platform_add(&platforms[i]);
    if (!n_devices)
        return hal_fail(halErrorNoDriver,
                        "opencl: none of the %u platforms offers an OpenCL "
                        "1.2 device; install a driver, such as "
                        "pocl-opencl-icd, or check HALCYON_OPENCL_PLATFORMS",
                        n);
    *out_count = n_devices;
    return halSuccess;
}

const struct opencl_device *opencl_platform_get(unsigned index)
{
    return index < n_devices ? &devices[index] : NULL;
}
