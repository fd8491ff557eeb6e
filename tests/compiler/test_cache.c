/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk cache: hits, misses, damaged entries, directories that are not to
 * be trusted, and many processes and threads at once.
 */
#include "compiler/compile.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static struct cache_key key_of(const char *text)
{
    const void *part = text;
    size_t size = strlen(text);

    return cache_key_of(&part, &size, 1);
}

/* The only entry's path; "" when there is none. */
static void entry_path(char *out, size_t room)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    out[0] = 0;
    assert_non_null(d);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            snprintf(out, room, "%s/%.200s", dir, e->d_name);
    closedir(d);
}

static size_t count_entries(int hidden)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            n += hidden == (e->d_name[0] == '.');
    closedir(d);
    return n;
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/halcyon-test-XXXXXX");
    return mkdtemp(dir) ? setenv("HALCYON_CACHE_DIR", dir, 1) : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void expect_hit(const char *text, const char *want)
{
    struct cache_key key = key_of(text);
    void *bytes = NULL;
    size_t size = 0;

    assert_int_equal(cache_get(&key, "so", &bytes, &size), 1);
    assert_int_equal(size, strlen(want));
    assert_memory_equal(bytes, want, size);
    free(bytes);
}

static void expect_miss(const char *text, const char *kind)
{
    struct cache_key key = key_of(text);
    void *bytes = (void *)1;
    size_t size = 2;

    assert_int_equal(cache_get(&key, kind, &bytes, &size), 0);
    assert_ptr_equal(bytes, (void *)1);
}

static void put(const char *text, const char *value)
{
    struct cache_key key = key_of(text);

    cache_put(&key, "so", value, strlen(value));
}

static void test_hit_and_miss(void **state)
{
    (void)state;
    expect_miss("a", "so");
    put("a", "value of a");
    expect_hit("a", "value of a");
    expect_miss("b", "so");
    expect_miss("a", "spv");
    put("a", "newer");
    expect_hit("a", "newer");
    put("e", "");
    expect_hit("e", "");
    assert_int_equal(count_entries(1), 0); /* nothing left aside */
    expect_miss("a", "../x");
    expect_miss("a", "");
}

static void test_keys(void **state)
{
    const void *ab[] = { "ab", "c" }, *a[] = { "a", "bc" };
    size_t s2[] = { 2, 1 }, s1[] = { 1, 2 };
    struct cache_key x = cache_key_of(ab, s2, 2), y = cache_key_of(a, s1, 2);

    (void)state;
    assert_true(memcmp(&x, &y, sizeof x) != 0);
    y = cache_key_of(ab, s2, 2);
    assert_memory_equal(&x, &y, sizeof x);
}

/* Every byte of an entry, and every length of it: a miss, and it is gone. */
static void test_damage(void **state)
{
    char path[300], bytes[256], bad[256];
    ssize_t size;
    int fd;

    (void)state;
    put("a", "value of a");
    entry_path(path, sizeof path);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    size = read(fd, bytes, sizeof bytes);
    close(fd);
    assert_true(size > 10 && size < (ssize_t)sizeof bytes);
    for (ssize_t i = 0; i < 2 * size; i++) {
        ssize_t n = i < size ? size : i - size;

        memcpy(bad, bytes, (size_t)size);
        if (i < size)
            bad[i] ^= 0x10;
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bad, (size_t)n), n);
        close(fd);
        expect_miss("a", "so");
        assert_int_equal(access(path, F_OK), -1);
    }
    put("a", "value of a");
    expect_hit("a", "value of a");

    /* an entry of another key under this name */
    char other[300];

    put("b", "value of b");
    assert_int_equal(unlink(path), 0);
    entry_path(other, sizeof other);
    assert_int_equal(rename(other, path), 0);
    expect_miss("a", "so");

    /* no file at all */
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_miss("a", "so");
    put("a", "value of a");
    expect_hit("a", "value of a");
}

/* An entry that others could have written is none, however right it looks. */
static void test_foreign_entries(void **state)
{
    char path[300], real[320];

    (void)state;
    put("a", "value of a");
    entry_path(path, sizeof path);
    assert_int_equal(chmod(path, 0620), 0);
    expect_miss("a", "so");
    put("a", "value of a");
    assert_int_equal(chmod(path, 0602), 0);
    expect_miss("a", "so");
    put("a", "value of a");
    assert_int_equal(chmod(path, 0644), 0); /* to be read by all is fine */
    expect_hit("a", "value of a");

    snprintf(real, sizeof real, "%s.real", path);
    assert_int_equal(rename(path, real), 0);
    assert_int_equal(symlink(real, path), 0);
    expect_miss("a", "so");
    assert_int_equal(unlink(real), 0);

    put("a", "value of a");
    expect_hit("a", "value of a");
    if (geteuid() != 0)
        return; /* only root can give a file away */
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    expect_miss("a", "so");
    assert_int_equal(access(path, F_OK), -1);
}

static void test_places(void **state)
{
    static const mode_t open_to[] = { 0777, 0702, 0770, 0720 };
    char path[300];

    (void)state;
    for (size_t i = 0; i < sizeof open_to / sizeof *open_to; i++) {
        /* others, or a group, may write there */
        assert_int_equal(chmod(dir, open_to[i]), 0);
        put("a", "x");
        assert_int_equal(count_entries(0), 0);
        /* nor is what they find there used */
        assert_int_equal(chmod(dir, 0700), 0);
        put("a", "x");
        assert_int_equal(chmod(dir, open_to[i]), 0);
        expect_miss("a", "so");
        assert_int_equal(chmod(dir, 0755), 0); /* read by all is fine */
        expect_hit("a", "x");
        entry_path(path, sizeof path);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(chmod(dir, 0700), 0);

    snprintf(path, sizeof path, "%s/not/there/yet", dir);
    setenv("HALCYON_CACHE_DIR", path, 1);
    put("a", "deep");
    expect_hit("a", "deep");

    setenv("HALCYON_CACHE_DIR", "/dev/null/x", 1);
    put("a", "x");
    expect_miss("a", "so");

    setenv("HALCYON_CACHE_DIR", "", 1);
    setenv("XDG_CACHE_HOME", dir, 1);
    put("x", "xdg");
    expect_hit("x", "xdg");
    snprintf(path, sizeof path, "%s/halcyon", dir);
    assert_int_equal(access(path, F_OK), 0);

    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", dir, 1);
    put("h", "home");
    expect_hit("h", "home");
    snprintf(path, sizeof path, "%s/.cache/halcyon", dir);
    assert_int_equal(access(path, F_OK), 0);

    unsetenv("HOME");
    unsetenv("HALCYON_CACHE_DIR");
    put("h", "nowhere");
    expect_miss("h", "so");
}

/* Puts, gets and damages the same few entries; what is got must be right. */
static int hammer(unsigned seed, int rounds)
{
    static const size_t sizes[] = { 0, 1, 5000, 100000 };
    char *value = malloc(100000), path[300];
    int good = value != NULL;

    for (int i = 0; good && i < rounds; i++) {
        unsigned pick = rand_r(&seed) % 4;
        char text[8] = { 'k', (char)('0' + pick), 0 };
        struct cache_key key = key_of(text);
        void *bytes;
        size_t size;

        if (rand_r(&seed) % 3 == 0) {
            memset(value, 'A' + (int)pick, sizes[pick]);
            cache_put(&key, "so", value, sizes[pick]);
        } else if (cache_get(&key, "so", &bytes, &size)) {
            good = size == sizes[pick];
            for (size_t k = 0; good && k < size; k++)
                good = ((char *)bytes)[k] == (char)('A' + pick);
            free(bytes);
        }
        if (rand_r(&seed) % 16 == 0) { /* somebody's disk goes bad */
            snprintf(path, sizeof path, "%s/%016llx%016llx.so", dir,
                     (unsigned long long)key.hash[0],
                     (unsigned long long)key.hash[1]);
            if (truncate(path, 20) != 0)
                continue;
        }
    }
    free(value);
    return good;
}

static void test_processes(void **state)
{
    pid_t pids[6];
    int status;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (!pids[i])
            _exit(hammer(i + 1, 400) ? 0 : 1);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(count_entries(1), 0);
}

static void *thread(void *seed)
{
    return (void *)(uintptr_t)hammer((unsigned)(uintptr_t)seed, 200);
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    void *good;

    (void)state;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, thread, (void *)(i + 10)), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hit_and_miss, setup, teardown),
        cmocka_unit_test(test_keys),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
