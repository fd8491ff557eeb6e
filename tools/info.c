/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info.c - `halcyon info`: devices, drivers, stand-ins and limits, what is
 * missing and which Debian package brings it.  What is shown comes from the
 * public API; the table of packages is the one thing that only this file
 * knows.
 */
#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hal/hal.h"
#include "tools/commands.h"

extern char **environ;

/* ---- what may be missing ---------------------------------------------------
 */

enum how { LIBRARY, PROGRAM, FILES };

static const struct part {
    const char *name;
    enum how how;
    const char *probe; /* a soname, a program of PATH, or a glob */
    const char *package, *why;
} parts[] = {
    { "OpenCL loader", LIBRARY, "libOpenCL.so.1", "ocl-icd-libopencl1",
      "OpenCL devices" },
    { "PoCL", FILES, "/etc/OpenCL/vendors/pocl*.icd", "pocl-opencl-icd",
      "OpenCL on the CPU" },
    { "rusticl", FILES, "/etc/OpenCL/vendors/rusticl*.icd", "mesa-opencl-icd",
      "OpenCL on Mesa's drivers; set RUSTICL_ENABLE=llvmpipe for the CPU" },
    { "Vulkan loader", LIBRARY, "libvulkan.so.1", "libvulkan1",
      "Vulkan devices" },
    { "Vulkan drivers", FILES, "/usr/share/vulkan/icd.d/*.json",
      "mesa-vulkan-drivers", "Vulkan on Mesa's drivers and the CPU" },
    /* libshaderc1 alone cannot be loaded on Debian 12: glslc brings what it
     * lacks. */
    { "glslc", PROGRAM, "glslc", "glslc", "halModuleLoadSource on Vulkan" },
    { "NVIDIA driver", LIBRARY, "libcuda.so.1", "libcuda1", "CUDA devices" },
    { "C compiler", PROGRAM, "cc", "gcc", "halModuleLoadSource on the CPU" },
};
#define N_PARTS (sizeof parts / sizeof *parts)

static int program_is_there(const char *name)
{
    const char *path = getenv("PATH");
    char full[4096];

    while (path && *path) {
        size_t n = strcspn(path, ":");

        snprintf(full, sizeof full, "%.*s/%s", (int)n, path, name);
        if (access(full, X_OK) == 0)
            return 1;
        path += n + (path[n] == ':');
    }
    return 0;
}

static int part_is_there(const struct part *part)
{
    glob_t found;
    void *library;
    int there = 0;

    switch (part->how) {
    case LIBRARY:
        library = dlopen(part->probe, RTLD_LAZY | RTLD_LOCAL);
        if (library)
            dlclose(library);
        return library != NULL;
    case PROGRAM:
        return program_is_there(part->probe);
    case FILES:
        there = glob(part->probe, 0, NULL, &found) == 0 && found.gl_pathc > 0;
        globfree(&found);
        return there;
    }
    return 0;
}

/* Settings that decide which devices there are. */
static int is_setting(const char *pair)
{
    static const char *const prefixes[] = {
        "HALCYON_",        "POCL_",
        "RUSTICL_",        "OCL_ICD_",
        "OPENCL_",         "LP_",
        "VK_DRIVER_FILES", "VK_ICD_FILENAMES",
        "VK_LAYER_",       "VK_INSTANCE_LAYERS",
        "CUDA_VISIBLE_",   "CUDA_DEVICE_",
        "CUDA_CACHE_",     "CUDA_LAUNCH_BLOCKING",
        "CUDA_MODULE_",    "CUDA_MPS_",
    };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(pair, prefixes[i], strlen(prefixes[i])))
            return strchr(pair, '=') != NULL;
    return 0;
}

/* ---- words -----------------------------------------------------------------
 */

static const char *const dtype_names[] = {
    [halF32] = "f32",   [halF16] = "f16",   [halBF16] = "bf16",
    [halF64] = "f64",   [halI8] = "i8",     [halU8] = "u8",
    [halI16] = "i16",   [halU16] = "u16",   [halI32] = "i32",
    [halU32] = "u32",   [halI64] = "i64",   [halU64] = "u64",
    [halE4M3] = "e4m3", [halE5M2] = "e5m2",
};
_Static_assert(sizeof dtype_names / sizeof *dtype_names == halDtypeCount,
               "a name for each format");

static void dtype_text(uint32_t mask, char *text, size_t room)
{
    size_t n = 0;

    text[0] = 0;
    for (int i = 0; i < halDtypeCount; i++)
        if (mask >> i & 1 && n < room)
            n += (size_t)snprintf(text + n, room - n, "%s%s", n ? " " : "",
                                  dtype_names[i]);
}

static void bytes_text(uint64_t bytes, char *text, size_t room)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    int unit = 0;

    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, room, "%.4g %s", value, units[unit]);
}

/* ---- text ------------------------------------------------------------------
 */

static void row(const char *name, const char *value)
{
    if (value[0])
        printf("  %-16s %s\n", name, value);
}

static void bytes_row(const char *name, uint64_t bytes)
{
    char text[32];

    bytes_text(bytes, text, sizeof text);
    row(name, bytes ? text : "");
}

static void number_row(const char *name, uint64_t value, const char *unit)
{
    char text[64];

    snprintf(text, sizeof text, "%" PRIu64 "%s", value, unit);
    row(name, value ? text : "");
}

static void print_device(const struct halDeviceProp *p)
{
    char text[256];

    printf("%s  %s\n", p->halName, p->name);
    row("driver", p->driver);
    row("stands on", p->standsOn);
    bytes_row("memory", p->totalGlobalMem);
    bytes_row("largest block", p->maxAllocBytes);
    bytes_row("shared memory", p->sharedMemPerBlock);
    snprintf(text, sizeof text, "%u (%u x %u x %u)", p->maxThreadsPerBlock,
             p->maxThreadsDim[0], p->maxThreadsDim[1], p->maxThreadsDim[2]);
    row("threads a group", text);
    snprintf(text, sizeof text, "%u x %u x %u", p->maxGridSize[0],
             p->maxGridSize[1], p->maxGridSize[2]);
    row("grid", text);
    number_row("warp", p->warpSize, p->warpSize == 1 ? " (none)" : " lanes");
    number_row("multiprocessors", p->multiProcessorCount, "");
    number_row("clock", p->clockRate / 1000, " MHz");
    number_row("alignment", p->memAlign, " B");
    dtype_text(p->dtypes, text, sizeof text);
    row("stores", text);
    dtype_text(p->dtypesNative, text, sizeof text);
    row("computes", text);
    snprintf(text, sizeof text, "%s%s%s%s",
             p->integrated ? "shares host memory; " : "",
             p->canMapHostMemory ? "maps host memory; " : "",
             p->managedMemory ? "managed memory; " : "",
             p->concurrentKernels ? "concurrent kernels; " : "");
    if (text[0])
        text[strlen(text) - 2] = 0;
    row("abilities", text);
    putchar('\n');
}

static int print_devices(int count)
{
    struct halDeviceProp prop;
    int bad = 0;

    for (int i = 0; i < count; i++) {
        if (halGetDeviceProperties(&prop, i) == halSuccess) {
            print_device(&prop);
        } else {
            fprintf(stderr, "halcyon info: device %d: %s\n", i,
                    halGetErrorDetail());
            bad = 1;
        }
    }
    if (count == 0)
        puts("no device\n");
    return bad;
}

/* What the backend has to say, without its name in front. */
static const char *note_of(const struct halBackendInfo *info)
{
    size_t n = strlen(info->name);

    if (!strncmp(info->note, info->name, n) && info->note[n] == ':')
        return info->note + n + 1 + (info->note[n + 1] == ' ');
    if (!info->note[0] && info->status != halSuccess)
        return halGetErrorString(info->status);
    return info->note;
}

static void print_backends(void)
{
    struct halBackendInfo info;

    puts("backends");
    for (int i = 0; halBackendGetInfo(&info, i) == halSuccess; i++) {
        const char *note = note_of(&info);
        char text[512];

        snprintf(text, sizeof text, "%d device%s%s%s", info.deviceCount,
                 info.deviceCount == 1 ? "" : "s", note[0] ? ": " : "", note);
        row(info.name, text);
    }
    putchar('\n');
}

static void print_known(void)
{
    char name[64], about[256];

    puts("devices and stand-ins that --device and HALCYON_DEVICES can name");
    for (int i = 0; halDeviceGetKnownName(name, about, i) == halSuccess; i++)
        row(name, about[0] ? about : "-");
    putchar('\n');
}

static void print_parts(void)
{
    int missing = 0;

    for (size_t i = 0; i < N_PARTS; i++) {
        if (part_is_there(&parts[i]))
            continue;
        if (missing++ == 0)
            puts("missing");
        printf("  %-16s %s: apt-get install %s\n", parts[i].name, parts[i].why,
               parts[i].package);
    }
    if (missing)
        putchar('\n');
}

static void print_settings(void)
{
    int n = 0;

    for (char **e = environ; *e; e++)
        if (is_setting(*e)) {
            if (n++ == 0)
                puts("settings in force");
            printf("  %s\n", *e);
        }
}

/* ---- JSON ------------------------------------------------------------------
 */

static void add_dims(cJSON *o, const char *key, const uint32_t dims[3])
{
    cJSON *array = cJSON_AddArrayToObject(o, key);

    for (int i = 0; i < 3; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber(dims[i]));
}

static void add_dtypes(cJSON *o, const char *key, uint32_t mask)
{
    cJSON *array = cJSON_AddArrayToObject(o, key);

    for (int i = 0; i < halDtypeCount; i++)
        if (mask >> i & 1)
            cJSON_AddItemToArray(array, cJSON_CreateString(dtype_names[i]));
}

/* Fields of halDeviceProp that JSON shows under their own names. */
#define NUMBERS(X)                 \
    X(totalGlobalMem)              \
    X(maxAllocBytes)               \
    X(sharedMemPerBlock)           \
    X(sharedMemPerBlockOptin)      \
    X(memPitch)                    \
    X(pitchAlign)                  \
    X(memAlign)                    \
    X(warpSize)                    \
    X(maxThreadsPerBlock)          \
    X(maxThreadsPerMultiProcessor) \
    X(multiProcessorCount)         \
    X(clockRate)                   \
    X(memoryClockRate)             \
    X(memoryBusWidth)              \
    X(l2CacheSize)                 \
    X(major)                       \
    X(minor)                       \
    X(asyncEngineCount)            \
    X(maxLoopSteps)
#define FLAGS(X)         \
    X(integrated)        \
    X(canMapHostMemory)  \
    X(managedMemory)     \
    X(concurrentKernels) \
    X(unifiedAddressing) \
    X(streamPrioritiesSupported)

static cJSON *device_json(int ordinal)
{
    cJSON *o = cJSON_CreateObject();
    struct halDeviceProp p;

    cJSON_AddNumberToObject(o, "ordinal", ordinal);
    if (halGetDeviceProperties(&p, ordinal) != halSuccess) {
        cJSON_AddStringToObject(o, "error", halGetErrorDetail());
        return o;
    }
    cJSON_AddStringToObject(o, "name", p.halName);
    cJSON_AddStringToObject(o, "product", p.name);
    cJSON_AddStringToObject(o, "backend", p.backend);
    cJSON_AddStringToObject(o, "driver", p.driver);
    cJSON_AddStringToObject(o, "standsOn", p.standsOn);
#define X(field) cJSON_AddNumberToObject(o, #field, (double)p.field);
    NUMBERS(X)
#undef X
    add_dims(o, "maxThreadsDim", p.maxThreadsDim);
    add_dims(o, "maxGridSize", p.maxGridSize);
    add_dtypes(o, "dtypes", p.dtypes);
    add_dtypes(o, "dtypesNative", p.dtypesNative);
#define X(field) cJSON_AddBoolToObject(o, #field, p.field);
    FLAGS(X)
#undef X
    return o;
}

static void add_backends(cJSON *root)
{
    cJSON *array = cJSON_AddArrayToObject(root, "backends");
    struct halBackendInfo info;

    for (int i = 0; halBackendGetInfo(&info, i) == halSuccess; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "name", info.name);
        cJSON_AddNumberToObject(o, "deviceCount", info.deviceCount);
        cJSON_AddStringToObject(o, "status", halGetErrorName(info.status));
        cJSON_AddStringToObject(o, "note", info.note);
        cJSON_AddItemToArray(array, o);
    }
}

static void add_known(cJSON *root)
{
    cJSON *array = cJSON_AddArrayToObject(root, "known");
    char name[64], about[256];

    for (int i = 0; halDeviceGetKnownName(name, about, i) == halSuccess; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "name", name);
        cJSON_AddStringToObject(o, "about", about);
        cJSON_AddItemToArray(array, o);
    }
}

static void add_parts(cJSON *root)
{
    cJSON *array = cJSON_AddArrayToObject(root, "parts");

    for (size_t i = 0; i < N_PARTS; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "name", parts[i].name);
        cJSON_AddBoolToObject(o, "present", part_is_there(&parts[i]));
        cJSON_AddStringToObject(o, "package", parts[i].package);
        cJSON_AddStringToObject(o, "why", parts[i].why);
        cJSON_AddItemToArray(array, o);
    }
}

static void add_settings(cJSON *root)
{
    cJSON *o = cJSON_AddObjectToObject(root, "settings");

    for (char **e = environ; *e; e++) {
        char *name;

        if (!is_setting(*e))
            continue;
        name = strndup(*e, strcspn(*e, "="));
        if (name)
            cJSON_AddStringToObject(o, name, strchr(*e, '=') + 1);
        free(name);
    }
}

static int print_json(int count)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *devices;
    char version[32], *text;

    snprintf(version, sizeof version, "%d.%d.%d", HAL_VERSION_MAJOR,
             HAL_VERSION_MINOR, HAL_VERSION_PATCH);
    cJSON_AddStringToObject(root, "schema", "halcyon.info/1");
    cJSON_AddStringToObject(root, "version", version);
    devices = cJSON_AddArrayToObject(root, "devices");
    for (int i = 0; i < count; i++)
        cJSON_AddItemToArray(devices, device_json(i));
    add_backends(root);
    add_known(root);
    add_parts(root);
    add_settings(root);
    text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) {
        fputs("halcyon info: out of memory\n", stderr);
        return 3;
    }
    puts(text);
    cJSON_free(text);
    return 0;
}

/* Loads drivers in a child, so that one that crashes leaves a word: 0 in the
 * child, or if there can be none; in the parent 1 and the status. */
static int is_parent(int *out_status)
{
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    if (child <= 0)
        return 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    *out_status = WIFEXITED(status) ? WEXITSTATUS(status) : 3;
    if (!WIFSIGNALED(status))
        return 1;
    switch (WTERMSIG(status)) {
    case SIGPIPE:
    case SIGHUP:
    case SIGINT:
    case SIGTERM: /* no driver's doing */
        raise(WTERMSIG(status));
        break;
    default:
        fprintf(stderr,
                "halcyon info: a driver ended it (%s): HALCYON_DEVICES=cpu "
                "loads none;\nadd opencl, vulkan, cuda one by one to see "
                "whose it is\n",
                strsignal(WTERMSIG(status)));
    }
    return 1;
}

int cmd_info(int argc, char **argv)
{
    int json = argc == 2 && !strcmp(argv[1], "--json");
    int help =
        argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
    int count = 0, st = 0;

    if (help || (argc > 1 && !json)) {
        fputs("usage: halcyon info [--json]\n"
              "\n"
              "Lists the devices found with their drivers and limits, what\n"
              "--device can name, what is missing with the package that\n"
              "brings it, and the settings in force.\n"
              "\n"
              "  --json  the same for programs, schema halcyon.info/1\n"
              "\n"
              "Exit status: 0 all shown, 2 usage, 3 a device or\n"
              "HALCYON_DEVICES is not usable.\n",
              help ? stdout : stderr);
        return help ? 0 : 2;
    }
    if (is_parent(&st))
        return st;
    if (halGetDeviceCount(&count) != halSuccess) {
        fprintf(stderr, "halcyon info: %s\n", halGetErrorDetail());
        st = 3;
    }
    if (json)
        return print_json(count) ? 3 : st;
    if (print_devices(count))
        st = 3;
    print_backends();
    print_known();
    print_parts();
    print_settings();
    return st;
}
