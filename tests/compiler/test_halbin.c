/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .halbin container: what is written is read, and nothing that is damaged
 * is taken: every truncation, every single bit, and lies under good hashes.
 */
#include "hal/hal.h"
#include "tests/fuzz/halbin_reseal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The floor below hal/hal.h keeps this number itself. */
_Static_assert(HALBIN_DTYPES == halDtypeCount, "halDtype has grown");

static struct hal_message msg;

static const char shared_text[] = "a blob that two images share";
static const struct hal_image images[] = {
    { .target = HAL_TARGET_CPU,
      .caps = HAL_CAP_X86_64,
      .rank = 1,
      .group = 1,
      .shared_bytes = 1024,
      .priv_bytes = 64,
      .blob = shared_text,
      .blob_bytes = sizeof shared_text - 1,
      .variant = "cpu.base" },
    { .target = HAL_TARGET_OPENCL,
      .rank = 2,
      .group = 64,
      .chunk = 2048,
      .blob = "text",
      .blob_bytes = 4,
      .variant = "opencl" },
    { .target = HAL_TARGET_VULKAN,
      .caps = 1ull << 63,
      .rank = 3,
      .group = 65536,
      .blob = "0123456789abcdef",
      .blob_bytes = 16,
      .variant = "vulkan.ssbo" },
};
static const struct hal_kernel_desc kernels[] = {
    { .name = "gemm_f32",
      .n_params = 3,
      .params = { { HAL_PARAM_IN, halF32, 16, "a" },
                  { HAL_PARAM_OUT, halBF16, 2, "b" },
                  { HAL_PARAM_ARG, halU32, 4, "n" } },
      .n_images = 3,
      .images = images },
    { .name = "other", .n_images = 1, .images = images },
    { .name = "none" },
};

static uint8_t *make(size_t *size)
{
    void *bytes = NULL;

    assert_int_equal(halbin_write(kernels, 3, &bytes, size, &msg), HALBIN_OK);
    return bytes;
}

static void test_round_trip(void **state)
{
    struct halbin bin = { 0 };
    size_t size, again_size;
    uint8_t *bytes = make(&size), *again;

    (void)state;
    assert_int_equal(halbin_open(bytes, size, &bin, &msg), HALBIN_OK);
    again = make(&again_size);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size); /* the same bytes each time */
    free(again);
    memset(bytes, 0xee, size); /* what was opened is a copy */
    free(bytes);
    assert_int_equal(bin.n_kernels, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct hal_kernel_desc *k = &bin.kernels[i], *w = &kernels[i];

        assert_string_equal(k->name, w->name);
        assert_int_equal(k->n_params, w->n_params);
        assert_memory_equal(k->params, w->params, sizeof k->params);
        assert_int_equal(k->n_images, w->n_images);
        for (uint32_t m = 0; m < k->n_images; m++) {
            struct hal_image is = k->images[m], want = images[m];

            assert_int_equal(is.blob_bytes, want.blob_bytes);
            assert_memory_equal(is.blob, want.blob, want.blob_bytes);
            assert_int_equal(((const char *)is.blob)[is.blob_bytes], 0);
            assert_int_equal((uintptr_t)is.blob % 16, 0);
            assert_true(is.hash == XXH3_64bits(want.blob, want.blob_bytes));
            assert_int_equal(is.target, want.target);
            assert_true(is.caps == want.caps);
            assert_int_equal(is.rank, want.rank);
            assert_int_equal(is.group, want.group);
            assert_int_equal(is.chunk, want.chunk);
            assert_int_equal(is.shared_bytes, want.shared_bytes);
            assert_int_equal(is.priv_bytes, want.priv_bytes);
            assert_string_equal(is.variant, want.variant);
        }
    }
    assert_ptr_equal(bin.kernels[0].images[0].blob,
                     bin.kernels[1].images[0].blob); /* stored once */
    assert_ptr_equal(halbin_find(&bin, "other"), &bin.kernels[1]);
    assert_null(halbin_find(&bin, "othe"));
    halbin_close(&bin);
    halbin_close(&bin);
    halbin_close(NULL);
}

static void test_empty(void **state)
{
    struct halbin bin = { 0 };
    void *bytes;
    size_t size;

    (void)state;
    assert_int_equal(halbin_write(NULL, 0, &bytes, &size, &msg), HALBIN_OK);
    assert_int_equal(halbin_open(bytes, size, &bin, &msg), HALBIN_OK);
    assert_int_equal(bin.n_kernels, 0);
    assert_null(halbin_find(&bin, "x"));
    halbin_close(&bin);
    free(bytes);
}

/* Refused, with a message, and *out as it was. */
static void refused(const uint8_t *bytes, size_t size, enum halbin_status want)
{
    struct halbin bin = { 7, NULL, (void *)8 };

    msg.text[0] = 0;
    assert_int_equal(halbin_open(bytes, size, &bin, &msg), want);
    assert_true(msg.text[0] != 0);
    assert_int_equal(bin.n_kernels, 7);
    assert_ptr_equal(bin.storage, (void *)8);
}

static void test_every_truncation(void **state)
{
    size_t size;
    uint8_t *bytes = make(&size);

    (void)state;
    refused(NULL, 0, HALBIN_DAMAGED);
    for (size_t n = 0; n < size; n++) {
        /* of exactly that size, so that a sanitizer sees one byte too far */
        uint8_t *cut = malloc(n ? n : 1);

        assert_non_null(cut);
        memcpy(cut, bytes, n);
        refused(cut, n, HALBIN_DAMAGED);
        if (n > 600)
            assert_non_null(strstr(msg.text, "truncated"));
        free(cut);
    }
    bytes = realloc(bytes, size + 1);
    assert_non_null(bytes);
    bytes[size] = 0;
    refused(bytes, size + 1, HALBIN_DAMAGED);
    free(bytes);
}

static void test_every_bit(void **state)
{
    size_t size;
    uint8_t *bytes = make(&size);

    (void)state;
    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            int future;

            bytes[i] ^= (uint8_t)(1 << bit);
            future =
                i >= 8 && i < 12 && halbin_get32(bytes + 8) > HALBIN_VERSION;
            refused(bytes, size, future ? HALBIN_FUTURE : HALBIN_DAMAGED);
            bytes[i] ^= (uint8_t)(1 << bit);
        }
        bytes[i] ^= 0xff;
        refused(bytes, size, i >= 8 && i < 12 ? HALBIN_FUTURE : HALBIN_DAMAGED);
        bytes[i] ^= 0xff;
    }
    free(bytes);
}

/* The same under good hashes: refused, or a file that means something else
 * and can be walked and written. */
static void test_every_byte_resealed(void **state)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
    size_t size, taken = 0, was_refused = 0;
    uint8_t *good = make(&size), *bytes = malloc(size);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 12; i < size; i++)
        for (size_t v = 0; v < sizeof values; v++) {
            struct halbin bin = { 0 };
            void *again;
            size_t n;

            memcpy(bytes, good, size);
            if (bytes[i] == values[v])
                continue;
            bytes[i] = values[v];
            halbin_reseal(bytes, size);
            if (halbin_open(bytes, size, &bin, &msg) != HALBIN_OK) {
                was_refused++;
                continue;
            }
            taken++;
            assert_int_equal(
                halbin_write(bin.kernels, bin.n_kernels, &again, &n, &msg),
                HALBIN_OK);
            free(again);
            halbin_close(&bin);
        }
    /* names and numbers may change; structure may not */
    assert_true(taken > 50);
    assert_true(was_refused > 1000);
    free(bytes);
    free(good);
}

struct lie {
    size_t section, at; /* section HALBIN_SECTIONS: the header */
    uint32_t value;
    const char *says;
};

static void test_lies(void **state)
{
    static const struct lie lies[] = {
        { HALBIN_SECTIONS, 24, 4, "section 0 has the wrong size" },
        { HALBIN_SECTIONS, 24, 0x7fffffff, "a count is out of range" },
        { HALBIN_SECTIONS, 36, 0x7fffffff, "a count is out of range" },
        { HALBIN_SECTIONS, 44, 1, "the header is not" },
        { HALBIN_SECTIONS, 60, 1, "the header is not" },
        { HALBIN_SECTIONS, 64 + 8, 0, "section 0 is not where" },
        { HALBIN_SECTIONS, 64 + 16, 0xffffffff, "section 0 ends past" },
        { HALBIN_SECTIONS, 64 + 20, 0xffffffff, "section 0 ends past" },
        { HALBIN_KERNELS, 0, 0x20202020, "strange|begin with" },
        { HALBIN_KERNELS, 0, 0, "name" },
        { HALBIN_KERNELS, 64, 1, "records are not its own" },
        { HALBIN_KERNELS, 68, 17, "records are not its own" },
        { HALBIN_KERNELS, 72, 1, "records are not its own" },
        { HALBIN_KERNELS, 76, 0xffffffff, "records are not its own" },
        { HALBIN_KERNELS, 68, 2, "records are not its own|belong to no" },
        { HALBIN_PARAMS, 64, 4, "unknown kind" },
        { HALBIN_PARAMS, 64, 14 << 8, "unknown type" },
        { HALBIN_PARAMS, 64, 3 << 16, "power of two" },
        { HALBIN_PARAMS, 68, 'a', "twice" },
        { HALBIN_IMAGES, 0, 5, "unknown target" },
        { HALBIN_IMAGES, 0, 1 << 8, "not zero" },
        { HALBIN_IMAGES, 16, 0, "group" },
        { HALBIN_IMAGES, 16, 65537, "group" },
        { HALBIN_IMAGES, 24, 0x7fffffff, "memory" },
        { HALBIN_IMAGES, 32, 3, "blob 3 of 3" },
        { HALBIN_IMAGES, 36, 1, "not zero" },
        { HALBIN_IMAGES, 40, 0, "variant|not zero" },
        { HALBIN_BLOBS, 0, 16, "blob 0 is not where" },
        { HALBIN_BLOBS, 8, 0, "blob 0 ends past" },
        { HALBIN_BLOBS, 8, 0xfffffff0, "blob 0 ends past" },
        { HALBIN_BLOBS, 12, 0xffffffff, "blob 0 ends past" },
        { HALBIN_BLOBS, 24, 1, "blob 0 is not where" },
    };
    size_t size;
    uint8_t *good = make(&size), *bytes = malloc(size);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const struct lie *l = &lies[i];
        char says[64], *save = NULL, *part;
        uint64_t base = 0;
        int found = 0;

        if (l->section < HALBIN_SECTIONS)
            base = halbin_get64(good + HALBIN_HEADER_BYTES +
                                l->section * HALBIN_SECTION_BYTES + 8);
        memcpy(bytes, good, size);
        halbin_put32(bytes + base + l->at, l->value);
        halbin_reseal(bytes, size);
        refused(bytes, size, HALBIN_DAMAGED);
        snprintf(says, sizeof says, "%s", l->says);
        for (part = strtok_r(says, "|", &save); part;
             part = strtok_r(NULL, "|", &save))
            found |= strstr(msg.text, part) != NULL;
        if (!found)
            fail_msg("lie %zu: '%s', not '%s'", i, msg.text, l->says);
    }
    /* two kernels of one name */
    memcpy(bytes, good, size);
    memcpy(bytes + halbin_get64(good + HALBIN_HEADER_BYTES + 8) +
               HALBIN_KERNEL_BYTES,
           "gemm_f32", 9);
    halbin_reseal(bytes, size);
    refused(bytes, size, HALBIN_DAMAGED);
    assert_non_null(strstr(msg.text, "kernel 'gemm_f32' twice"));
    /* the header's own hash field */
    memcpy(bytes, good, size);
    halbin_put64(bytes + 48, 0);
    refused(bytes, size, HALBIN_DAMAGED);
    free(bytes);
    free(good);
}

static void test_future(void **state)
{
    size_t size;
    uint8_t *bytes = make(&size);

    (void)state;
    halbin_put32(bytes + 8, HALBIN_VERSION + 1);
    refused(bytes, size, HALBIN_FUTURE); /* whatever its hashes are */
    refused(bytes, 12, HALBIN_FUTURE);
    assert_non_null(strstr(msg.text, "update"));
    halbin_put32(bytes + 8, 0);
    refused(bytes, size, HALBIN_DAMAGED);
    free(bytes);
}

static void write_refuses(const struct hal_kernel_desc *k, uint32_t n,
                          const char *why)
{
    void *bytes = (void *)1;
    size_t size = 2;

    assert_int_equal(halbin_write(k, n, &bytes, &size, &msg), HALBIN_DAMAGED);
    assert_ptr_equal(bytes, (void *)1);
    if (!strstr(msg.text, why))
        fail_msg("'%s', not '%s'", msg.text, why);
}

static void test_writer_refuses(void **state)
{
    struct hal_kernel_desc two[2] = { kernels[0], kernels[0] };
    struct hal_image bad = images[0];

    (void)state;
    write_refuses(two, 2, "twice");
    memset(two[0].name, 'x', sizeof two[0].name);
    write_refuses(two, 1, "does not end");
    strcpy(two[0].name, "a b");
    write_refuses(two, 1, "strange");
    strcpy(two[0].name, "1a");
    write_refuses(two, 1, "letter");
    two[0] = kernels[0];
    /* halFuncGetParam would cut it */
    assert_int_equal(sizeof((struct halParamInfo){ 0 }).name,
                     HAL_SHORT_NAME_MAX + 1);
    memset(two[0].params[0].name, 'x', HAL_SHORT_NAME_MAX + 1);
    write_refuses(two, 1, "more than 47 characters");
    two[0] = kernels[0];
    two[0].n_params = HAL_PARAMS_MAX + 1;
    write_refuses(two, 1, "too many");
    two[0] = kernels[0];
    strcpy(two[0].params[1].name, "a");
    write_refuses(two, 1, "twice");
    two[0] = kernels[0];
    two[0].images = &bad;
    two[0].n_images = 1;
    bad.blob_bytes = 0;
    write_refuses(two, 1, "empty");
    bad = images[0];
    bad.variant[0] = 0;
    write_refuses(two, 1, "variant");
    bad = images[0];
    bad.target = HAL_TARGET_COUNT;
    write_refuses(two, 1, "target");
}

/* The fuzzer's seed is read and written again byte for byte: one that the
 * format has left behind would teach it nothing. */
static void test_seed(void **state)
{
    static const char path[] = "tests/fuzz/corpus/halbin/good.halbin";
    uint8_t bytes[4096];
    FILE *f = fopen(path, "rb");
    struct halbin bin = { 0 };
    size_t size, again_size;
    void *again;

    (void)state;
    assert_non_null(f);
    size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_int_equal(halbin_open(bytes, size, &bin, &msg), HALBIN_OK);
    assert_int_equal(bin.n_kernels, 2);
    assert_int_equal(bin.kernels[0].n_params, 3);
    assert_int_equal(bin.kernels[0].n_images, 2);
    assert_int_equal(
        halbin_write(bin.kernels, bin.n_kernels, &again, &again_size, &msg),
        HALBIN_OK);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    free(again);
    halbin_close(&bin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_every_byte_resealed),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_future),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
