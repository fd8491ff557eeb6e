/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backends from outside: the search paths, and plug-ins that are broken, exit,
 * crash or hang.  They are loaded once for a process, so each test runs in a
 * child with its own environment.
 */
#include "tests/hal/child_test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

/* In place of the C library's, to look at what a fork would hand on: a program
 * that starts others meanwhile must not hand them the library's files. */
static int n_forks, n_inherited;

static int inherited(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;
    int n = 0;

    while (dir && (e = readdir(dir))) {
        int fd = atoi(e->d_name), flags = fcntl(fd, F_GETFD);

        n += e->d_name[0] != '.' && flags >= 0 && !(flags & FD_CLOEXEC);
    }
    if (dir)
        closedir(dir);
    return n;
}

pid_t fork(void)
{
    static pid_t (*real)(void);

    n_forks++;
    n_inherited = inherited();
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fork");
    return real();
}

/* ---- plug-ins -------------------------------------------------------------
 */

static int run_plugins(void)
{
    int before = inherited(), n;

    n_forks = 0;
    CHECK(halGetDeviceCount(&n) == halSuccess && n == 4);
    CHECK(n_forks > 0 && n_inherited == before);
    CHECK(!strcmp(info_of("good")->name, "good"));
    CHECK(info_of("good")->status == halSuccess);
    CHECK(info_of("crash")->status == halErrorNoDriver);
    CHECK(strstr(info_of("crash")->note, "crashes"));
    CHECK(info_of("oldabi")->status == halErrorAbiMismatch);
    CHECK(strstr(info_of("oldabi")->note, "built for backend ABI 1, "));
    CHECK(info_of("nosymbol")->status == halErrorAbiMismatch);
    CHECK(strstr(info_of("nosymbol")->note, "hal_backend_plugin"));
    CHECK(info_of("hole")->status == halErrorAbiMismatch);
    CHECK(strstr(info_of("hole")->note, "mem_info"));
    CHECK(info_of("exits")->status == halErrorNoDriver);
    CHECK(strstr(info_of("exits")->note, "exit status 0"));
    CHECK(!strstr(info_of("exits")->note, "signal"));
    CHECK(info_of("unlinked")->status == halErrorNoDriver);
    CHECK(strstr(info_of("unlinked")->note, "wants hal_not_there"));
    CHECK(strstr(info_of("unlinked")->note, "-rdynamic"));
    return 0;
}

/* TEST_PROP is for tests/fakes/libhalcyon-three.c. */
static int run_no_prop(void)
{
    CHECK(info_of("three")->status == halErrorAbiMismatch);
    CHECK(strstr(info_of("three")->note, "prop.name"));
    return 0;
}

static int run_name_alone(void)
{
    CHECK(info_of("three")->status == halErrorAbiMismatch);
    CHECK(strstr(info_of("three")->note, "prop.totalGlobalMem"));
    return 0;
}

/* The file is called otherwise, and one of the three is none. */
static int run_trio(void)
{
    int n;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 6);
    CHECK(info_of("trio")->status == halSuccess);
    CHECK(info_of("trio")->deviceCount == 2);
    CHECK(strstr(info_of("trio")->note, "trio:1 is no device: the second"));
    CHECK(halDeviceGetByName(&n, "trio:2") == halSuccess && n == 5);
    CHECK(halDeviceGetByName(&n, "trio:1") == halErrorNotFound);
    return 0;
}

static int run_trio_named(void)
{
    int n;

    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice);
    CHECK(detail_has("trio:1") && detail_has("not plugged in"));
    return 0;
}

static int run_other_name(void)
{
    CHECK(info_of("trio")->status == halSuccess);
    CHECK(strstr(info_of("trio")->note, "libhalcyon-three.so calls itself"));
    CHECK(!info_of("good")->note[0]);
    return 0;
}

static void self_descriptions(const char *path)
{
    unsetenv("TEST_PROP");
    in_child(run_no_prop, NULL, path, NULL);
    setenv("TEST_PROP", "", 1);
    in_child(run_name_alone, NULL, path, NULL);
    setenv("TEST_PROP", "all", 1);
    in_child(run_trio, NULL, path, NULL);
    in_child(run_trio_named, "trio:1", path, NULL);
    setenv("TEST_PROP", "one", 1);
    in_child(run_other_name, NULL, path, NULL);
    unsetenv("TEST_PROP");
}

/* A folder that is not there is no device's fault, and is told all the same;
 * "stand-ins" has the folder's name, "plug-ins" too. */
static int run_missing_folders(void)
{
    int n;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 4);
    CHECK(info_of("plug-ins")->status == halErrorFileIo);
    CHECK(strstr(info_of("plug-ins")->note, "HALCYON_BACKEND_PATH: /nowhere"));
    CHECK(info_of("stand-ins")->status == halErrorFileIo);
    CHECK(strstr(info_of("stand-ins")->note, "HALCYON_PROFILE_PATH: /nix"));
    CHECK(strstr(info_of("stand-ins")->note, "No such file"));
    return 0;
}

static int run_no_complaint(void)
{
    CHECK(!info_of("plug-ins")->name[0] && !info_of("stand-ins")->name[0]);
    return 0;
}

static int run_empty_folder(void)
{
    CHECK(strstr(info_of("plug-ins")->note, "no libhalcyon-NAME.so"));
    return 0;
}

static void missing_folders(void **state)
{
    (void)state;
    in_child(run_missing_folders, NULL, ":/nowhere::", "/nix:");
    in_child(run_no_complaint, NULL, "::", ":/tmp");
    in_child(run_empty_folder, NULL, "/proc/self/net", NULL);
    in_child(run_no_complaint, NULL, NULL, NULL);
}

/* A pipe is not waited for, and a folder not loaded. */
static int run_no_file(void)
{
    struct timespec from, to;
    int n;

    clock_gettime(CLOCK_MONOTONIC, &from);
    CHECK(halGetDeviceCount(&n) == halSuccess && n == 4);
    clock_gettime(CLOCK_MONOTONIC, &to);
    CHECK(to.tv_sec - from.tv_sec < 10); /* the trial's limit is 20 s */
    CHECK(info_of("pipe")->status == halErrorNoDriver);
    CHECK(strstr(info_of("pipe")->note, "libhalcyon-pipe.so: no regular file"));
    CHECK(strstr(info_of("dir")->note, "libhalcyon-dir.so: no regular file"));
    CHECK(strstr(info_of("link")->note, "libhalcyon-link.so: no regular file"));
    return 0;
}

static void no_file(void **state)
{
    char folder[] = "/tmp/halcyon-test-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/libhalcyon-pipe.so", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/libhalcyon-link.so", folder);
    assert_int_equal(symlink("libhalcyon-pipe.so", path), 0);
    snprintf(path, sizeof path, "%s/libhalcyon-dir.so", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    in_child(run_no_file, NULL, folder, NULL);
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

#ifndef __SANITIZE_THREAD__
/* What the program had to print is not printed by a plug-in that exits. */
static int run_unflushed(void)
{
    char text[64] = "";
    int fds[2], n;
    ssize_t got;

    CHECK(!pipe(fds) && dup2(fds[1], 1) == 1);
    close(fds[1]);
    fflush(stdout);
    printf("once");
    CHECK(halGetDeviceCount(&n) == halSuccess);
    fflush(stdout);
    got = read(fds[0], text, sizeof text - 1);
    CHECK(got == 4 && !strcmp(text, "once"));
    return 0;
}
#endif

/* The plug-in of the installation is found; one of the same name in the path
 * replaces it without a word. */
static int run_installed(void)
{
    struct halBackendInfo info;
    int i, n = 0;

    for (i = 0; halBackendGetInfo(&info, i) == halSuccess; i++)
        n += !strcmp(info.name, "good");
    CHECK(n == 1 && info_of("good")->status == halSuccess);
    return 0;
}

static void in_installed(const char *fakes, const char *with_path)
{
    char command[13000], self[4096];

    own_path(self, sizeof self);
    snprintf(command, sizeof command,
             "d=$(mktemp -d) && mkdir -p $d/bin $d/lib/halcyon && "
             "cp '%s' $d/bin/halcyon-test && "
             "cp '%s/libhalcyon-good.so' $d/lib/halcyon && "
             "export HALCYON_BACKEND_PATH='%s' && "
             "$d/bin/halcyon-test installed; rc=$?; "
             "export PATH=$d/bin:$PATH; cd /; halcyon-test installed || rc=1; "
             "rm -r $d; exit $rc",
             self, fakes, with_path);
    assert_int_equal(system(command), 0);
}

static void plugins(void **state)
{
    char path[4096], *slash;
    int up;

    (void)state;
    own_path(path, sizeof path - 64);
    for (up = 0; up < 2; up++) {
        slash = strrchr(path, '/');
        assert_non_null(slash);
        *slash = 0;
    }
    strcat(path, "/fakes");
    strcat(path, "/libhalcyon-good.so");
    if (access(path, R_OK)) {
        print_message("%s is not built (make tests): skipped\n", path);
        skip();
    }
    *strrchr(path, '/') = 0;
    in_installed(path, "");
    in_installed(path, path);
    strcat(path, ":/nowhere::");
    in_child(run_plugins, NULL, path, NULL);
    self_descriptions(path);
#ifndef __SANITIZE_THREAD__ /* which keeps on_exit's functions for later */
    in_child(run_unflushed, NULL, path, NULL);
#endif
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_folders),
        cmocka_unit_test(no_file),
        cmocka_unit_test(plugins),
    };

    if (argc == 2 && !strcmp(argv[1], "installed"))
        return run_installed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
