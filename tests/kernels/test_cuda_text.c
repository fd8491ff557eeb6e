/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_text.c - the CUDA expansion of every stock kernel compiles: with
 * nvcc to PTX where it is found, else the test is skipped.
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

/* All instances of one file; returns how many. */
static int expand_file(const char *path, FILE *out)
{
    char *text = read_text(path), *cuda;
    struct compile_request req = { .source = text,
                                   .name = path,
                                   .include_dir = "kernels" };
    struct hal_message msg = { "" };
    int n = 0;

    /* Each instance in a namespace: helpers have the same names. */
    while (compile_expand(&req, "cuda", (uint32_t)n, &cuda, &msg) ==
           COMPILE_OK) {
        fprintf(out, "namespace n%d_%ld {\n%s\n}\n", n, ftell(out), cuda);
        free(cuda);
        n++;
    }
    free(text);
    return n;
}

static void nvcc_takes_all(void **state)
{
    const char *nvcc = find_nvcc();
    char dir[] = "/tmp/hal-cuda-XXXXXX", path[64], command[256];
    glob_t files;

    (void)state;
    if (!nvcc) {
        print_message("no nvcc here\n");
        skip();
    }
    assert_non_null(mkdtemp(dir));
    assert_int_equal(glob("kernels/*.k", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *text = read_text(files.gl_pathv[i]);
        int skipped = strstr(text, "#pragma hal skip cuda") != NULL;
        FILE *out;
        int status;

        free(text);
        if (skipped)
            continue;

        snprintf(path, sizeof path, "%s/k.cu", dir);
        out = fopen(path, "w");
        assert_non_null(out);
        assert_true(expand_file(files.gl_pathv[i], out) > 0);
        fclose(out);
        snprintf(command, sizeof command,
                 "%s -w -ptx -arch=compute_80 -o %s/k.ptx %s", nvcc, dir, path);
        status = system(command);
        if (status)
            fail_msg("%s: nvcc exits with %d", files.gl_pathv[i], status);
        snprintf(path, sizeof path, "%s/k.ptx", dir);
        assert_int_equal(access(path, R_OK), 0);
        unlink(path);
    }
    globfree(&files);
    snprintf(path, sizeof path, "%s/k.cu", dir);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nvcc_takes_all) };

    return cmocka_run_group_tests_name("kernels.cuda_text", tests, NULL, NULL);
}
