/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_header.c - backends/cuda/driver.h and symbols.def against NVIDIA's
 * own cuda.h and nvrtc.h, at compile time, where the toolkit is installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if __has_include("/usr/local/cuda/include/cuda.h")
#define HAVE_HEADER 1
#include "/usr/local/cuda/include/cuda.h"
#endif
#if __has_include("/usr/local/cuda/include/nvrtc.h")
#define HAVE_NVRTC 1
#include "/usr/local/cuda/include/nvrtc.h"
#endif

#ifdef HAVE_HEADER
#include "backends/cuda/driver.h"

/* Prototypes: the same types, an enumeration for its unsigned int. */
#define X(name, parameters)                                           \
    _Static_assert(__builtin_types_compatible_p(__typeof__(cu##name), \
                                                unsigned parameters), \
                   "cu" #name);
#define O(name, parameters) X(name, parameters)
#include "backends/cuda/symbols.def"
#undef O
#undef X
_Static_assert(__builtin_types_compatible_p(__typeof__(cuGetProcAddress),
                                            cuda_get_proc),
               "cuGetProcAddress_v2");

#define SAME(ours, theirs) \
    _Static_assert((int)(ours) == (int)(theirs), #ours " is " #theirs)
#define CODE(name) SAME(CUDA_##name, CUDA_ERROR_##name)
SAME(CUDA_OK, CUDA_SUCCESS);
CODE(INVALID_VALUE);
CODE(OUT_OF_MEMORY);
CODE(STUB_LIBRARY);
CODE(DEVICE_UNAVAILABLE);
CODE(NO_DEVICE);
CODE(INVALID_DEVICE);
CODE(INVALID_IMAGE);
CODE(INVALID_CONTEXT);
CODE(NO_BINARY_FOR_GPU);
CODE(ECC_UNCORRECTABLE);
CODE(INVALID_PTX);
CODE(JIT_COMPILER_NOT_FOUND);
CODE(UNSUPPORTED_PTX_VERSION);
CODE(INVALID_SOURCE);
CODE(NOT_FOUND);
CODE(NOT_READY);
CODE(ILLEGAL_ADDRESS);
SAME(CUDA_PEER_ALREADY_ENABLED, CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
SAME(CUDA_PEER_NOT_ENABLED, CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
SAME(CUDA_HOST_ALREADY_REGISTERED, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);

#define ATTR(name) SAME(CUDA_ATTR_##name, CU_DEVICE_ATTRIBUTE_##name)
ATTR(MAX_THREADS_PER_BLOCK);
ATTR(MAX_BLOCK_DIM_X);
SAME(CUDA_ATTR_MAX_BLOCK_DIM_X + 2, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z);
ATTR(MAX_GRID_DIM_X);
SAME(CUDA_ATTR_MAX_GRID_DIM_X + 2, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z);
ATTR(MAX_SHARED_MEMORY_PER_BLOCK);
ATTR(WARP_SIZE);
ATTR(MAX_PITCH);
ATTR(CLOCK_RATE);
ATTR(MULTIPROCESSOR_COUNT);
ATTR(INTEGRATED);
ATTR(COMPUTE_MODE);
ATTR(CONCURRENT_KERNELS);
ATTR(MEMORY_CLOCK_RATE);
ATTR(GLOBAL_MEMORY_BUS_WIDTH);
ATTR(L2_CACHE_SIZE);
ATTR(MAX_THREADS_PER_MULTIPROCESSOR);
ATTR(ASYNC_ENGINE_COUNT);
ATTR(COMPUTE_CAPABILITY_MAJOR);
ATTR(COMPUTE_CAPABILITY_MINOR);
ATTR(STREAM_PRIORITIES_SUPPORTED);
ATTR(MANAGED_MEMORY);
ATTR(CONCURRENT_MANAGED_ACCESS);
ATTR(HOST_REGISTER_SUPPORTED);
ATTR(MEMORY_POOLS_SUPPORTED);
ATTR(CAN_USE_64_BIT_STREAM_MEM_OPS);

SAME(CUDA_MODE_PROHIBITED, CU_COMPUTEMODE_PROHIBITED);
SAME(CUDA_MODE_EXCLUSIVE_PROCESS, CU_COMPUTEMODE_EXCLUSIVE_PROCESS);
SAME(CUDA_STREAM_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
SAME(CUDA_STREAM_WAIT_VALUE_GEQ, CU_STREAM_WAIT_VALUE_GEQ);
SAME(CUDA_EVENT_BLOCKING_SYNC, CU_EVENT_BLOCKING_SYNC);
SAME(CUDA_EVENT_DISABLE_TIMING, CU_EVENT_DISABLE_TIMING);
SAME(CUDA_HOST_ALLOC_PORTABLE, CU_MEMHOSTALLOC_PORTABLE);
SAME(CUDA_HOST_ALLOC_DEVICEMAP, CU_MEMHOSTALLOC_DEVICEMAP);
SAME(CUDA_HOST_ALLOC_WRITECOMBINED, CU_MEMHOSTALLOC_WRITECOMBINED);
SAME(CUDA_HOST_REGISTER_PORTABLE, CU_MEMHOSTREGISTER_PORTABLE);
SAME(CUDA_HOST_REGISTER_DEVICEMAP, CU_MEMHOSTREGISTER_DEVICEMAP);
SAME(CUDA_ATTACH_GLOBAL, CU_MEM_ATTACH_GLOBAL);
SAME(CUDA_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_DEVICE);
SAME(CUDA_POINTER_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
SAME(CUDA_ALLOCATION_PINNED, CU_MEM_ALLOCATION_TYPE_PINNED);
SAME(CUDA_LOCATION_DEVICE, CU_MEM_LOCATION_TYPE_DEVICE);
SAME(CUDA_ACCESS_NONE, CU_MEM_ACCESS_FLAGS_PROT_NONE);
SAME(CUDA_ACCESS_READWRITE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
SAME(CUDA_POOL_RELEASE_THRESHOLD, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
SAME(CUDA_POOL_RESERVED_CURRENT, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
SAME(CUDA_POOL_USED_CURRENT, CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
SAME(CUDA_FUNC_MAX_THREADS_PER_BLOCK, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(CUDA_FUNC_LOCAL_SIZE_BYTES, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME(CUDA_FUNC_SHARED_SIZE_BYTES, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(CUDA_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES,
     CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(CUDA_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER);
SAME(CUDA_JIT_ERROR_LOG_BUFFER_SIZE, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME(CUDA_PROC_LEGACY_STREAM, CU_GET_PROC_ADDRESS_LEGACY_STREAM);

#define FIELD(ours, member, theirs, other)                 \
    SAME(offsetof(ours, member), offsetof(theirs, other)); \
    SAME(sizeof(((ours *)0)->member), sizeof(((theirs *)0)->other))
SAME(sizeof(struct cuda_pool_props), sizeof(CUmemPoolProps));
FIELD(struct cuda_pool_props, alloc_type, CUmemPoolProps, allocType);
FIELD(struct cuda_pool_props, handle_types, CUmemPoolProps, handleTypes);
FIELD(struct cuda_pool_props, location_type, CUmemPoolProps, location.type);
FIELD(struct cuda_pool_props, location_id, CUmemPoolProps, location.id);
FIELD(struct cuda_pool_props, max_size, CUmemPoolProps, maxSize);
SAME(sizeof(struct cuda_access), sizeof(CUmemAccessDesc));
FIELD(struct cuda_access, location_type, CUmemAccessDesc, location.type);
FIELD(struct cuda_access, location_id, CUmemAccessDesc, location.id);
FIELD(struct cuda_access, flags, CUmemAccessDesc, flags);
SAME(sizeof(struct cuda_copy_2d), sizeof(CUDA_MEMCPY2D));
FIELD(struct cuda_copy_2d, src_type, CUDA_MEMCPY2D, srcMemoryType);
FIELD(struct cuda_copy_2d, src_device, CUDA_MEMCPY2D, srcDevice);
FIELD(struct cuda_copy_2d, src_pitch, CUDA_MEMCPY2D, srcPitch);
FIELD(struct cuda_copy_2d, dst_type, CUDA_MEMCPY2D, dstMemoryType);
FIELD(struct cuda_copy_2d, dst_device, CUDA_MEMCPY2D, dstDevice);
FIELD(struct cuda_copy_2d, dst_pitch, CUDA_MEMCPY2D, dstPitch);
FIELD(struct cuda_copy_2d, width, CUDA_MEMCPY2D, WidthInBytes);
FIELD(struct cuda_copy_2d, height, CUDA_MEMCPY2D, Height);
SAME(sizeof(CUuuid), 16);

#ifdef HAVE_NVRTC
#define X(name, parameters)                                              \
    _Static_assert(__builtin_types_compatible_p(__typeof__(nvrtc##name), \
                                                unsigned parameters),    \
                   "nvrtc" #name);
CUDA_NVRTC_LIST(X)
#undef X
#endif
#endif

static void agrees(void **state)
{
    (void)state;
#ifndef HAVE_HEADER
    print_message("no cuda.h here\n");
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(agrees) };

    return cmocka_run_group_tests_name("cuda header", tests, NULL, NULL);
}
