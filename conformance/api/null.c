/* SPDX-License-Identifier: Apache-2.0 */
/*
 * null.c - api.null.*: a case for each function whose bad input no other case
 * offers: missing out-pointers, bad handles, flags and indices.
 */
#include "conformance/api/api.h"
#include "conformance/families.h"

/* A handle that was good once. */
static halStream_t dead_stream(struct conf *c)
{
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halStreamDestroy(s));
    return s;
}

static void stream_get_priority(struct conf *c)
{
    int priority = 4711;

    CONF_FAILS(c, halErrorInvalidValue, halStreamGetPriority(NULL, NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halStreamGetPriority(dead_stream(c), &priority));
    CONF_TRUE(c, priority == 4711);
}

static void stream_get_device(struct conf *c)
{
    int device = 4711;

    CONF_FAILS(c, halErrorInvalidValue, halStreamGetDevice(NULL, NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halStreamGetDevice(dead_stream(c), &device));
    CONF_TRUE(c, device == 4711);
    CONF_OK(c, halStreamGetDevice(NULL, &device)); /* the default stream */
    CONF_TRUE(c, device == conf_device(c));
}

static void stream_create_with_priority(struct conf *c)
{
    halStream_t s = NULL;

    CONF_FAILS(c, halErrorInvalidValue,
               halStreamCreateWithPriority(NULL, halStreamDefault, 0));
    CONF_FAILS(c, halErrorInvalidValue,
               halStreamCreateWithPriority(&s, 0x100, 0));
    CONF_TRUE(c, s == NULL);
}

/* As in CUDA, either may be NULL. */
static void stream_priority_range(struct conf *c)
{
    int least = -4711, greatest = 4711, alone = 0;

    CONF_OK(c, halDeviceGetStreamPriorityRange(&least, &greatest));
    CONF_OK(c, halDeviceGetStreamPriorityRange(NULL, &alone));
    CONF_TRUE(c, alone == greatest);
    CONF_OK(c, halDeviceGetStreamPriorityRange(&alone, NULL));
    CONF_TRUE(c, alone == least);
    CONF_OK(c, halDeviceGetStreamPriorityRange(NULL, NULL));
    CONF_TRUE(c, greatest <= least);
}

static void memcpy_2d_async(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 256, 0);
    uint8_t *host = api_bytes(c, 256);

    CONF_OK(c, halMemset(b.mem, 0x44, 256));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy2DAsync(NULL, 16, host, 16, 16, 4,
                                halMemcpyHostToDevice, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy2DAsync(b.mem, 16, NULL, 16, 16, 4,
                                halMemcpyHostToDevice, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy2DAsync(b.mem, 8, host, 16, 16, 4,
                                halMemcpyHostToDevice, NULL));
    CONF_FAILS(
        c, halErrorInvalidValue,
        halMemcpy2DAsync(b.mem, 16, host, 16, 16, 4, (halMemcpyKind)9, NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halMemcpy2DAsync(b.mem, 16, host, 16, 16, 4,
                                halMemcpyHostToDevice, dead_stream(c)));
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &b, 0x44);
}

static void memcpy_peer_async(struct conf *c)
{
    struct conf_buf a = conf_alloc(c, 64, 0), b = conf_alloc(c, 64, 0);
    int here = conf_device(c);

    CONF_OK(c, halMemset(a.mem, 0x55, 64));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpyPeerAsync(NULL, here, b.mem, here, 64, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpyPeerAsync(a.mem, here, NULL, here, 64, NULL));
    CONF_FAILS(c, halErrorInvalidDevice,
               halMemcpyPeerAsync(a.mem, 1000, b.mem, here, 64, NULL));
    CONF_FAILS(c, halErrorInvalidDevice,
               halMemcpyPeerAsync(a.mem, here, b.mem, -1, 64, NULL));
    CONF_FAILS(
        c, halErrorInvalidHandle,
        halMemcpyPeerAsync(a.mem, here, b.mem, here, 64, dead_stream(c)));
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &a, 0x55);
}

static void memset_d16_async(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);

    CONF_OK(c, halMemset(b.mem, 0x66, 64));
    CONF_FAILS(c, halErrorInvalidValue, halMemsetD16Async(NULL, 0, 4, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemsetD16Async((char *)b.mem + 1, 0, 4, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemsetD16Async(b.mem, 0, SIZE_MAX / 2 + 1, NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halMemsetD16Async(b.mem, 0, 4, dead_stream(c)));
    CONF_OK(c, halMemsetD16Async(NULL, 0, 0, NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &b, 0x66);
}

static void memset_d32_async(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);

    CONF_OK(c, halMemset(b.mem, 0x77, 64));
    CONF_FAILS(c, halErrorInvalidValue, halMemsetD32Async(NULL, 0, 4, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemsetD32Async((char *)b.mem + 2, 0, 4, NULL));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemsetD32Async(b.mem, 0, SIZE_MAX / 4 + 1, NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halMemsetD32Async(b.mem, 0, 4, dead_stream(c)));
    CONF_OK(c, halMemsetD32Async(NULL, 0, 0, NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_expect_bytes(c, &b, 0x77);
}

static void func_get_param(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct halParamInfo info;

    memset(&info, 0x5a, sizeof info);
    CONF_FAILS(c, halErrorInvalidValue, halFuncGetParam(NULL, f, 0));
    CONF_FAILS(c, halErrorInvalidHandle, halFuncGetParam(&info, NULL, 0));
    CONF_FAILS(c, halErrorInvalidValue, halFuncGetParam(&info, f, INT32_MAX));
    CONF_OK(c, halModuleUnload(m));
    CONF_FAILS(c, halErrorInvalidHandle, halFuncGetParam(&info, f, 0));
    CONF_TRUE(c, info.name[0] == 0x5a && info.name[47] == 0x5a);
}

static void can_access_peer(struct conf *c)
{
    int here = conf_device(c), can = 4711;

    CONF_FAILS(c, halErrorInvalidValue,
               halDeviceCanAccessPeer(NULL, here, here));
    CONF_FAILS(c, halErrorInvalidDevice,
               halDeviceCanAccessPeer(&can, -1, here));
    CONF_FAILS(c, halErrorInvalidDevice,
               halDeviceCanAccessPeer(&can, here, -1));
    CONF_TRUE(c, can == 4711);
}

/* Flags that do not exist are refused, whatever the peer, and turn nothing
 * on. */
static void enable_peer_access(struct conf *c)
{
    int there = conf_other_device(c, 0);

    CONF_FAILS(
        c, halErrorInvalidValue,
        halDeviceEnablePeerAccess(there < 0 ? conf_device(c) : there, 1));
    if (there >= 0)
        CONF_FAILS(c, halErrorPeerAccess, halDeviceDisablePeerAccess(there));
}

static void backend_get_info(struct conf *c)
{
    struct halBackendInfo info;
    int n = 0, found = 0;

    for (;; n++) {
        halError_t st = halBackendGetInfo(&info, n);

        if (st == halErrorInvalidValue)
            break;
        CONF_OK(c, st);
        conf_check(c, info.name[0] && info.deviceCount >= 0,
                   "backend %d: '%s', %d devices", n, info.name,
                   info.deviceCount);
        found += !strcmp(info.name, conf_prop(c)->backend) &&
                 info.deviceCount > 0 && info.status == halSuccess;
    }
    conf_check(c, found == 1, "%d of %d backends are this device's, %s", found,
               n, conf_prop(c)->backend);
    memset(&info, 0x5a, sizeof info);
    CONF_FAILS(c, halErrorInvalidValue, halBackendGetInfo(NULL, 0));
    CONF_FAILS(c, halErrorInvalidValue, halBackendGetInfo(&info, -1));
    CONF_FAILS(c, halErrorInvalidValue, halBackendGetInfo(&info, n));
    CONF_TRUE(c, info.name[0] == 0x5a && info.note[0] == 0x5a);
}

static void get_known_name(struct conf *c)
{
    char name[64], about[256];
    char *volatile none = NULL; /* the compiler knows that it may not be */
    int n = 0, found = 0;

    for (;; n++) {
        halError_t st = halDeviceGetKnownName(name, about, n);

        if (st == halErrorInvalidValue)
            break;
        CONF_OK(c, st);
        conf_check(c, name[0] && memchr(name, 0, sizeof name), "name %d", n);
        conf_check(c, memchr(about, 0, sizeof about) != NULL, "about %d", n);
        found += !strcmp(name, conf_prop(c)->halName);
    }
    conf_check(c, found == 1, "%d of %d known names are %s", found, n,
               conf_prop(c)->halName);
    memset(name, 0x5a, sizeof name);
    CONF_FAILS(c, halErrorInvalidValue, halDeviceGetKnownName(none, about, 0));
    CONF_FAILS(c, halErrorInvalidValue, halDeviceGetKnownName(name, none, 0));
    CONF_FAILS(c, halErrorInvalidValue, halDeviceGetKnownName(name, about, -1));
    CONF_FAILS(c, halErrorInvalidValue, halDeviceGetKnownName(name, about, n));
    CONF_TRUE(c, name[0] == 0x5a);
}

/* On registered memory it works, truly, or says that it cannot. */
static void host_get_device_pointer(struct conf *c)
{
    enum { BYTES = 8192 };
    uint8_t *h = aligned_alloc(4096, BYTES), *want = conf_host(c, BYTES);
    void *d = c;

    CONF_TRUE(c, h != NULL);
    memset(h, 0x33, BYTES);
    memset(want, 0x33, BYTES);
    CONF_OK(c, halHostRegister(h, BYTES, halHostRegisterMapped));
    CONF_FAILS(c, halErrorInvalidValue, halHostGetDevicePointer(NULL, h, 0));
    CONF_FAILS(c, halErrorInvalidValue, halHostGetDevicePointer(&d, NULL, 0));
    CONF_FAILS(c, halErrorInvalidValue, halHostGetDevicePointer(&d, h, 1));
    CONF_TRUE(c, d == (void *)c);
    halError_t st = halHostGetDevicePointer(&d, h + 4096, 0);
    if (st == halSuccess) {
        CONF_TRUE(c, conf_prop(c)->canMapHostMemory);
        CONF_OK(c, halMemset(d, 0x88, 100));
        CONF_OK(c, halDeviceSynchronize());
        memset(want + 4096, 0x88, 100);
    } else {
        conf_check(c, st == halErrorNotSupported && halGetErrorDetail()[0],
                   "%s: %s", halGetErrorName(st), halGetErrorDetail());
        CONF_TRUE(c, d == (void *)c);
    }
    api_same(c, h, want, BYTES, "the registered memory");
    CONF_OK(c, halHostUnregister(h));
    free(h);
}

static const struct conf_case cases[] = {
    { "api.null.stream_get_priority", stream_get_priority, .levels = CORE },
    { "api.null.stream_get_device", stream_get_device, .levels = CORE },
    { "api.null.stream_create_with_priority", stream_create_with_priority,
      .levels = CORE },
    { "api.null.stream_priority_range", stream_priority_range, .levels = CORE },
    { "api.null.memcpy_2d_async", memcpy_2d_async, .levels = MEMORY },
    { "api.null.memcpy_peer_async", memcpy_peer_async, .levels = MEMORY },
    { "api.null.memset_d16_async", memset_d16_async, .levels = MEMORY },
    { "api.null.memset_d32_async", memset_d32_async, .levels = MEMORY },
    { "api.null.func_get_param", func_get_param, .levels = CORE },
    { "api.null.can_access_peer", can_access_peer, .levels = CORE },
    { "api.null.enable_peer_access", enable_peer_access, .levels = CORE },
    { "api.null.backend_get_info", backend_get_info, .levels = CORE },
    { "api.null.get_known_name", get_known_name, .levels = CORE },
    { "api.null.host_get_device_pointer", host_get_device_pointer,
      .levels = MEMORY },
    { 0 },
};

void conf_cases_api_null(struct conf_list *list,
                         const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
