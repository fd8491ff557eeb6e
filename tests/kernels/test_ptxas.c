/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ptxas.c - NVIDIA's assembler takes the stock container's PTX for each of
 * ARCHITECTURES that it is for, and keeps what it holds in registers, but for
 * SPILL_MAX bytes a thread; a tuned kernel in TUNED_REGISTERS..., without
 * spills. Skipped where there is no ptxas, or no PTX.
 */
#include "tests/kernels/ops_test.h"

#include "compiler/halbin.h"

#include <unistd.h>

#define ARCHITECTURES "75 80 89 90a 100"
/* Stores of one kernel in bytes.  The most that CUDA 13.0's does is 80, in
 * attention_paged for sm_80, whose accumulators are many. */
#define SPILL_MAX 128
/* Two groups share a multiprocessor's 65536: of 256 threads, of 128. */
#define TUNED_REGISTERS     128
#define TUNED_REGISTERS_FP8 255

extern const char hal_stock_halbin[], hal_stock_halbin_end[];

static const char *find_ptxas(void)
{
    if (system("command -v ptxas >/dev/null 2>&1") == 0)
        return "ptxas";
    if (access("/usr/local/cuda/bin/ptxas", X_OK) == 0)
        return "/usr/local/cuda/bin/ptxas";
    return NULL;
}

/* Each image to DIR/KERNEL.ptx; how many times one meets an architecture. */
static int write_images(const char *dir)
{
    struct hal_message msg = { "" };
    struct halbin bin;
    char path[128];
    int n = 0;

    if (halbin_open(hal_stock_halbin,
                    (size_t)(hal_stock_halbin_end - hal_stock_halbin), &bin,
                    &msg) != HALBIN_OK)
        fail_msg("%s", msg.text);
    for (uint32_t k = 0; k < bin.n_kernels; k++)
        for (uint32_t i = 0; i < bin.kernels[k].n_images; i++) {
            const struct hal_image *image = &bin.kernels[k].images[i];
            FILE *f;

            if (image->target != HAL_TARGET_PTX)
                continue;
            snprintf(path, sizeof path, "%s/%s.ptx", dir, bin.kernels[k].name);
            f = fopen(path, "wb");
            assert_non_null(f);
            assert_int_equal(fwrite(image->blob, 1, image->blob_bytes, f),
                             image->blob_bytes);
            assert_int_equal(fclose(f), 0);
            /* not the 75, or the 89 instead of the 80 and it */
            n += image->caps & HAL_CAP_SM_70 ? 4 : 3;
        }
    halbin_close(&bin);
    return n;
}

/* DIR/log gets what ptxas says of each kernel, a line "@ KERNEL ARCH STATUS"
 * behind it. */
static void assemble(const char *ptxas, const char *dir)
{
    char line[1000];

    snprintf(
        line, sizeof line,
        "cd %s && for k in *.ptx; do for a in " ARCHITECTURES "; do "
        "[ $a != 75 ] || grep -q 'target sm_70' $k || continue; "
        "new=0; grep -q 'target sm_89' $k && new=1; "
        "case $a$new in 890 | 801) continue ;; esac; "
        "echo ${k%%.ptx} $a; done; done | xargs -P2 -L1 sh -c "
        "'o=$(timeout 100 %s -v -arch=sm_$2 -o /dev/null $1.ptx 2>&1); "
        "r=$?; printf \"%%s\\n@ %%s %%s %%d\\n\" \"$o\" $1 $2 $r >$1.$2.log' "
        "x && cat *.log >log",
        dir, ptxas);
    if (system(line) != 0)
        fail_msg("%s", line);
}

/* Reads the log; how many runs it tells of. */
static int read_log(const char *dir)
{
    char path[128], line[1024], kernel[128], arch[16];
    unsigned spill = 0, most = 0, registers = 0, n;
    int status, runs = 0, n_tuned = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/log", dir);
    f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "bytes stack frame, ");

        if (at &&
            sscanf(at, "bytes stack frame, %u bytes spill stores", &n) == 1)
            spill = n > spill ? n : spill;
        at = strstr(line, "Used ");
        if (at && sscanf(at, "Used %u registers", &n) == 1)
            registers = n;
        if (sscanf(line, "@ %127s %15s %d", kernel, arch, &status) != 3)
            continue;
        assert_in_range(registers, 1, 255); /* it was told */
        if (status != 0 || spill > SPILL_MAX)
            fail_msg("%s for sm_%s: ptxas exits with %d; %u bytes of spill "
                     "stores, %d at most",
                     kernel, arch, status, spill, SPILL_MAX);
        if (strstr(kernel, "gemm_mma") || strstr(kernel, "_wide_")) {
            n_tuned++;
            if (spill || registers > (strncmp(kernel, "fp8_", 4) != 0
                                          ? TUNED_REGISTERS
                                          : TUNED_REGISTERS_FP8))
                fail_msg("%s for sm_%s: %u registers, %u bytes of spill stores",
                         kernel, arch, registers, spill);
        }
        most = spill > most ? spill : most;
        spill = registers = 0;
        runs++;
    }
    fclose(f);
    assert_int_equal(n_tuned, 13 * 3);
    print_message("%d runs, at most %u bytes of spill stores\n", runs, most);
    return runs;
}

static void ptxas_takes_all(void **state)
{
    const char *ptxas = find_ptxas();
    char dir[] = "/tmp/hal-ptxas-XXXXXX", line[64];
    int n;

    (void)state;
    if (!ptxas) {
        print_message("no ptxas here\n");
        skip();
    }
    assert_non_null(mkdtemp(dir));
    n = write_images(dir);
    if (n) {
        assemble(ptxas, dir);
        assert_int_equal(read_log(dir), n);
    }
    snprintf(line, sizeof line, "rm -rf %s", dir);
    assert_int_equal(system(line), 0);
    if (!n) {
        print_message("the kernels were built without a clang for PTX\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ptxas_takes_all) };

    return cmocka_run_group_tests_name("kernels.ptxas", tests, NULL, NULL);
}
