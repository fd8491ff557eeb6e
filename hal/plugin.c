/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.c - backends from outside: libhalcyon-<name>.so in the folders of
 * HALCYON_BACKEND_PATH, with the symbol hal_backend_plugin.
 *
 * Invariant: a broken plug-in is reported and skipped.  It is first loaded,
 * probed and opened in a child process, so that one which crashes or hangs
 * there costs the child.
 */
#include "hal/internal.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "libhalcyon-"
/* A driver may compile something at its first start; longer is a hang. */
#define TRIAL_LIMIT_MS 20000

struct trial {
    halError_t status;
    char note[256];
};

static const struct hal_backend *plugin_open(const char *path,
                                             struct trial *trial)
{
    const struct hal_backend *backend = NULL;
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!lib) {
        trial->status = hal_fail(halErrorNoDriver, "%.200s", dlerror());
    } else {
        backend = dlsym(lib, "hal_backend_plugin");
        trial->status =
            backend ? hal__contract_backend(backend, path)
                    : hal_fail(halErrorAbiMismatch,
                               "%.200s: no symbol hal_backend_plugin", path);
    }
    if (trial->status != halSuccess) {
        snprintf(trial->note, sizeof trial->note, "%.255s",
                 halGetErrorDetail());
        return NULL;
    }
    return backend; /* stays loaded for good: its code may run threads */
}

/* In the child: everything that could go wrong before the first call. */
static void trial_run(const char *path, struct trial *trial)
{
    const struct hal_backend *backend = plugin_open(path, trial);
    struct hal_dev *dev = NULL;
    unsigned count = 0;

    if (!backend)
        return;
    trial->status = backend->probe(&count);
    if (trial->status == halSuccess && count) {
        char name[256] = "", driver[256] = "";

        trial->status = backend->describe(0, name, driver);
        /* The table of ops is seen only on an opened device. */
        if (trial->status == halSuccess)
            trial->status = backend->device_open(0, &dev);
        if (trial->status == halSuccess)
            trial->status = hal__contract_check(backend, dev);
    }
    if (trial->status != halSuccess)
        snprintf(trial->note, sizeof trial->note, "%.255s",
                 halGetErrorDetail());
}

static void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

/* Waits for the child, and kills it when its time is up. */
static int child_wait(pid_t pid, int *out_is_hung)
{
    int status = 0, waited_ms;

    *out_is_hung = 0;
    for (waited_ms = 0; waited_ms < TRIAL_LIMIT_MS; waited_ms += 5) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return -1; /* the program reaps children itself */
        sleep_ms(5);
    }
    *out_is_hung = 1;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return status;
}

static void trial_in_child(const char *path, struct trial *trial)
{
    int fds[2], status, is_hung;
    ssize_t got;
    pid_t pid;

    if (pipe(fds)) {
        trial->status = halErrorNoDriver;
        snprintf(trial->note, sizeof trial->note, "pipe: %s", strerror(errno));
        return;
    }
    pid = fork();
    if (pid == 0) {
        ssize_t put;

        close(fds[0]);
        trial_run(path, trial);
        put = write(fds[1], trial, sizeof *trial);
        _exit(put == sizeof *trial ? 0 : 1);
    }
    close(fds[1]);
    if (pid < 0) {
        trial->status = halErrorNoDriver;
        snprintf(trial->note, sizeof trial->note, "fork: %s", strerror(errno));
        close(fds[0]);
        return;
    }
    status = child_wait(pid, &is_hung);
    /* Smaller than a pipe's buffer: it is there whole, or not at all. */
    got = is_hung ? 0 : read(fds[0], trial, sizeof *trial);
    close(fds[0]);
    if (got == (ssize_t)sizeof *trial)
        return;
    trial->status = halErrorNoDriver;
    if (is_hung)
        snprintf(trial->note, sizeof trial->note,
                 "%.180s hangs in its probe (%d s)", path,
                 TRIAL_LIMIT_MS / 1000);
    else
        snprintf(trial->note, sizeof trial->note,
                 "%.180s crashes in its probe (signal %d)", path,
                 status > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void plugin_add(struct hal_registry *reg, const char *folder,
                       const char *file)
{
    struct hal_backend_entry *e;
    struct trial trial = { halSuccess, "" };
    char path[4096];
    int i;

    if (reg->n_backends == HAL_MAX_BACKENDS ||
        snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path)
        return;
    e = &reg->backends[reg->n_backends];
    memset(e, 0, sizeof *e);
    snprintf(e->info.name, sizeof e->info.name, "%.*s",
             (int)(strlen(file) - strlen(PREFIX) - 3), file + strlen(PREFIX));
    trial_in_child(path, &trial);
    if (trial.status == halSuccess)
        e->backend = plugin_open(path, &trial);
    for (i = 0; i < reg->n_backends && e->backend; i++) {
        if (!strcmp(reg->backends[i].info.name, e->backend->name)) {
            trial.status = halErrorAbiMismatch;
            snprintf(trial.note, sizeof trial.note,
                     "%.180s: a backend '%s' is there already", path,
                     e->backend->name);
            e->backend = NULL;
        }
    }
    if (e->backend)
        snprintf(e->info.name, sizeof e->info.name, "%s", e->backend->name);
    e->info.status = trial.status;
    memcpy(e->info.note, trial.note, sizeof e->info.note);
    reg->n_backends++;
}

static int is_plugin(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > strlen(PREFIX) + 3 &&
           !strncmp(entry->d_name, PREFIX, strlen(PREFIX)) &&
           !strcmp(entry->d_name + len - 3, ".so");
}

void hal__plugin_load_all(struct hal_registry *reg)
{
    const char *path = getenv("HALCYON_BACKEND_PATH");

    while (path && *path) {
        size_t len = strcspn(path, ":");
        struct dirent **entries = NULL;
        char folder[4000];
        int n, i;

        if (len && len < sizeof folder) {
            memcpy(folder, path, len);
            folder[len] = 0;
            n = scandir(folder, &entries, is_plugin, alphasort);
            for (i = 0; i < n; i++) {
                plugin_add(reg, folder, entries[i]->d_name);
                free(entries[i]);
            }
            free(entries);
        }
        path += len;
        path += strspn(path, ":");
    }
}
