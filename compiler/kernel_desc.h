/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_desc.h - what a compiled kernel is: its parameters (reflection) and
 * its images (code for one kind of device each).  The core, the backends, the
 * .halbin container and halcc all speak in these structs.  Plain data, no
 * functions.
 */
#ifndef COMPILER_KERNEL_DESC_H
#define COMPILER_KERNEL_DESC_H

#include <stddef.h>
#include <stdint.h>

#define HAL_NAME_MAX   63 /* kernel names, without the NUL */
#define HAL_PARAMS_MAX 32 /* launch arguments of one kernel */
/* A parameter's name, and any name in a source: halParamInfo has room for it */
#define HAL_SHORT_NAME_MAX 47

/* What a parameter of KERNEL(...) is. Values are .halbin format: append. */
enum hal_param_kind {
    HAL_PARAM_IN = 0,    /* buffer, read */
    HAL_PARAM_OUT = 1,   /* buffer, written */
    HAL_PARAM_INOUT = 2, /* buffer, both */
    HAL_PARAM_ARG = 3    /* scalar: f32, i32 or u32, 4 bytes */
};

/* One launch argument, in declaration order (LOCAL and PRIV do not count). */
struct hal_param {
    uint8_t kind;       /* enum hal_param_kind */
    uint8_t dtype;      /* halDtype's values (hal/hal.h) */
    uint16_t alignment; /* of the pointer in bytes: the element's size, or 16
                           for IN16 and OUT16 */
    char name[HAL_NAME_MAX + 1];
};

/* Kinds of code.  Values are .halbin format: append. */
enum hal_target {
    HAL_TARGET_CPU = 0,    /* ELF shared object, entry hal_kernel_<name> */
    HAL_TARGET_OPENCL = 1, /* OpenCL C text */
    HAL_TARGET_VULKAN = 2, /* SPIR-V, entry "main" */
    HAL_TARGET_CUDA = 3,   /* CUDA C++ text */
    HAL_TARGET_PTX = 4,    /* PTX text */
    HAL_TARGET_COUNT = 5
};

/*
 * What an image needs and a device has; an image fits when its bits are a
 * subset of the device's.  Values are .halbin format: append.
 */
#define HAL_CAP_SMALL_GROUPS                                                 \
    (1ull << 0)                          /* threads of a group run one after \
                                            the other: prefers few of them */
#define HAL_CAP_STORAGE_8_16 (1ull << 1) /* 8/16-bit loads and stores */
#define HAL_CAP_BDA          (1ull << 2) /* raw addresses in arguments */
#define HAL_CAP_SSBO         (1ull << 3) /* descriptors and hidden offsets */
#define HAL_CAP_FP16         (1ull << 4) /* f16 arithmetic */
#define HAL_CAP_FP64         (1ull << 5)
#define HAL_CAP_INT64        (1ull << 6)
#define HAL_CAP_SUBGROUP     (1ull << 7) /* subgroup arithmetic */
#define HAL_CAP_ATOMICS      (1ull << 8) /* 32-bit integer atomics on buffers */
#define HAL_CAP_LARGE_LOCAL \
    (1ull << 9) /* LOCAL memory of HAL_LARGE_LOCAL_BYTES and more */
#define HAL_LARGE_LOCAL_BYTES (256u << 10)
/* CPU instruction sets */
#define HAL_CAP_X86_64    (1ull << 16)
#define HAL_CAP_X86_64_V3 (1ull << 17) /* AVX2, FMA, F16C, BMI */
#define HAL_CAP_X86_64_V4                               \
    (1ull << 18) /* AVX-512 F/BW/CD/DQ/VL + BF16 + VNNI \
                  */
#define HAL_CAP_AARCH64   (1ull << 20)
#define HAL_CAP_CPU_OTHER (1ull << 21) /* built for the build machine's own */
/* NVIDIA's architectures: a device has its own and all before it, but those
 * with a letter only if it is exactly that one (compile_ptx_caps) */
#define HAL_CAP_SM_70  (1ull << 24)
#define HAL_CAP_SM_80  (1ull << 25)
#define HAL_CAP_SM_90  (1ull << 26)
#define HAL_CAP_SM_90A (1ull << 27)
#define HAL_CAP_SM_100 (1ull << 28)
#define HAL_CAP_SM_89  (1ull << 29)

/*
 * Code of one kernel for one kind of device.  Among the images that fit a
 * device the highest rank wins; equal ranks: the first.
 */
struct hal_image {
    uint8_t target;        /* enum hal_target */
    uint64_t caps;         /* HAL_CAP_* that it needs */
    uint32_t rank;         /* preference among those that fit */
    uint32_t group;        /* threads of a group; the CPU's is 1 */
    uint32_t chunk;        /* elements a group takes in a GRID statement */
    uint32_t shared_bytes; /* static LOCAL memory */
    uint32_t priv_bytes;   /* PRIV memory of one thread */
    uint64_t hash;         /* XXH3 of the blob: identity for caches */
    const void *blob;      /* several images may share one */
    size_t blob_bytes;
    char variant[32]; /* "cpu.v4", "opencl", "vulkan.ssbo" */
};

struct hal_kernel_desc {
    char name[HAL_NAME_MAX + 1];
    uint32_t n_params;
    struct hal_param params[HAL_PARAMS_MAX];
    uint32_t n_images;
    const struct hal_image *images;
};

/*
 * The symbol that a CPU image exports for kernel `k` is `hal_kernel_k`, of
 * type hal_cpu_entry.  `args` holds the launch arguments in order, each in an
 * 8-byte slot (pointers, or the scalar's 4 bytes in the slot's first half).
 * `scratch` is at least shared_bytes + group * priv_bytes long, aligned to 64.
 * It runs groups first <= i < last of a grid gx * gy * gz, x fastest.
 */
typedef void hal_cpu_entry(const uint64_t *args, const uint32_t grid[3],
                           uint64_t first, uint64_t last, void *scratch);

#endif
