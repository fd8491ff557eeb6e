/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_text.c - nvcc takes the CUDA expansion of every kernel file, in its
 * first instance; clang takes all of them in the build, and ptxas what comes of
 * it.  Skipped where there is no nvcc.
 */
#include "tests/kernels/ops_test.h"

#include "compiler/compile.h"

#include <glob.h>
#include <unistd.h>

static const char *find_nvcc(void)
{
    if (system("command -v nvcc >/dev/null 2>&1") == 0)
        return "nvcc";
    if (access("/usr/local/cuda/bin/nvcc", X_OK) == 0)
        return "/usr/local/cuda/bin/nvcc";
    return NULL;
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text;
    long size;

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    assert_true(size > 0);
    rewind(f);
    text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, f), size);
    fclose(f);
    return text;
}

/* The first instance of a kernel in a namespace, as helpers have the same
 * names; 1, or 0 for one that CUDA does not get. */
static int expand_file(const char *path, FILE *out)
{
    char *text = read_text(path), *cuda;
    struct compile_request req = { .source = text,
                                   .name = path,
                                   .include_dir = "kernels" };
    struct hal_message msg = { "" };
    int is_skipped = strstr(text, "#pragma hal skip cuda") != NULL;

    if (!is_skipped) {
        if (compile_expand(&req, "cuda", 0, &cuda, &msg) != COMPILE_OK)
            fail_msg("%s: %s", path, msg.text);
        fprintf(out, "namespace at%ld {\n%s\n}\n", ftell(out), cuda);
        free(cuda);
    }
    free(text);
    return !is_skipped;
}

static void nvcc_takes_all(void **state)
{
    const char *nvcc = find_nvcc();
    char dir[] = "/tmp/hal-cuda-XXXXXX", path[64], command[256];
    int n = 0, status;
    glob_t files;
    FILE *out;

    (void)state;
    if (!nvcc) {
        print_message("no nvcc here\n");
        skip();
    }
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/k.cu", dir);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(glob("kernels/*.k", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        n += expand_file(files.gl_pathv[i], out);
    assert_true(n > 0);
    globfree(&files);
    assert_int_equal(fclose(out), 0);
    snprintf(command, sizeof command,
             "%s -w -ptx -arch=compute_80 -o %s/k.ptx %s", nvcc, dir, path);
    status = system(command);
    unlink(path);
    snprintf(path, sizeof path, "%s/k.ptx", dir);
    assert_int_equal(access(path, R_OK), status ? -1 : 0);
    unlink(path);
    rmdir(dir);
    if (status)
        fail_msg("nvcc exits with %d", status);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nvcc_takes_all) };

    return cmocka_run_group_tests_name("kernels.cuda_text", tests, NULL, NULL);
}
