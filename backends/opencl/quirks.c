/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quirks.c - the only place that knows drivers by name.  Each entry says what
 * is wrong and when it may go; docs/drivers/opencl.md says how to see it.
 */
#include "backends/opencl/opencl.h"

#include <string.h>

static const struct {
    const char *platform;       /* substring of CL_PLATFORM_NAME */
    const char *device_version; /* substring of CL_DEVICE_VERSION, or NULL */
    unsigned quirks;
} table[] = {
    /* QUIRK(oclgrind): a simulator, about 1000 times slower than a driver,
     * whose package may register itself as an ordinary platform.  It runs
     * commands inside clFlush, clFinish and clWaitForEvents, and locks
     * nothing.  It interprets what LLVM made of the text, of which it lacks
     * some (llvm.abs, llvm.fshl), and keeps integers in whole bytes: a switch
     * over two bits sees the six above them too.  Remove when it is no longer
     * used. */
    { "Oclgrind", NULL,
      OPENCL_QUIRK_HIDDEN | OPENCL_QUIRK_SERIAL | OPENCL_QUIRK_INLINE |
          OPENCL_QUIRK_PLAIN },
    /* QUIRK(rusticl <= 22.3): after clFlush, clFinish returns before the work
     * is done; waiting for an event works.  Later versions are not told apart,
     * since the detour costs one marker a synchronisation.  Remove when 22.3
     * is gone from Debian stable. */
    { "rusticl", NULL, OPENCL_QUIRK_EARLY_FINISH },
    /* QUIRK(llvmpipe): a thread's loops silently end after 65,535 iterations,
     * so that one thread must not do a whole group's work, although the device
     * is a CPU.  Remove when Mesa's gallivm has no such limit. */
    { "rusticl", NULL, OPENCL_QUIRK_LOOPS },
    /* QUIRK(pocl "basic" device): clEnqueue* runs the work in the calling
     * thread, so that clFlush, a tenth of a launch, finds nothing to start.
     * By design; remove when the device is gone. */
    { "Portable Computing Language", "HSTR: basic",
      OPENCL_QUIRK_INLINE | OPENCL_QUIRK_EAGER },
    { "Portable Computing Language", "HSTR: cpu-minimal",
      OPENCL_QUIRK_INLINE | OPENCL_QUIRK_EAGER },
    /* QUIRK(pocl): asked for a program's binary, it compiles each kernel once
     * more, for groups of any size, which no launch then runs; and it keeps
     * programs and what its launches needed on disk by itself.  Remove when
     * CL_PROGRAM_BINARIES compiles nothing. */
    { "Portable Computing Language", NULL, OPENCL_QUIRK_CACHES },
};

unsigned opencl_quirks(const char *platform, const char *device_version)
{
    unsigned quirks = 0;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!strstr(platform, table[i].platform))
            continue;
        if (!table[i].device_version ||
            strstr(device_version, table[i].device_version))
            quirks |= table[i].quirks;
    }
    return quirks;
}
