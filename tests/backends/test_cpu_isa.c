/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_isa.c - a level counts only with all of its extensions and with the
 * operating system's consent; HALCYON_CPU_ISA lowers it or is refused.
 */
#include "tests/backends/cpu_test.h"

#define V3 (HAL_CAP_X86_64 | HAL_CAP_X86_64_V3)
#define V4 (V3 | HAL_CAP_X86_64_V4)

/* A processor with everything. */
static struct cpu_isa_regs full(void)
{
    return (struct cpu_isa_regs){
        .leaf1_ecx = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29,
        .leaf7_ebx = 1u << 3 | 1u << 5 | 1u << 8 | 1u << 16 | 1u << 17 |
                     1u << 28 | 1u << 30 | 1u << 31,
        .leaf7_ecx = 1u << 11,
        .leaf7_1_eax = 1u << 5,
        .ext1_ecx = 1u << 5,
        .xcr0 = 0xe7,
    };
}

static void every_extension_is_needed(void **state)
{
    struct cpu_isa_regs r = full();
    uint32_t bits;

    (void)state;
    assert_int_equal(cpu_isa_decode_x86(&r), V4);
    for (unsigned i = 0; i < 32; i++) {
        bits = 1u << i;
        r = full();
        if (r.leaf1_ecx & bits) {
            r.leaf1_ecx &= ~bits;
            assert_int_equal(cpu_isa_decode_x86(&r), HAL_CAP_X86_64);
        }
        r = full();
        if (r.leaf7_ebx & bits) {
            r.leaf7_ebx &= ~bits;
            assert_int_equal(cpu_isa_decode_x86(&r),
                             i < 16 ? HAL_CAP_X86_64 : V3);
        }
        r = full();
        if (r.xcr0 & bits && i > 0) {
            r.xcr0 &= ~(uint64_t)bits;
            assert_int_equal(cpu_isa_decode_x86(&r),
                             i < 3 ? HAL_CAP_X86_64 : V3);
        }
    }
    r = full();
    r.leaf7_ecx = 0;
    assert_int_equal(cpu_isa_decode_x86(&r), V3);
    r = full();
    r.leaf7_1_eax = 0;
    assert_int_equal(cpu_isa_decode_x86(&r), V3);
    r = full();
    r.ext1_ecx = 0;
    assert_int_equal(cpu_isa_decode_x86(&r), HAL_CAP_X86_64);
}

static void levels_are_lowered_or_refused(void **state)
{
    uint64_t caps = 0;

    (void)state;
    OK(cpu_isa_select(NULL, V4, &caps));
    assert_int_equal(caps, V4);
    OK(cpu_isa_select("", V3, &caps));
    assert_int_equal(caps, V3);
    OK(cpu_isa_select("v3", V4, &caps));
    assert_int_equal(caps, V3);
    OK(cpu_isa_select("base", V4, &caps));
    assert_int_equal(caps, HAL_CAP_X86_64);
    OK(cpu_isa_select("portable", HAL_CAP_AARCH64, &caps));
    assert_int_equal(caps, HAL_CAP_AARCH64);

    assert_int_equal(cpu_isa_select("v4", V3, &caps), halErrorNotSupported);
    assert_non_null(strstr(halGetErrorDetail(), "HALCYON_CPU_ISA=v4"));
    assert_int_equal(cpu_isa_select("v3", HAL_CAP_AARCH64, &caps),
                     halErrorNotSupported);
    assert_int_equal(cpu_isa_select("avx9", V4, &caps), halErrorInvalidValue);
    assert_non_null(strstr(halGetErrorDetail(), "avx9"));
    assert_int_equal(caps, HAL_CAP_AARCH64); /* untouched by failures */
}

static void environment_decides_at_open(void **state)
{
    struct hal_dev *dev = NULL;

    (void)state;
    setenv("HALCYON_CPU_ISA", "base", 1);
    OK(hal_backend_cpu.device_open(0, &dev));
    assert_int_equal(dev->info.caps & (HAL_CAP_X86_64_V3 | HAL_CAP_X86_64_V4),
                     0);
    dev->ops->device_close(dev);
    dev = NULL;
    setenv("HALCYON_CPU_ISA", "sse9", 1);
    assert_int_equal(hal_backend_cpu.device_open(0, &dev),
                     halErrorInvalidValue);
    assert_null(dev);
    unsetenv("HALCYON_CPU_ISA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_extension_is_needed),
        cmocka_unit_test(levels_are_lowered_or_refused),
        cmocka_unit_test(environment_decides_at_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
