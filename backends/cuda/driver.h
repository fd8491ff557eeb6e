/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h - what this backend uses of CUDA's driver API and of NVRTC, declared
 * here so that no toolkit is needed to build it.  Invariant: values, layouts
 * and prototypes are those of NVIDIA's cuda.h and nvrtc.h;
 * tests/backends/test_cuda_header.c compares them where these are installed.
 *
 * Opaque types keep NVIDIA's tags (struct CUctx_st), so that the prototypes are
 * the same types.  A structure that is filled in here has a name of its own and
 * is passed as a void pointer.
 */
#ifndef BACKENDS_CUDA_DRIVER_H
#define BACKENDS_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

struct CUctx_st;
struct CUstream_st;
struct CUevent_st;
struct CUmod_st;
struct CUfunc_st;
struct CUmemPoolHandle_st;
struct CUmemPoolProps_st;
struct CUmemAccessDesc_st;
struct CUDA_MEMCPY2D_st;
struct CUuuid_st;
struct _nvrtcProgram;

/* CUresult, by its names without CUDA_. */
enum {
    CUDA_OK = 0,
    CUDA_INVALID_VALUE = 1,
    CUDA_OUT_OF_MEMORY = 2,
    CUDA_STUB_LIBRARY = 34,
    CUDA_DEVICE_UNAVAILABLE = 46,
    CUDA_NO_DEVICE = 100,
    CUDA_INVALID_DEVICE = 101,
    CUDA_INVALID_IMAGE = 200,
    CUDA_INVALID_CONTEXT = 201,
    CUDA_NO_BINARY_FOR_GPU = 209,
    CUDA_ECC_UNCORRECTABLE = 214,
    CUDA_INVALID_PTX = 218,
    CUDA_JIT_COMPILER_NOT_FOUND = 221,
    CUDA_UNSUPPORTED_PTX_VERSION = 222,
    CUDA_INVALID_SOURCE = 300,
    CUDA_NOT_FOUND = 500,
    CUDA_NOT_READY = 600,
    CUDA_ILLEGAL_ADDRESS = 700,
    CUDA_PEER_ALREADY_ENABLED = 704,
    CUDA_PEER_NOT_ENABLED = 705,
    CUDA_HOST_ALREADY_REGISTERED = 712
};

/* CUdevice_attribute */
enum {
    CUDA_ATTR_MAX_THREADS_PER_BLOCK = 1,
    CUDA_ATTR_MAX_BLOCK_DIM_X = 2, /* Y and Z follow */
    CUDA_ATTR_MAX_GRID_DIM_X = 5,  /* Y and Z follow */
    CUDA_ATTR_MAX_SHARED_MEMORY_PER_BLOCK = 8,
    CUDA_ATTR_WARP_SIZE = 10,
    CUDA_ATTR_MAX_PITCH = 11,
    CUDA_ATTR_CLOCK_RATE = 13,
    CUDA_ATTR_MULTIPROCESSOR_COUNT = 16,
    CUDA_ATTR_INTEGRATED = 18,
    CUDA_ATTR_COMPUTE_MODE = 20,
    CUDA_ATTR_CONCURRENT_KERNELS = 31,
    CUDA_ATTR_MEMORY_CLOCK_RATE = 36,
    CUDA_ATTR_GLOBAL_MEMORY_BUS_WIDTH = 37,
    CUDA_ATTR_L2_CACHE_SIZE = 38,
    CUDA_ATTR_MAX_THREADS_PER_MULTIPROCESSOR = 39,
    CUDA_ATTR_ASYNC_ENGINE_COUNT = 40,
    CUDA_ATTR_COMPUTE_CAPABILITY_MAJOR = 75,
    CUDA_ATTR_COMPUTE_CAPABILITY_MINOR = 76,
    CUDA_ATTR_STREAM_PRIORITIES_SUPPORTED = 78,
    CUDA_ATTR_MANAGED_MEMORY = 83,
    CUDA_ATTR_CONCURRENT_MANAGED_ACCESS = 89,
    CUDA_ATTR_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
    CUDA_ATTR_HOST_REGISTER_SUPPORTED = 99,
    CUDA_ATTR_MEMORY_POOLS_SUPPORTED = 115,
    CUDA_ATTR_CAN_USE_64_BIT_STREAM_MEM_OPS = 122
};

/* CUcomputemode */
enum { CUDA_MODE_PROHIBITED = 2, CUDA_MODE_EXCLUSIVE_PROCESS = 3 };

/* Flags and small enumerations */
enum {
    CUDA_STREAM_NON_BLOCKING = 1,
    CUDA_STREAM_WAIT_VALUE_GEQ = 0,
    CUDA_EVENT_BLOCKING_SYNC = 1,
    CUDA_EVENT_DISABLE_TIMING = 2,
    CUDA_HOST_ALLOC_PORTABLE = 1,
    CUDA_HOST_ALLOC_DEVICEMAP = 2,
    CUDA_HOST_ALLOC_WRITECOMBINED = 4,
    CUDA_HOST_REGISTER_PORTABLE = 1,
    CUDA_HOST_REGISTER_DEVICEMAP = 2,
    CUDA_ATTACH_GLOBAL = 1,
    CUDA_MEMORYTYPE_DEVICE = 2,
    CUDA_POINTER_MEMORY_TYPE = 2,
    CUDA_ALLOCATION_PINNED = 1,
    CUDA_LOCATION_DEVICE = 1,
    CUDA_ACCESS_NONE = 0,
    CUDA_ACCESS_READWRITE = 3,
    CUDA_POOL_RELEASE_THRESHOLD = 4,
    CUDA_POOL_RESERVED_CURRENT = 5,
    CUDA_POOL_USED_CURRENT = 7,
    CUDA_FUNC_MAX_THREADS_PER_BLOCK = 0,
    CUDA_FUNC_SHARED_SIZE_BYTES = 1,
    CUDA_FUNC_LOCAL_SIZE_BYTES = 3,
    CUDA_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
    CUDA_JIT_ERROR_LOG_BUFFER = 5,
    CUDA_JIT_ERROR_LOG_BUFFER_SIZE = 6,
    CUDA_PROC_LEGACY_STREAM = 1
};

struct cuda_pool_props { /* CUmemPoolProps */
    unsigned alloc_type, handle_types, location_type;
    int location_id;
    void *security;
    size_t max_size;
    unsigned short usage;
    unsigned char reserved[54];
};

struct cuda_access { /* CUmemAccessDesc */
    unsigned location_type;
    int location_id;
    unsigned flags;
};

struct cuda_copy_2d { /* CUDA_MEMCPY2D */
    size_t src_x, src_y;
    unsigned src_type;
    const void *src_host;
    unsigned long long src_device;
    void *src_array;
    size_t src_pitch;
    size_t dst_x, dst_y;
    unsigned dst_type;
    void *dst_host;
    unsigned long long dst_device;
    void *dst_array;
    size_t dst_pitch;
    size_t width, height;
};

/* cuGetProcAddress_v2, the one function that is looked up by dlsym. */
typedef unsigned cuda_get_proc(const char *symbol, void **function,
                               int cuda_version, uint64_t flags,
                               unsigned *status);

/* NVRTC: X(name, parameters), all required. */
#define CUDA_NVRTC_LIST(X)                                                  \
    X(Version, (int *major, int *minor))                                    \
    X(GetNumSupportedArchs, (int *n))                                       \
    X(GetSupportedArchs, (int *archs))                                      \
    X(CreateProgram,                                                        \
      (struct _nvrtcProgram * *program, const char *text, const char *name, \
       int n_headers, const char *const *headers,                           \
       const char *const *header_names))                                    \
    X(DestroyProgram, (struct _nvrtcProgram * *program))                    \
    X(CompileProgram,                                                       \
      (struct _nvrtcProgram * program, int n, const char *const *options))  \
    X(GetPTXSize, (struct _nvrtcProgram * program, size_t * size))          \
    X(GetPTX, (struct _nvrtcProgram * program, char *ptx))                  \
    X(GetCUBINSize, (struct _nvrtcProgram * program, size_t * size))        \
    X(GetCUBIN, (struct _nvrtcProgram * program, char *cubin))              \
    X(GetProgramLogSize, (struct _nvrtcProgram * program, size_t * size))   \
    X(GetProgramLog, (struct _nvrtcProgram * program, char *log))

#endif
