/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal.h - Halcyon's public API: CUDA's nouns, verbs and semantics on every
 * device.  Porting CUDA host code is a rename (cudaMalloc -> halMalloc).
 *
 * Model.  Device ordinals run over all backends; each device also has a stable
 * name ("cpu:0", "opencl:0", "vulkan:1", or a stand-in such as
 * "ascend-910b").  HALCYON_DEVICES, a comma-separated list of names, filters
 * and orders them, as CUDA_VISIBLE_DEVICES does; it is read once, at the first
 * call.  The current device is a property of the calling thread (default 0).
 *
 * Pointers.  Device pointers are `void *` and p + offset works everywhere.
 * Do not dereference them on the host, save those of halMallocManaged,
 * halHostAlloc and halHostRegister.  halSuccess is 0; zero-size work
 * succeeds and does nothing.
 *
 * Streams.  NULL is the legacy default stream of the current device: it waits
 * for all earlier work on the device's blocking streams, and they wait for it.
 * Work is asynchronous: no call waits for a device unless it says so.
 *
 * Failure.  Every call returns halError_t; on failure out-parameters are
 * untouched and nothing changed, unless the call says otherwise.
 * halGetErrorDetail() gives the sentence that helps.  The library never
 * prints, aborts or exits.  Comments name the errors that are the call's own;
 * any call may fail besides with
 *   halErrorInvalidValue   a NULL that must not be one, a number out of range,
 *                          unknown flags
 *   halErrorInvalidDevice  no such ordinal, or no device at all
 *   halErrorInvalidHandle  a handle that is 0 (but for streams), foreign,
 *                          destroyed, of another kind, or of another device
 *                          than the call's other handles
 *   halErrorDeviceLost     the device stopped answering: everything that would
 *                          work on it fails so until halDeviceReset
 *   halErrorHostMemory     the host's memory is exhausted
 *   halErrorNoDriver       the device's driver does not open it (first use)
 *   halErrorInternal       a driver broke its contract; please report it
 * Work that fails after its call returned is reported, once, by the next
 * query, synchronisation or copy that waits for its stream, event or device:
 * halErrorLaunchFailure for a kernel, halErrorDeviceLost, and what copies and
 * fills may fail with.
 *
 * Ownership.  What a Create, Alloc, Load or Register call makes belongs to the
 * current device and lives until its Destroy, Free, Unload or Unregister call
 * or halDeviceReset; nothing is freed when a thread ends.  Strings and arrays
 * that are passed in are copied, or done with, when the call returns.
 *
 * Fork.  The first call opens drivers and starts threads, and neither lives in
 * a child of fork().  In a child that was forked after its parent's first call
 * every call fails with halErrorInitializationError and does nothing (those
 * about errors, halRuntimeGetVersion and freeing NULL work): fork before the
 * first call, or exec a program in the child, which is free to use Halcyon.
 * The parent is not disturbed.
 *
 * Threads.  Every function may be called from any thread at any time, unless
 * its comment says otherwise.  Destroying an object while another thread uses
 * it is the caller's error, but it is caught: handles are checked, not trusted.
 */
#ifndef HAL_HAL_H
#define HAL_HAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAL_VERSION_MAJOR 0
#define HAL_VERSION_MINOR 1
#define HAL_VERSION_PATCH 0
#define HAL_VERSION \
    (HAL_VERSION_MAJOR * 10000 + HAL_VERSION_MINOR * 100 + HAL_VERSION_PATCH)

#if defined(__GNUC__)
#define HAL_API      __attribute__((visibility("default"), warn_unused_result))
#define HAL_API_VOID __attribute__((visibility("default")))
#else
#define HAL_API
#define HAL_API_VOID
#endif

/* ---- errors ---------------------------------------------------------- */

typedef enum halError {
#define X(value, name, text) halError##name = value,
#include "errors.def"
#undef X
    halSuccess = halErrorSuccess
} halError_t;

/* The error's name ("halErrorInvalidValue") or its sentence; static, never
 * NULL: an unknown value gives "halErrorUnknown". */
HAL_API_VOID const char *halGetErrorName(halError_t error);
HAL_API_VOID const char *halGetErrorString(halError_t error);

/* The last error of this thread; Get also resets it to halSuccess. */
HAL_API_VOID halError_t halGetLastError(void);
HAL_API_VOID halError_t halPeekAtLastError(void);

/* The sentence written where this thread's last failure was seen: what was
 * wrong, with which value, and what to do; never NULL, "" after none.  It lies
 * in a buffer of the thread that lives as long as the thread does.  Read it
 * before the thread's next call into the library: any such call may write it
 * anew, a successful one too, save those of this section (halGetError...,
 * halGetLastError, halPeekAtLastError).  Other threads' calls never do. */
HAL_API_VOID const char *halGetErrorDetail(void);

/* ---- types ----------------------------------------------------------- */

/* Opaque handles; 0 is never a live one (for streams: the default stream).
 * Using one that was destroyed is halErrorInvalidHandle. */
typedef struct halStream_st *halStream_t;
typedef struct halEvent_st *halEvent_t;
typedef struct halModule_st *halModule_t;
typedef struct halFunction_st *halFunction_t;

typedef struct hal_dim3 {
    unsigned x, y, z;
} halDim3;

typedef enum halMemcpyKind {
    halMemcpyHostToHost = 0,
    halMemcpyHostToDevice = 1,
    halMemcpyDeviceToHost = 2,
    halMemcpyDeviceToDevice = 3, /* the two may be on different devices */
    halMemcpyDefault = 4         /* inferred from the pointers */
} halMemcpyKind;

enum {
    halStreamDefault = 0,
    halStreamNonBlocking = 1, /* no implicit order with the default stream */

    halEventDefault = 0,
    halEventBlockingSync = 1, /* accepted; waits always sleep */
    halEventDisableTiming = 2,

    halHostAllocDefault = 0,
    halHostAllocPortable = 1,
    halHostAllocMapped = 2,
    halHostAllocWriteCombined = 4,

    halHostRegisterDefault = 0,
    halHostRegisterPortable = 1,
    halHostRegisterMapped = 2,

    halMemAttachGlobal = 1
};

/* Number formats, for halDeviceProp.dtypes (bit 1u << dtype) and kernels. */
typedef enum halDtype {
    halF32 = 0,
    halF16 = 1,
    halBF16 = 2,
    halF64 = 3,
    halI8 = 4,
    halU8 = 5,
    halI16 = 6,
    halU16 = 7,
    halI32 = 8,
    halU32 = 9,
    halI64 = 10,
    halU64 = 11,
    halE4M3 = 12,
    halE5M2 = 13,
    halDtypeCount = 14
} halDtype;

/* Sizes in bytes, clocks in kHz.  What a driver does not tell is 0. */
struct halDeviceProp {
    char name[256];    /* what the driver or the profile calls it */
    char halName[64];  /* stable name: "opencl:0", "ascend-910b" */
    char backend[16];  /* "cpu", "opencl", "vulkan" */
    char driver[256];  /* driver and its version, in words */
    char standsOn[64]; /* a stand-in's real device name; "" otherwise */
    uint8_t uuid[16];
    uint64_t totalGlobalMem;
    uint64_t maxAllocBytes;     /* largest single allocation */
    uint64_t sharedMemPerBlock; /* what a kernel may declare */
    uint64_t memPitch;          /* largest pitch of a 2D copy */
    uint32_t pitchAlign;        /* halMallocPitch rounds pitches up to this */
    uint32_t memAlign;          /* alignment of every halMalloc result, >= 64 */
    uint32_t warpSize;          /* lanes that run in step; 1: none */
    uint32_t maxThreadsPerBlock;
    uint32_t maxThreadsDim[3];
    uint32_t maxGridSize[3];
    uint32_t maxThreadsPerMultiProcessor;
    uint32_t multiProcessorCount;
    uint32_t clockRate;
    uint32_t memoryClockRate;
    uint32_t memoryBusWidth; /* bits */
    uint32_t l2CacheSize;
    uint32_t major, minor; /* compute capability or API version */
    uint32_t maxLoopSteps; /* of all loops of one thread together, after which
                            * a driver ends them unsaid; 0: no such limit */
    uint32_t dtypes;       /* storage formats that kernels can use */
    uint32_t dtypesNative; /* formats with native arithmetic */
    uint32_t asyncEngineCount;
    int32_t integrated;        /* shares the host's memory */
    int32_t canMapHostMemory;  /* halHostGetDevicePointer works */
    int32_t managedMemory;     /* halMallocManaged works */
    int32_t concurrentKernels; /* streams may overlap */
    int32_t unifiedAddressing; /* always 1: pointers tell their device */
    int32_t streamPrioritiesSupported;
    uint64_t sharedMemPerBlockOptin; /* with what a launch adds to it: at least
                                      * sharedMemPerBlock */
};

/* Each is the prop of the same name (or index) as an int; INT32_MAX when it
 * does not fit. */
typedef enum halDeviceAttr {
    halDevAttrMaxThreadsPerBlock = 1,
    halDevAttrMaxBlockDimX = 2,
    halDevAttrMaxBlockDimY = 3,
    halDevAttrMaxBlockDimZ = 4,
    halDevAttrMaxGridDimX = 5,
    halDevAttrMaxGridDimY = 6,
    halDevAttrMaxGridDimZ = 7,
    halDevAttrMaxSharedMemoryPerBlock = 8,
    halDevAttrWarpSize = 10,
    halDevAttrMaxPitch = 11,
    halDevAttrClockRate = 13,
    halDevAttrTextureAlignment = 14, /* memAlign */
    halDevAttrMultiProcessorCount = 16,
    halDevAttrIntegrated = 18,
    halDevAttrCanMapHostMemory = 19,
    halDevAttrConcurrentKernels = 31,
    halDevAttrMemoryClockRate = 36,
    halDevAttrGlobalMemoryBusWidth = 37,
    halDevAttrL2CacheSize = 38,
    halDevAttrMaxThreadsPerMultiProcessor = 39,
    halDevAttrAsyncEngineCount = 40,
    halDevAttrUnifiedAddressing = 41,
    halDevAttrComputeCapabilityMajor = 75,
    halDevAttrComputeCapabilityMinor = 76,
    halDevAttrStreamPrioritiesSupported = 78,
    halDevAttrManagedMemory = 83,
    halDevAttrMaxSharedMemoryPerBlockOptin = 97
} halDeviceAttr;

typedef enum halMemoryType {
    halMemoryTypeUnregistered = 0, /* plain host memory */
    halMemoryTypeHost = 1,         /* halHostAlloc or halHostRegister */
    halMemoryTypeDevice = 2,
    halMemoryTypeManaged = 3
} halMemoryType;

struct halPointerAttributes {
    halMemoryType type;
    int device;          /* ordinal; -1 for unregistered memory */
    void *devicePointer; /* NULL if the device cannot reach it */
    void *hostPointer;   /* NULL if the host cannot reach it */
    void *base;          /* start of its allocation; NULL if unregistered */
    size_t size;         /* of its allocation */
};

/* Of a function on its module's device. */
struct halFuncAttributes {
    halDim3 blockDim;       /* the group size it was built for */
    size_t sharedSizeBytes; /* static */
    size_t localSizeBytes;  /* private memory per thread, where known */
    int maxThreadsPerBlock;
    int maxDynamicSharedSizeBytes;
    int numParams;    /* entries that halLaunchKernel's args must have */
    char variant[64]; /* which image runs: "cpu.v4", "vulkan.ssbo" */
};

typedef enum halFuncAttribute {
    halFuncAttributeMaxDynamicSharedMemorySize = 8
} halFuncAttribute;

/* One parameter as halLaunchKernel sees it. */
typedef enum halParamKind {
    halParamIn = 0,    /* device pointer, read */
    halParamOut = 1,   /* device pointer, written */
    halParamInOut = 2, /* device pointer, both */
    halParamScalar = 3 /* args[i] points to the value */
} halParamKind;

struct halParamInfo {
    char name[48];
    halParamKind kind;
    halDtype dtype;     /* element type, or the scalar's: F32, I32, U32 */
    uint32_t alignment; /* that a pointer must have, in bytes */
};

typedef void (*halHostFn_t)(void *userData);

/* ---- devices --------------------------------------------------------- */

/* Devices that HALCYON_DEVICES admits.  The first call loads the backends that
 * it may mean; without it every backend, and one whose driver is absent or
 * broken contributes none (halBackendGetInfo says why).  Succeeds with 0 when
 * none is found; halErrorInvalidDevice when HALCYON_DEVICES names one that does
 * not exist. */
HAL_API halError_t halGetDeviceCount(int *count);

/* The calling thread's current device; Set neither opens it nor waits. */
HAL_API halError_t halSetDevice(int device);
HAL_API halError_t halGetDevice(int *device);
/* Of any device, which they open at its first use.  An attribute that does not
 * exist is halErrorInvalidValue. */
HAL_API halError_t halGetDeviceProperties(struct halDeviceProp *prop,
                                          int device);
HAL_API halError_t halDeviceGetAttribute(int *value, halDeviceAttr attr,
                                         int device);
/* halErrorNotFound when no admitted device has this name. */
HAL_API halError_t halDeviceGetByName(int *device, const char *name);

/* Waits for all work on the current device; returns the first error of
 * asynchronous work since the last synchronisation.  Other threads may submit
 * meanwhile: what they submit is not waited for. */
HAL_API halError_t halDeviceSynchronize(void);

/* Waits for the device and for those that have it as a peer, then destroys
 * everything that was made on the current device: its streams, events, modules
 * and memory, and every peer access from and to it.  A lost device is opened
 * anew, at its next use.  Other threads' calls on the device that are under way
 * are waited for; those that begin meanwhile fail (halErrorBadState, or
 * halErrorInvalidHandle and halErrorInvalidPointer for what is gone), as later
 * ones do with what was made before.  Other devices may be used, freed from and
 * reset, peers of this one included.  Errors of work that is thrown away are
 * dropped.  Not to be called in a host function of the device. */
HAL_API halError_t halDeviceReset(void);

/* Bytes of the current device: its memory, and what is left of it as the driver
 * counts; of a stand-in, what its chip would have left. */
HAL_API halError_t halMemGetInfo(size_t *free_bytes, size_t *total_bytes);
/* Of the current device: greatest <= least, both 0 where there are no
 * priorities.  Either may be NULL. */
HAL_API halError_t halDeviceGetStreamPriorityRange(int *least, int *greatest);

/* Whether kernels of `device` may use memory of `peer`, 0 or 1; a device is no
 * peer of itself.  Copies between any two devices work always.  Enable and
 * Disable: kernels of the current device, memory of `peer`; flags 0.
 * halErrorPeerAccess: it is impossible, on already, or not on.  Disable waits
 * for the current device.  Freeing memory waits for every device that has its
 * device as a peer. */
HAL_API halError_t halDeviceCanAccessPeer(int *can, int device, int peer);
HAL_API halError_t halDeviceEnablePeerAccess(int peer, unsigned flags);
HAL_API halError_t halDeviceDisablePeerAccess(int peer);

/* Version of the current device's driver (major * 1000 + minor * 10),
 * and HAL_VERSION. */
HAL_API halError_t halDriverGetVersion(int *version);
HAL_API halError_t halRuntimeGetVersion(int *version);

/* Resident groups per multiprocessor, from threads and shared memory: an
 * estimate, at least 1 for a launch that is legal, 0 for one that is not.
 * dynamicShared in bytes.  The second: the one block size that the function
 * runs, and the groups that fill the device; halErrorInvalidConfiguration when
 * that exceeds blockSizeLimit (0: none) or the shared memory that there is. */
HAL_API halError_t halOccupancyMaxActiveBlocksPerMultiprocessor(
    int *blocks, halFunction_t function, int blockSize, size_t dynamicShared);
HAL_API halError_t halOccupancyMaxPotentialBlockSize(int *minGridSize,
                                                     int *blockSize,
                                                     halFunction_t function,
                                                     size_t dynamicShared,
                                                     int blockSizeLimit);

/* Every backend that was built in or found, with or without devices; index
 * from 0 until halErrorInvalidValue.  `note` says what is missing and how to
 * get it, or "".  Loads what HALCYON_DEVICES has left out so far.  A folder of
 * HALCYON_BACKEND_PATH or HALCYON_PROFILE_PATH that cannot be read is an entry
 * too, "plug-ins" or "stand-ins". */
struct halBackendInfo {
    char name[16];
    int deviceCount; /* before HALCYON_DEVICES */
    halError_t status;
    char note[256];
};
HAL_API halError_t halBackendGetInfo(struct halBackendInfo *info, int index);

/* Every device and stand-in that HALCYON_DEVICES could name, admitted or not;
 * index from 0 until halErrorInvalidValue. */
HAL_API halError_t halDeviceGetKnownName(char name[64], char about[256],
                                         int index);

/* ---- memory ---------------------------------------------------------- */

/* size in bytes, on the current device; contents undefined; size 0 gives NULL.
 * Malloc fails with halErrorMemoryAllocation when there is no more, after
 * waiting for the pool's blocks of halFreeAsync, which it needs then.  Free
 * waits for the memory's device and its peers; NULL is fine; an interior,
 * foreign or freed pointer is halErrorInvalidPointer, as is host memory. */
HAL_API halError_t halMalloc(void **ptr, size_t size);
HAL_API halError_t halFree(void *ptr);

/* In stream order, from the pool of the stream's device: the memory may be used
 * by work that follows on the stream.  Errors as above; memory of another
 * device than the stream's is halErrorInvalidPointer.  They return early as a
 * rule, but may wait: for work whose memory the pool must give back, and for
 * copies between devices that still refer to an allocation. */
HAL_API halError_t halMallocAsync(void **ptr, size_t size, halStream_t stream);
HAL_API halError_t halFreeAsync(void *ptr, halStream_t stream);

/* As halMalloc: rows of `width` bytes, each starting on the device's pitch
 * alignment; *pitch in bytes. */
HAL_API halError_t halMallocPitch(void **ptr, size_t *pitch, size_t width,
                                  size_t height);

/* As halMalloc, usable by host and device; halErrorNotSupported where
 * prop.managedMemory is 0.  flags: halMemAttachGlobal.  Freed with halFree.
 * Synchronise before the host looks at what the device wrote. */
HAL_API halError_t halMallocManaged(void **ptr, size_t size, unsigned flags);

/* Page-locked host memory, size in bytes: copies from and to it are
 * asynchronous, on the current device or, with halHostAllocPortable, on every
 * device.  size 0 gives NULL.  halMallocHost is flags 0.  Free waits for the
 * device and its peers, or, of portable memory, for every device; NULL is fine;
 * what halHostAlloc did not return is halErrorInvalidPointer. */
HAL_API halError_t halHostAlloc(void **ptr, size_t size, unsigned flags);
HAL_API halError_t halMallocHost(void **ptr, size_t size);
HAL_API halError_t halFreeHost(void *ptr);

/* Treats the caller's memory as page-locked.  All of it must be mapped,
 * readable and writable, and stay so until halHostUnregister, which waits as
 * halFreeHost does; halErrorInvalidValue names the first address that is not.
 * A range that meets one that is registered or allocated already is
 * halErrorAlreadyRegistered; Unregister of anything but the start of a
 * registered range, NULL included, is halErrorInvalidPointer. */
HAL_API halError_t halHostRegister(void *ptr, size_t size, unsigned flags);
HAL_API halError_t halHostUnregister(void *ptr);

/* The current device's pointer to mapped host memory, which lives as long as
 * that does; flags 0.  halErrorNotSupported where prop.canMapHostMemory is 0,
 * for memory that was mapped on another device, and for registered memory that
 * the driver could not map, which may be so even where it is 1; any other
 * memory is halErrorInvalidPointer. */
HAL_API halError_t halHostGetDevicePointer(void **device, void *host,
                                           unsigned flags);

/* Copies, sizes in bytes.  The plain form waits; the Async form may return
 * early only for page-locked host memory (for other host memory the source has
 * been read, or the target written, on return: it waits for the stream).  A
 * range that leaves its allocation is halErrorInvalidValue, before anything is
 * copied; so are ranges that overlap, device memory where the direction says
 * host, and, in the Peer forms, memory that is not of the ordinal given.  What
 * should be device memory and is none is halErrorInvalidPointer.
 *
 * halMemcpyDefault takes an address that is in no live allocation for plain
 * host memory, as CUDA does.  A freed device pointer is told apart only where
 * device addresses are Halcyon's own; where they are real addresses (a CPU,
 * SVM) the host may have the memory again, and the copy reads or writes it.
 * Naming the direction makes such a pointer halErrorInvalidPointer. */
HAL_API halError_t halMemcpy(void *dst, const void *src, size_t size,
                             halMemcpyKind kind);
HAL_API halError_t halMemcpyAsync(void *dst, const void *src, size_t size,
                                  halMemcpyKind kind, halStream_t stream);
HAL_API halError_t halMemcpyPeer(void *dst, int dstDevice, const void *src,
                                 int srcDevice, size_t size);
HAL_API halError_t halMemcpyPeerAsync(void *dst, int dstDevice, const void *src,
                                      int srcDevice, size_t size,
                                      halStream_t stream);
/* `height` rows of `width` bytes; pitches in bytes, >= width, and up to the
 * device's memPitch, else halErrorInvalidValue. */
HAL_API halError_t halMemcpy2D(void *dst, size_t dpitch, const void *src,
                               size_t spitch, size_t width, size_t height,
                               halMemcpyKind kind);
HAL_API halError_t halMemcpy2DAsync(void *dst, size_t dpitch, const void *src,
                                    size_t spitch, size_t width, size_t height,
                                    halMemcpyKind kind, halStream_t stream);

/* `value` as a byte, size, pitch and width in bytes; D16 and D32: count of
 * elements, pointer aligned to them.  A range that leaves its allocation is
 * halErrorInvalidValue, memory that Halcyon does not know
 * halErrorInvalidPointer.  The plain forms are asynchronous on the default
 * stream, as CUDA's are for device memory; page-locked host memory, and memory
 * of another device than the stream's, is waited for in every form. */
HAL_API halError_t halMemset(void *ptr, int value, size_t size);
HAL_API halError_t halMemsetAsync(void *ptr, int value, size_t size,
                                  halStream_t stream);
HAL_API halError_t halMemsetD16(void *ptr, uint16_t value, size_t count);
HAL_API halError_t halMemsetD16Async(void *ptr, uint16_t value, size_t count,
                                     halStream_t stream);
HAL_API halError_t halMemsetD32(void *ptr, uint32_t value, size_t count);
HAL_API halError_t halMemsetD32Async(void *ptr, uint32_t value, size_t count,
                                     halStream_t stream);
HAL_API halError_t halMemset2D(void *ptr, size_t pitch, int value, size_t width,
                               size_t height);
HAL_API halError_t halMemset2DAsync(void *ptr, size_t pitch, int value,
                                    size_t width, size_t height,
                                    halStream_t stream);

/* Succeeds for any non-NULL pointer: unknown memory is Unregistered. */
HAL_API halError_t halPointerGetAttributes(struct halPointerAttributes *attr,
                                           const void *ptr);

/* ---- streams --------------------------------------------------------- */

/* On the current device; flags halStreamDefault or halStreamNonBlocking. */
HAL_API halError_t halStreamCreate(halStream_t *stream);
HAL_API halError_t halStreamCreateWithFlags(halStream_t *stream,
                                            unsigned flags);
/* Lower numbers first; clamped to halDeviceGetStreamPriorityRange. */
HAL_API halError_t halStreamCreateWithPriority(halStream_t *stream,
                                               unsigned flags, int priority);
/* Waits for the stream's work, then destroys it; an error of that work is the
 * next halDeviceSynchronize's.  The default stream is halErrorInvalidHandle. */
HAL_API halError_t halStreamDestroy(halStream_t stream);
/* halErrorNotReady while work is left (not recorded as the last error). */
HAL_API halError_t halStreamQuery(halStream_t stream);
/* Waits for the stream's work. */
HAL_API halError_t halStreamSynchronize(halStream_t stream);
/* What it was made with, the priority as clamped; its device's ordinal. */
HAL_API halError_t halStreamGetFlags(halStream_t stream, unsigned *flags);
HAL_API halError_t halStreamGetPriority(halStream_t stream, int *priority);
HAL_API halError_t halStreamGetDevice(halStream_t stream, int *device);
/* Later work on the stream waits for the event's latest record; across
 * devices and backends too.  A never-recorded event is no wait.  flags 0.
 * Where the event is of another device, a failure of its stream's work may be
 * handed to the waiting stream too, whose next synchronisation reports it. */
HAL_API halError_t halStreamWaitEvent(halStream_t stream, halEvent_t event,
                                      unsigned flags);
/* Runs fn(userData) on a thread of Halcyon's in stream order.  Calls of this
 * API by fn fail with halErrorNotPermitted; userData must live until it has
 * run. */
HAL_API halError_t halLaunchHostFunc(halStream_t stream, halHostFn_t fn,
                                     void *userData);

/* ---- events ---------------------------------------------------------- */

/* On the current device; flags halEventDefault, or halEventBlockingSync and
 * halEventDisableTiming. */
HAL_API halError_t halEventCreate(halEvent_t *event);
HAL_API halError_t halEventCreateWithFlags(halEvent_t *event, unsigned flags);
/* Does not wait: work that waits for the event goes on to do so. */
HAL_API halError_t halEventDestroy(halEvent_t event);
/* A new record replaces the old.  A stream of another device than the event's
 * is halErrorInvalidHandle. */
HAL_API halError_t halEventRecord(halEvent_t event, halStream_t stream);
/* halErrorNotReady while unfinished; success if never recorded. */
HAL_API halError_t halEventQuery(halEvent_t event);
/* Waits for the latest record; returns at once if never recorded. */
HAL_API halError_t halEventSynchronize(halEvent_t event);
/* Milliseconds between two events of one device, on the device's clock.
 * halErrorNotReady if one is unfinished; halErrorBadState if one was never
 * recorded, or made without timing. */
HAL_API halError_t halEventElapsedTime(float *ms, halEvent_t start,
                                       halEvent_t end);

/* ---- modules and kernels --------------------------------------------- */

/* A module belongs to the current device.  Load reads a file (halErrorFileIo);
 * LoadData copies what it needs of the .halbin, size in bytes; damaged or
 * future ones are refused (halErrorInvalidImage), as are those without code for
 * this device (halErrorNoImageForDevice).  A .halbin holds native code for
 * CPUs: load only what you would run.
 *
 * HALCYON_VARIANT, a list of names such as "cpu.base,vulkan.bda", forces which
 * code runs: devices whose code the list speaks of run the listed variants and
 * nothing else, those of LoadSource too; a device that can run none of them
 * says so (halErrorNoImageForDevice).  Other devices are not concerned.  A name
 * that does not exist fails every load (halErrorNotFound). */
HAL_API halError_t halModuleLoad(halModule_t *module, const char *path);
HAL_API halError_t halModuleLoadData(halModule_t *module, const void *image,
                                     size_t size);
/* Compiles dialect text (docs/dialect.md) with the device's own compiler, now,
 * which may take seconds; results are cached on disk.  `name` appears in
 * messages ("my.k"); `options` is "-DX=Y ..." or NULL.  halErrorKernelBuild: it
 * does not compile, and the detail is the compiler's first complaint. */
HAL_API halError_t halModuleLoadSource(halModule_t *module, const char *source,
                                       const char *name, const char *options);
/* Waits for the device, then unloads; its functions die with it. */
HAL_API halError_t halModuleUnload(halModule_t module);
/* The function lives as long as its module.  halErrorNotFound: the module has
 * no such kernel; halErrorNoImageForDevice: not for this device;
 * halErrorKernelBuild: the driver refuses its code. */
HAL_API halError_t halModuleGetFunction(halFunction_t *function,
                                        halModule_t module, const char *name);
/* The n-th kernel's name, from 0 until halErrorInvalidValue; the string is the
 * module's and lives as long. */
HAL_API halError_t halModuleGetKernelName(const char **name, halModule_t module,
                                          int index);
/* What the function is like on its device; the most dynamic shared memory that
 * a launch may have, in bytes, which Set limits further; and its index-th
 * parameter, from 0 until halErrorInvalidValue. */
HAL_API halError_t halFuncGetAttributes(struct halFuncAttributes *attr,
                                        halFunction_t function);
HAL_API halError_t halFuncSetAttribute(halFunction_t function,
                                       halFuncAttribute attr, int value);
HAL_API halError_t halFuncGetParam(struct halParamInfo *info,
                                   halFunction_t function, int index);

/* args[i] points to the i-th argument (a pointer variable, or a scalar), as
 * in CUDA.  block must be the function's blockDim, or {0,0,0}, which means
 * it.  shared: dynamic bytes, counted against the limit.  A grid with a zero,
 * or grid, block or shared memory beyond the limits, is
 * halErrorInvalidConfiguration.  A NULL entry, or a buffer that is no live
 * pointer of this device or an enabled peer's, or is not aligned, is
 * halErrorInvalidArgument and names kernel and argument.  The arguments are
 * copied before return; buffers must live until the kernel has run (halFree
 * waits for it). */
HAL_API halError_t halLaunchKernel(halFunction_t function, halDim3 grid,
                                   halDim3 block, void **args, size_t shared,
                                   halStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
