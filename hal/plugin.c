/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.c - backends from outside: libhalcyon-<name>.so in the folders of
 * HALCYON_BACKEND_PATH, and then in the one where Halcyon is installed, with
 * the symbol hal_backend_plugin.
 *
 * Invariant: a broken plug-in is reported and skipped.  It is first loaded,
 * probed and opened in a child process, so that one which crashes or hangs
 * there costs the child.
 */
#include "hal/internal.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* In words; a symbol of ours that is missing has a remedy. */
static halError_t open_fail(const char *path, const char *error)
{
    static const char undefined[] = "undefined symbol: ";
    const char *symbol = strstr(error, undefined);

    if (!symbol || strncmp(symbol + strlen(undefined), "hal_", 4))
        return hal_fail(halErrorNoDriver, "%.200s", error);
    symbol += strlen(undefined);
    return hal_fail(halErrorNoDriver,
                    "%.90s wants %.*s, which this program does not show to "
                    "plug-ins: link it with -rdynamic, or with libhalcyon.so "
                    "(or the plug-in is of another version)",
                    path, (int)strcspn(symbol, " ,\n"), symbol);
}

static const struct hal_backend *plugin_open(const char *path,
                                             struct trial *trial)
{
    const struct hal_backend *backend = NULL;
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!lib) {
        trial->status = open_fail(path, dlerror());
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
        if (trial->status == halSuccess)
            trial->status = hal__prop_check(backend, dev);
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

/* A plug-in that calls exit() must not run the program's own ends, or print
 * what the program had not printed yet. */
static void leave(int status, void *arg)
{
    (void)arg;
    _exit(status);
}

/* Says how the child ended that brought no answer. */
static void trial_ended(const char *path, int status, struct trial *trial)
{
    char *note = trial->note;

    trial->status = halErrorNoDriver;
    if (status < 0)
        snprintf(note, sizeof trial->note,
                 "%.140s ends its process in its probe (how is not known: "
                 "this program collects its children itself)",
                 path);
    else if (WIFSIGNALED(status))
        snprintf(note, sizeof trial->note,
                 "%.180s crashes in its probe (signal %d)", path,
                 WTERMSIG(status));
    else
        snprintf(note, sizeof trial->note,
                 "%.140s ends its process when it is loaded or probed (exit "
                 "status %d)",
                 path, WEXITSTATUS(status));
}

static void trial_in_child(const char *path, struct trial *trial)
{
    int fds[2], status, is_hung;
    ssize_t got;
    pid_t pid;

    /* A program that starts others meanwhile must not hand it on. */
    if (pipe2(fds, O_CLOEXEC)) {
        trial->status = halErrorNoDriver;
        snprintf(trial->note, sizeof trial->note, "pipe: %s", strerror(errno));
        return;
    }
    pid = fork();
    if (pid == 0) {
        ssize_t put;

        close(fds[0]);
        on_exit(leave, NULL);
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
    trial_ended(path, status, trial);
    if (is_hung)
        snprintf(trial->note, sizeof trial->note,
                 "%.180s hangs in its probe (%d s)", path,
                 TRIAL_LIMIT_MS / 1000);
}

/* A pipe would keep dlopen waiting for its writer until the trial's end. */
static int is_openable(const char *path, struct trial *trial)
{
    struct stat is;

    if (stat(path, &is) || S_ISREG(is.st_mode))
        return 1; /* what is not there, dlopen names */
    trial->status = halErrorNoDriver;
    snprintf(trial->note, sizeof trial->note, "%.220s: no regular file", path);
    return 0;
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
    if (is_openable(path, &trial))
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
    if (e->backend) {
        /* A copy of another plug-in that was not renamed within, as a rule. */
        if (strcmp(e->info.name, e->backend->name) != 0)
            snprintf(trial.note, sizeof trial.note,
                     "%.150s calls itself '%s': that is what its devices are "
                     "named after",
                     file, e->backend->name);
        snprintf(e->info.name, sizeof e->info.name, "%s", e->backend->name);
    }
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

/* Whether a backend has the name that the file gives its own. */
static int is_taken(const struct hal_registry *reg, const char *file)
{
    size_t len = strlen(file) - strlen(PREFIX) - 3;
    int i;

    for (i = 0; i < reg->n_backends; i++)
        if (strlen(reg->backends[i].info.name) == len &&
            !memcmp(reg->backends[i].info.name, file + strlen(PREFIX), len))
            return 1;
    return 0;
}

/* With `setting`, the variable that names the folder, what is wrong is
 * reported; else it need not exist, and what is there already wins. */
static void add_folder(struct hal_registry *reg, const char *folder,
                       const char *setting)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_plugin, alphasort), i;

    if (n < 0 && setting)
        hal__registry_note(reg, "plug-ins", "%s: %.180s: %s", setting, folder,
                           strerror(errno));
    else if (!n && setting)
        hal__registry_note(reg, "plug-ins",
                           "%s: %.180s: no libhalcyon-NAME.so is in it",
                           setting, folder);
    for (i = 0; i < n; i++) {
        if (setting || !is_taken(reg, entries[i]->d_name))
            plugin_add(reg, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* PREFIX/lib/halcyon, told from PREFIX/lib/libhalcyon.so or, where Halcyon is
 * part of the program, from PREFIX/bin/program; 0 if neither is known. */
static int installed_folder(char *folder, size_t room)
{
    char self[4096] = "", *base;
    Dl_info is;

    if (!dladdr(hal_builtin_backends, &is) || !is.dli_fname)
        return 0;
    /* A program that was found in PATH has no folder in its name. */
    if (strchr(is.dli_fname, '/')
            ? !realpath(is.dli_fname, self)
            : readlink("/proc/self/exe", self, sizeof self - 1) <= 0)
        return 0;
    base = strrchr(self, '/');
    if (!base)
        return 0;
    *base++ = 0;
    return snprintf(folder, room, "%s%s", self,
                    strncmp(base, "libhalcyon.so", 13)
                        ? "/../lib/halcyon"
                        : "/halcyon") < (int)room;
}

void hal__plugin_load_all(struct hal_registry *reg)
{
    const char *path = getenv("HALCYON_BACKEND_PATH");
    char folder[4096];

    while (hal__path_next(&path, folder, sizeof folder))
        add_folder(reg, folder, "HALCYON_BACKEND_PATH");
    if (installed_folder(folder, sizeof folder))
        add_folder(reg, folder, NULL);
}
