/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.c - what CUDA's codes are called, what they mean to a caller, and
 * which of them end the context.  Invariant: the only place that translates a
 * code.
 */
#include "backends/cuda/cuda.h"

#include <stdio.h>
#include <string.h>

static const struct {
    unsigned code;
    halError_t error;
    bool is_final; /* the context answers every later call with it */
    const char *name, *hint;
} codes[] = {
#define C(code, name, error, is_final, hint)                       \
    {                                                              \
        code, halError##error, is_final, "CUDA_ERROR_" #name, hint \
    }
    C(1, INVALID_VALUE, InvalidValue, false, ""),
    C(2, OUT_OF_MEMORY, MemoryAllocation, false, ""),
    C(3, NOT_INITIALIZED, NoDriver, false, ""),
    C(4, DEINITIALIZED, DeviceLost, true, "the driver is shutting down"),
    C(34, STUB_LIBRARY, NoDriver, false,
      "the toolkit's stub library was loaded, not a driver"),
    C(36, CALL_REQUIRES_NEWER_DRIVER, NoDriver, false,
      "update the NVIDIA driver"),
    C(46, DEVICE_UNAVAILABLE, NoDriver, false,
      "another process has the GPU: its compute mode is exclusive or "
      "prohibited (`nvidia-smi -c DEFAULT` opens it)"),
    C(100, NO_DEVICE, NoDriver, false, "no GPU is visible"),
    C(101, INVALID_DEVICE, InvalidDevice, false, ""),
    C(102, DEVICE_NOT_LICENSED, NoDriver, false, "a vGPU without a licence"),
    C(200, INVALID_IMAGE, InvalidImage, false, ""),
    C(201, INVALID_CONTEXT, Internal, false, ""),
    C(205, MAP_FAILED, MemoryAllocation, false, ""),
    C(209, NO_BINARY_FOR_GPU, NoImageForDevice, false,
      "the image is for another architecture"),
    C(214, ECC_UNCORRECTABLE, DeviceLost, true,
      "an uncorrectable memory error: see `nvidia-smi -q -d ECC`"),
    C(217, PEER_ACCESS_UNSUPPORTED, PeerAccess, false, ""),
    C(218, INVALID_PTX, KernelBuild, false, ""),
    C(220, NVLINK_UNCORRECTABLE, DeviceLost, true, "an NVLink error"),
    C(221, JIT_COMPILER_NOT_FOUND, KernelBuild, false,
      "libnvidia-ptxjitcompiler.so.1, a part of the driver, is missing"),
    C(222, UNSUPPORTED_PTX_VERSION, NoImageForDevice, false,
      "the PTX is newer than the driver: update the driver"),
    C(223, JIT_COMPILATION_DISABLED, KernelBuild, false,
      "CUDA_DISABLE_PTX_JIT is set"),
    C(226, CONTAINED, DeviceLost, true, "a memory error, contained"),
    C(300, INVALID_SOURCE, KernelBuild, false, ""),
    C(304, OPERATING_SYSTEM, Internal, false,
      "an operating system call failed"),
    C(400, INVALID_HANDLE, Internal, false, ""),
    C(500, NOT_FOUND, NotFound, false, ""),
    C(700, ILLEGAL_ADDRESS, DeviceLost, true,
      "a kernel read or wrote outside of its buffers"),
    C(701, LAUNCH_OUT_OF_RESOURCES, InvalidConfiguration, false,
      "the kernel wants more registers or shared memory than there are"),
    C(702, LAUNCH_TIMEOUT, DeviceLost, true,
      "a kernel ran too long for a GPU that drives a display"),
    C(704, PEER_ACCESS_ALREADY_ENABLED, PeerAccess, false, ""),
    C(705, PEER_ACCESS_NOT_ENABLED, PeerAccess, false, ""),
    C(709, CONTEXT_IS_DESTROYED, DeviceLost, true,
      "something else in this process destroyed the primary context"),
    C(710, ASSERT, DeviceLost, true, "an assertion in a kernel failed"),
    C(711, TOO_MANY_PEERS, PeerAccess, false, ""),
    C(712, HOST_MEMORY_ALREADY_REGISTERED, AlreadyRegistered, false,
      "by something else in this process"),
    C(713, HOST_MEMORY_NOT_REGISTERED, Internal, false, ""),
    C(714, HARDWARE_STACK_ERROR, DeviceLost, true, "a kernel's stack is bad"),
    C(715, ILLEGAL_INSTRUCTION, DeviceLost, true,
      "a kernel met an illegal instruction"),
    C(716, MISALIGNED_ADDRESS, DeviceLost, true,
      "a kernel used a misaligned address"),
    C(717, INVALID_ADDRESS_SPACE, DeviceLost, true, ""),
    C(718, INVALID_PC, DeviceLost, true, ""),
    C(719, LAUNCH_FAILED, DeviceLost, true, "a kernel failed while it ran"),
    C(720, COOPERATIVE_LAUNCH_TOO_LARGE, InvalidConfiguration, false, ""),
    C(721, TENSOR_MEMORY_LEAK, DeviceLost, true, ""),
    C(800, NOT_PERMITTED, NotSupported, false, ""),
    C(801, NOT_SUPPORTED, NotSupported, false, ""),
    C(802, SYSTEM_NOT_READY, NoDriver, false,
      "on machines with NVSwitch, start nvidia-fabricmanager"),
    C(803, SYSTEM_DRIVER_MISMATCH, NoDriver, false,
      "libcuda and the kernel module are of different driver versions: "
      "reboot, or reload the module"),
    C(804, COMPAT_NOT_SUPPORTED_ON_DEVICE, NoDriver, false,
      "the compatibility libcuda (cuda-compat) does not support this GPU: "
      "take it out of LD_LIBRARY_PATH or update the driver"),
    C(807, MPS_SERVER_NOT_READY, NoDriver, false, "the MPS server is busy"),
    C(810, MPS_CLIENT_TERMINATED, DeviceLost, true,
      "the MPS server ended this client"),
    C(900, STREAM_CAPTURE_UNSUPPORTED, BadState, false, ""),
    C(999, UNKNOWN, Internal, false,
      "the driver does not say what; `dmesg` may (lines with NVRM)"),
#undef C
};

static int find(unsigned code)
{
    for (int i = 0; i < (int)(sizeof codes / sizeof codes[0]); i++)
        if (codes[i].code == code)
            return i;
    return -1;
}

const char *cuda_error_name(unsigned code)
{
    int i = find(code);

    return i < 0 ? "an unknown code" : codes[i].name;
}

const char *cuda_error_hint(unsigned code)
{
    int i = find(code);

    return i < 0 ? "" : codes[i].hint;
}

bool cuda_error_is_final(unsigned code)
{
    int i = find(code);

    return i >= 0 && codes[i].is_final;
}

static halError_t fail_lost(struct cuda_dev *dev, unsigned code,
                            const char *function, int length)
{
    char suspects[200] = "";
    unsigned none = 0;

    (void)atomic_compare_exchange_strong(&dev->lost, &none, code);
    cuda_streams_suspects(dev, suspects, sizeof suspects);
    return hal_fail(halErrorDeviceLost,
                    "cuda: %.80s is lost: %s (%u)%s%s, told by cu%.*s%s%s",
                    dev->gpu->name, cuda_error_name(code), code,
                    cuda_error_hint(code)[0] ? ": " : "", cuda_error_hint(code),
                    length, function, suspects[0] ? "; " : "", suspects);
}

halError_t cuda_fail(struct cuda_dev *dev, unsigned code, const char *what)
{
    int i = find(code);
    const char *name = what;
    int length;

    /* `what` is the text of a call: keep the function's name. */
    if (!strncmp(name, "cuda_cu.", 8))
        name += 8;
    length = (int)strcspn(name, "(");
    if (dev && (cuda_error_is_final(code) ||
                (code && code == atomic_load(&dev->lost))))
        return fail_lost(dev, code, name, length);
    return hal_fail(
        i < 0 ? halErrorInternal : codes[i].error, "cuda: cu%.*s: %s (%u)%s%s",
        length, name, cuda_error_name(code), code,
        cuda_error_hint(code)[0] ? ": " : "", cuda_error_hint(code));
}
