/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - api.device.* and api.error.*: enumeration, properties, reset,
 * peers, pointer attributes, errors per thread.
 */
#include <pthread.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

static void count(struct conf *c)
{
    int n = 0, now = -1;

    CONF_OK(c, halGetDeviceCount(&n));
    CONF_TRUE(c, n > conf_device(c));
    CONF_OK(c, halGetDevice(&now));
    CONF_TRUE(c, now == conf_device(c));
    CONF_FAILS(c, halErrorInvalidValue, halGetDeviceCount(NULL));
    CONF_FAILS(c, halErrorInvalidValue, halGetDevice(NULL));
}

static void out_of_range(struct conf *c)
{
    struct halDeviceProp prop;
    int n = 0, value = 0, now = 0;

    CONF_OK(c, halGetDeviceCount(&n));
    CONF_FAILS(c, halErrorInvalidDevice, halSetDevice(n));
    CONF_FAILS(c, halErrorInvalidDevice, halSetDevice(-1));
    CONF_FAILS(c, halErrorInvalidDevice, halGetDeviceProperties(&prop, n));
    CONF_FAILS(c, halErrorInvalidDevice,
               halDeviceGetAttribute(&value, halDevAttrWarpSize, n));
    CONF_OK(c, halGetDevice(&now));
    CONF_TRUE(c, now == conf_device(c));
}

static void properties(struct conf *c)
{
    struct halDeviceProp p;

    CONF_FAILS(c, halErrorInvalidValue,
               halGetDeviceProperties(NULL, conf_device(c)));
    CONF_OK(c, halGetDeviceProperties(&p, conf_device(c)));
    CONF_TRUE(c, p.name[0] && p.halName[0] && p.backend[0] && p.driver[0]);
    CONF_TRUE(c, p.totalGlobalMem > 0 && p.maxAllocBytes > 0);
    CONF_TRUE(c, p.maxAllocBytes <= p.totalGlobalMem);
    CONF_TRUE(c, p.sharedMemPerBlock >= 16384);
    CONF_TRUE(c, p.sharedMemPerBlockOptin >= p.sharedMemPerBlock);
    CONF_TRUE(c, p.maxThreadsPerBlock >= 1 && p.warpSize >= 1);
    CONF_TRUE(c, p.maxThreadsDim[0] >= 1 && p.maxThreadsDim[2] >= 1);
    CONF_TRUE(c, p.maxGridSize[0] >= 65535 && p.maxGridSize[2] >= 1);
    CONF_TRUE(c, p.multiProcessorCount >= 1);
    CONF_TRUE(c, p.memAlign >= 64 && !(p.memAlign & (p.memAlign - 1)));
    CONF_TRUE(c, p.pitchAlign >= 1 && p.unifiedAddressing == 1);
    CONF_TRUE(c, p.dtypes & (1u << halF32));
    CONF_TRUE(c, p.dtypes & (1u << halBF16)); /* as 16-bit storage */
}

static void attributes(struct conf *c)
{
    const struct halDeviceProp *p = conf_prop(c);
    const struct {
        halDeviceAttr attr;
        uint64_t want;
    } rows[] = {
        { halDevAttrMaxThreadsPerBlock, p->maxThreadsPerBlock },
        { halDevAttrMaxBlockDimX, p->maxThreadsDim[0] },
        { halDevAttrMaxBlockDimY, p->maxThreadsDim[1] },
        { halDevAttrMaxBlockDimZ, p->maxThreadsDim[2] },
        { halDevAttrMaxGridDimX, p->maxGridSize[0] },
        { halDevAttrMaxGridDimY, p->maxGridSize[1] },
        { halDevAttrMaxGridDimZ, p->maxGridSize[2] },
        { halDevAttrMaxSharedMemoryPerBlock, p->sharedMemPerBlock },
        { halDevAttrWarpSize, p->warpSize },
        { halDevAttrMaxPitch, p->memPitch },
        { halDevAttrClockRate, p->clockRate },
        { halDevAttrTextureAlignment, p->memAlign },
        { halDevAttrMultiProcessorCount, p->multiProcessorCount },
        { halDevAttrIntegrated, (uint64_t)p->integrated },
        { halDevAttrCanMapHostMemory, (uint64_t)p->canMapHostMemory },
        { halDevAttrConcurrentKernels, (uint64_t)p->concurrentKernels },
        { halDevAttrMemoryClockRate, p->memoryClockRate },
        { halDevAttrGlobalMemoryBusWidth, p->memoryBusWidth },
        { halDevAttrL2CacheSize, p->l2CacheSize },
        { halDevAttrMaxThreadsPerMultiProcessor,
          p->maxThreadsPerMultiProcessor },
        { halDevAttrAsyncEngineCount, p->asyncEngineCount },
        { halDevAttrUnifiedAddressing, 1 },
        { halDevAttrComputeCapabilityMajor, p->major },
        { halDevAttrComputeCapabilityMinor, p->minor },
        { halDevAttrStreamPrioritiesSupported,
          (uint64_t)p->streamPrioritiesSupported },
        { halDevAttrManagedMemory, (uint64_t)p->managedMemory },
        { halDevAttrMaxSharedMemoryPerBlockOptin, p->sharedMemPerBlockOptin },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = -1;
        uint64_t want = rows[i].want < INT32_MAX ? rows[i].want : INT32_MAX;

        CONF_OK(c, halDeviceGetAttribute(&got, rows[i].attr, conf_device(c)));
        conf_check(c, got == (int)want, "attribute %d is %d, the prop %d",
                   rows[i].attr, got, (int)want);
    }
}

static void attributes_bad(struct conf *c)
{
    int value = 5;

    CONF_FAILS(
        c, halErrorInvalidValue,
        halDeviceGetAttribute(&value, (halDeviceAttr)9999, conf_device(c)));
    CONF_FAILS(c, halErrorInvalidValue,
               halDeviceGetAttribute(NULL, halDevAttrWarpSize, conf_device(c)));
    CONF_TRUE(c, value == 5);
}

static void by_name(struct conf *c)
{
    int d = -1;

    CONF_OK(c, halDeviceGetByName(&d, conf_prop(c)->halName));
    CONF_TRUE(c, d == conf_device(c));
    CONF_FAILS(c, halErrorNotFound, halDeviceGetByName(&d, "no-such-chip"));
    CONF_TRUE(c, strstr(halGetErrorDetail(), "no-such-chip") != NULL);
    CONF_FAILS(c, halErrorNotFound, halDeviceGetByName(&d, ""));
    CONF_FAILS(c, halErrorInvalidValue, halDeviceGetByName(&d, NULL));
    CONF_FAILS(c, halErrorInvalidValue, halDeviceGetByName(NULL, "cpu:0"));
}

static void versions(struct conf *c)
{
    int driver = -1, runtime = -1;

    CONF_OK(c, halDriverGetVersion(&driver));
    CONF_OK(c, halRuntimeGetVersion(&runtime));
    CONF_TRUE(c, driver > 0 && runtime == HAL_VERSION);
    CONF_FAILS(c, halErrorInvalidValue, halDriverGetVersion(NULL));
    CONF_FAILS(c, halErrorInvalidValue, halRuntimeGetVersion(NULL));
}

static void peers(struct conf *c)
{
    int here = conf_device(c), there = conf_other_device(c, 0), can = 7;

    CONF_OK(c, halDeviceCanAccessPeer(&can, here, here));
    CONF_TRUE(c, can == 0); /* a device is no peer of itself, as in CUDA */
    CONF_FAILS(c, halErrorInvalidDevice,
               halDeviceCanAccessPeer(&can, here, 99));
    CONF_FAILS(c, halErrorInvalidDevice, halDeviceEnablePeerAccess(99, 0));
    CONF_FAILS(c, halErrorInvalidDevice, halDeviceEnablePeerAccess(here, 0));
    if (there < 0)
        return;
    CONF_OK(c, halDeviceCanAccessPeer(&can, here, there));
    if (can) {
        CONF_OK(c, halDeviceEnablePeerAccess(there, 0));
        CONF_FAILS(c, halErrorPeerAccess, halDeviceEnablePeerAccess(there, 0));
        CONF_OK(c, halDeviceDisablePeerAccess(there));
    } else {
        CONF_FAILS(c, halErrorPeerAccess, halDeviceEnablePeerAccess(there, 0));
    }
    CONF_FAILS(c, halErrorPeerAccess, halDeviceDisablePeerAccess(there));
}

/* What was made before a reset is gone; what is made after it works. */
static void reset(struct conf *c)
{
    void *p = NULL, *q = NULL;
    halStream_t s = NULL;
    halEvent_t e = NULL;
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    uint32_t got = 0, n = 1;
    float a = 1;

    CONF_OK(c, halMalloc(&p, 4096));
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halDeviceReset());
    CONF_FAILS(c, halErrorInvalidPointer, halFree(p));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamSynchronize(s));
    CONF_FAILS(c, halErrorInvalidHandle, halEventSynchronize(e));
    CONF_FAILS(c, halErrorInvalidHandle, halModuleUnload(m));
    CONF_OK(c, halMalloc(&q, 4096));
    CONF_OK(c, halMemsetD32(q, 77, 1024));
    CONF_OK(c, halMemcpy(&got, q, 4, halMemcpyDeviceToHost));
    CONF_TRUE(c, got == 77);
    void *args[] = { &q, &q, &a, &n };
    CONF_FAILS(c, halErrorInvalidHandle,
               halLaunchKernel(f, (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                               args, 0, NULL));
    CONF_OK(c, halFree(q));
    CONF_OK(c, halDeviceReset());
}

static void pointer_attributes(struct conf *c)
{
    struct halPointerAttributes a;
    void *p = NULL;
    int on_stack = 0;

    CONF_OK(c, halMalloc(&p, 1000));
    CONF_OK(c, halPointerGetAttributes(&a, (char *)p + 999));
    CONF_TRUE(c, a.type == halMemoryTypeDevice);
    CONF_TRUE(c, a.device == conf_device(c));
    CONF_TRUE(c, a.base == p && a.size >= 1000);
    CONF_TRUE(c, a.devicePointer == (char *)p + 999);
    CONF_OK(c, halPointerGetAttributes(&a, &on_stack));
    CONF_TRUE(c, a.type == halMemoryTypeUnregistered && a.device == -1);
    CONF_FAILS(c, halErrorInvalidValue, halPointerGetAttributes(&a, NULL));
    CONF_FAILS(c, halErrorInvalidValue, halPointerGetAttributes(NULL, p));
    CONF_OK(c, halFree(p));
    CONF_OK(c, halPointerGetAttributes(&a, p));
    CONF_TRUE(c, a.type == halMemoryTypeUnregistered);
}

static void error_names(struct conf *c)
{
    static const struct {
        halError_t error;
        const char *name, *text;
    } list[] = {
#define X(value, name, text) { (halError_t)(value), "halError" #name, text },
#include "hal/errors.def"
#undef X
    };

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const char *name =
            list[i].error == halSuccess ? "halSuccess" : list[i].name;
        const char *is = halGetErrorName(list[i].error);
        const char *says = halGetErrorString(list[i].error);

        conf_check(c, !strcmp(is, name), "error %d is named %s, not %s",
                   list[i].error, is, name);
        conf_check(c, says[0] && !strcmp(says, list[i].text),
                   "%s says \"%s\", not \"%s\"", name, says, list[i].text);
    }
    CONF_TRUE(c, !strcmp(halGetErrorName((halError_t)4711), "halErrorUnknown"));
    CONF_TRUE(c, halGetErrorString((halError_t)4711) != NULL);
}

static void error_last(struct conf *c)
{
    void *p = NULL;

    CONF_OK(c, halMalloc(&p, 64));
    (void)halGetLastError();
    CONF_FAILS(c, halErrorInvalidValue, halMalloc(NULL, 64));
    CONF_TRUE(c, halPeekAtLastError() == halErrorInvalidValue);
    CONF_OK(c, halMemset(p, 0, 64)); /* success does not clear it */
    CONF_TRUE(c, halPeekAtLastError() == halErrorInvalidValue);
    CONF_TRUE(c, halGetLastError() == halErrorInvalidValue);
    CONF_TRUE(c, halGetLastError() == halSuccess);
    CONF_OK(c, halFree(p));
}

static void *other_thread(void *arg)
{
    halError_t *st = arg;

    st[0] = halPeekAtLastError();
    st[1] = halMalloc(NULL, 1);
    st[2] = halGetLastError();
    return NULL;
}

static void error_per_thread(struct conf *c)
{
    halError_t st[3] = { halErrorInternal, halSuccess, halSuccess };
    pthread_t t;

    (void)halGetLastError();
    CONF_FAILS(c, halErrorInvalidDevice, halSetDevice(12345));
    CONF_TRUE(c, !pthread_create(&t, NULL, other_thread, st));
    pthread_join(t, NULL);
    CONF_TRUE(c, st[0] == halSuccess);
    CONF_TRUE(c, st[1] == halErrorInvalidValue && st[2] == st[1]);
    CONF_TRUE(c, halGetLastError() == halErrorInvalidDevice);
}

static void error_detail(struct conf *c)
{
    void *p = NULL;

    CONF_FAILS(c, halErrorInvalidDevice, halSetDevice(4321));
    CONF_TRUE(c, strstr(halGetErrorDetail(), "4321") != NULL);
    CONF_FAILS(c, halErrorMemoryAllocation, halMalloc(&p, (size_t)1 << 62));
    CONF_TRUE(c, strlen(halGetErrorDetail()) > 20);
}

/* It stays while the thread asks about errors, and whatever others do. */
static void error_detail_stays(struct conf *c)
{
    halError_t st[3] = { halErrorInternal, halSuccess, halSuccess };
    const char *detail;
    char text[512];
    pthread_t t;

    CONF_FAILS(c, halErrorInvalidDevice, halSetDevice(4321));
    detail = halGetErrorDetail();
    snprintf(text, sizeof text, "%s", detail);
    CONF_TRUE(c, halPeekAtLastError() == halErrorInvalidDevice);
    CONF_TRUE(c, halGetLastError() == halErrorInvalidDevice);
    CONF_TRUE(c, halGetErrorName(halErrorInternal) != NULL);
    CONF_TRUE(c, halGetErrorString(halErrorInternal) != NULL);
    CONF_TRUE(c, !pthread_create(&t, NULL, other_thread, st));
    pthread_join(t, NULL);
    CONF_TRUE(c, st[1] == halErrorInvalidValue);
    CONF_TRUE(c, halGetErrorDetail() == detail && !strcmp(detail, text));
}

static const struct conf_case cases[] = {
    { "api.device.count", count, .levels = CORE },
    { "api.device.out_of_range", out_of_range, .levels = CORE },
    { "api.device.properties", properties, .levels = CORE },
    { "api.device.attributes", attributes, .levels = CORE },
    { "api.device.attributes_bad", attributes_bad, .levels = CORE },
    { "api.device.by_name", by_name, .levels = CORE },
    { "api.device.versions", versions, .levels = CORE },
    { "api.device.peers", peers, .levels = CORE },
    { "api.device.reset", reset, .levels = CORE },
    { "api.device.pointer_attributes", pointer_attributes, .levels = CORE },
    { "api.error.names", error_names, .levels = CORE },
    { "api.error.last", error_last, .levels = CORE },
    { "api.error.per_thread", error_per_thread, .levels = CORE },
    { "api.error.detail", error_detail, .levels = CORE },
    { "api.error.detail_stays", error_detail_stays, .levels = CORE },
    { 0 },
};

void conf_cases_api_device(struct conf_list *list,
                           const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
