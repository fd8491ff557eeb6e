/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - how many CPUs and how much memory the process may use: the
 * machine's, lowered by the control groups (v1 and v2) that it is in and by
 * every group above.  Reads files only; what is absent limits nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "backends/cpu/cpu.h"

#define PATH_BYTES 1024

/* The file's text, cut at size - 1; false if it cannot be read. */
static bool read_text(char *text, size_t size, const char *path)
{
    FILE *f = fopen(path, "re");
    size_t n;

    if (!f)
        return false;
    n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return n > 0;
}

static bool read_u64(const char *dir, const char *file, uint64_t *out_value)
{
    char path[PATH_BYTES + 64], text[64], *end;
    unsigned long long value;

    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (!read_text(text, sizeof text, path))
        return false;
    value = strtoull(text, &end, 10); /* "max" has no digits: no limit */
    if (end == text || text[0] == '-')
        return false;
    *out_value = value;
    return true;
}

/* "key value" or "key: value" anywhere in the text. */
static bool find_u64(const char *text, const char *key, uint64_t *out_value)
{
    size_t n = strlen(key);

    for (const char *p = text; p; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, key, n) == 0 && (p[n] == ':' || p[n] == ' ')) {
            *out_value = strtoull(p + n + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

static void lower_cpus(struct cpu_limits *out, double cpus)
{
    if (cpus > 0 && (out->cpus == 0 || cpus < out->cpus))
        out->cpus = cpus;
}

static void quota_of(const char *dir, struct cpu_limits *out)
{
    char path[PATH_BYTES + 64], text[64];
    unsigned long long quota, period;
    uint64_t quota_us, period_us;

    snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (read_text(text, sizeof text, path) &&
        sscanf(text, "%llu %llu", &quota, &period) == 2 && period)
        lower_cpus(out, (double)quota / (double)period);
    /* v1: -1 means none, and is refused by read_u64 */
    if (read_u64(dir, "cpu.cfs_quota_us", &quota_us) &&
        read_u64(dir, "cpu.cfs_period_us", &period_us) && period_us)
        lower_cpus(out, (double)quota_us / (double)period_us);
}

/* Page cache that the kernel gives back on demand counts as free. */
static void memory_of(const char *dir, struct cpu_limits *out)
{
    char path[PATH_BYTES + 64], text[8192];
    uint64_t limit, used = 0, cache = 0, left;

    if (!read_u64(dir, "memory.max", &limit) &&
        !read_u64(dir, "memory.limit_in_bytes", &limit))
        return;
    if (!read_u64(dir, "memory.current", &used))
        (void)read_u64(dir, "memory.usage_in_bytes", &used);
    snprintf(path, sizeof path, "%s/memory.stat", dir);
    if (read_text(text, sizeof text, path) &&
        !find_u64(text, "total_inactive_file", &cache))
        (void)find_u64(text, "inactive_file", &cache);
    used -= cache < used ? cache : used;
    left = limit > used ? limit - used : 0;
    if (!out->memory_total || limit < out->memory_total)
        out->memory_total = limit;
    if (left < out->memory_free)
        out->memory_free = left;
}

/* Applies `read` to the group `path` beneath `mount` and to all above it. */
static void walk_up(const char *mount, const char *path,
                    void (*read)(const char *dir, struct cpu_limits *out),
                    struct cpu_limits *out)
{
    char dir[PATH_BYTES];
    size_t mount_length = strlen(mount);
    int n = snprintf(dir, sizeof dir, "%s%s", mount,
                     strcmp(path, "/") == 0 ? "" : path);

    /* In a container the path may name a group that is not visible; the walk
     * then still ends at the mount, which is the container's own group. */
    if (n < 0 || (size_t)n >= sizeof dir)
        return;
    for (;;) {
        char *slash;

        read(dir, out);
        slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < mount_length)
            return;
        *slash = '\0';
    }
}

/* One line "id:controllers:path" of /proc/self/cgroup. */
static void group_line(const char *root, char *line, struct cpu_limits *out)
{
    char mount[PATH_BYTES];
    char *controllers = strchr(line, ':'), *path;
    char *one, *rest = NULL;

    if (!controllers || !(path = strchr(controllers + 1, ':')))
        return;
    controllers++;
    *path++ = '\0';
    if (*path != '/')
        return;
    if (!*controllers) { /* v2 */
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        walk_up(mount, path, quota_of, out);
        walk_up(mount, path, memory_of, out);
        return;
    }
    for (one = strtok_r(controllers, ",", &rest); one;
         one = strtok_r(NULL, ",", &rest)) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, one);
        if (strcmp(one, "cpu") == 0)
            walk_up(mount, path, quota_of, out);
        if (strcmp(one, "memory") == 0)
            walk_up(mount, path, memory_of, out);
    }
}

void cpu_limits_read(const char *root, struct cpu_limits *out)
{
    char path[PATH_BYTES], text[8192];
    char *line, *rest = NULL;
    uint64_t kib;

    *out = (struct cpu_limits){ .memory_free = UINT64_MAX };
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (read_text(text, sizeof text, path)) {
        if (find_u64(text, "MemTotal", &kib))
            out->memory_total = kib << 10;
        if (find_u64(text, "MemAvailable", &kib))
            out->memory_free = kib << 10;
    }
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_text(text, sizeof text, path))
        return;
    for (line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        group_line(root, line, out);
}

void cpu_limits_model(const char *root, char *out_name, size_t size)
{
    char path[PATH_BYTES], text[4096];
    const char *found;
    struct utsname machine;

    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    if (read_text(text, sizeof text, path) &&
        (found = strstr(text, "model name")) && (found = strchr(found, ':'))) {
        found += strspn(found, ": \t");
        snprintf(out_name, size, "%.*s", (int)strcspn(found, "\n"), found);
        return;
    }
    snprintf(out_name, size, "%s processor",
             uname(&machine) == 0 ? machine.machine : "unknown");
}
