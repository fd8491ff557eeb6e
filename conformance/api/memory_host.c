/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_host.c - api.memory.host.*: page-locked and registered host memory.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

static void host_alloc(struct conf *c)
{
    void *h = NULL;
    struct halPointerAttributes attr;

    CONF_OK(c, halHostAlloc(&h, 10000, halHostAllocPortable));
    memset(h, 3, 10000);
    CONF_OK(c, halPointerGetAttributes(&attr, (char *)h + 9999));
    CONF_TRUE(c, attr.type == halMemoryTypeHost);
    CONF_TRUE(c, attr.base == h && attr.size >= 10000);
    CONF_OK(c, halFreeHost(h));
    CONF_OK(c, halPointerGetAttributes(&attr, h));
    CONF_TRUE(c, attr.type == halMemoryTypeUnregistered);
}

static void host_alloc_bad(struct conf *c)
{
    void *h = NULL;

    CONF_FAILS(c, halErrorInvalidValue, halHostAlloc(&h, 64, 0x80));
    CONF_FAILS(c, halErrorInvalidValue, halHostAlloc(NULL, 64, 0));
    CONF_FAILS(c, halErrorInvalidValue, halMallocHost(NULL, 64));
    CONF_FAILS(c, halErrorHostMemory, halMallocHost(&h, SIZE_MAX / 2));
    CONF_FAILS(c, halErrorHostMemory, halMallocHost(&h, SIZE_MAX));
    CONF_FAILS(c, halErrorHostMemory, halHostAlloc(&h, SIZE_MAX - 63, 0));
    CONF_OK(c, halMallocHost(&h, 0));
    CONF_TRUE(c, h == NULL);
}

static void host_register(struct conf *c)
{
    size_t n = 100000;
    uint8_t *h = aligned_alloc(4096, 102400);
    uint8_t *want = api_bytes(c, n);
    struct conf_buf b = conf_alloc(c, n, 0);
    struct halPointerAttributes attr;

    memcpy(h, want, n);
    CONF_OK(c, halHostRegister(h, n, halHostRegisterDefault));
    CONF_OK(c, halPointerGetAttributes(&attr, h + 5));
    CONF_TRUE(c, attr.type == halMemoryTypeHost);
    CONF_OK(c, halMemcpyAsync(b.mem, h, n, halMemcpyHostToDevice, NULL));
    CONF_OK(c, halStreamSynchronize(NULL));
    memset(h, 0, n);
    CONF_OK(c, halMemcpyAsync(h, b.mem, n, halMemcpyDeviceToHost, NULL));
    CONF_OK(c, halStreamSynchronize(NULL));
    api_same(c, h, want, n, "through a registered range");
    CONF_OK(c, halHostUnregister(h));
    CONF_OK(c, halPointerGetAttributes(&attr, h));
    CONF_TRUE(c, attr.type == halMemoryTypeUnregistered);
    free(h);
}

static void host_register_bad(struct conf *c)
{
    static uint8_t h[8192];
    void *d = NULL;

    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(NULL, 64, 0));
    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(h, 0, 0));
    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(h, 64, 0x1000));
    CONF_OK(c, halHostRegister(h, 4096, 0));
    CONF_FAILS(c, halErrorAlreadyRegistered, halHostRegister(h, 4096, 0));
    CONF_FAILS(c, halErrorAlreadyRegistered,
               halHostRegister(h + 4000, 4096, 0));
    CONF_FAILS(c, halErrorInvalidPointer, halHostUnregister(h + 1));
    CONF_OK(c, halHostUnregister(h));
    CONF_FAILS(c, halErrorInvalidPointer, halHostUnregister(h));
    CONF_OK(c, halMalloc(&d, 64));
    CONF_FAILS(c, halErrorInvalidPointer, halHostUnregister(d));
    CONF_OK(c, halFree(d));
}

/* Memory that is not there is refused before a driver or a copy meets it. */
static void host_register_hole(struct conf *c)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *h = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char hole[32];

    CONF_TRUE(c, h != MAP_FAILED && !munmap(h + 2 * page, page));
    snprintf(hole, sizeof hole, "%p", (void *)(h + 2 * page));
    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(h, 4 * page, 0));
    conf_check(c, strstr(halGetErrorDetail(), hole) != NULL,
               "the first address without memory, %s, is not named: %s", hole,
               halGetErrorDetail());
    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(h + page + 8, page, 0));
    CONF_OK(c, halHostRegister(h, 2 * page, 0));
    CONF_OK(c, halHostUnregister(h));
    munmap(h, 4 * page);
}

static void host_device_pointer(struct conf *c)
{
    void *h = NULL, *d = NULL;
    int on_stack = 0;

    CONF_OK(c, halHostAlloc(&h, 4096, halHostAllocMapped));
    if (!conf_prop(c)->canMapHostMemory) {
        CONF_FAILS(c, halErrorNotSupported, halHostGetDevicePointer(&d, h, 0));
    } else {
        CONF_OK(c, halHostGetDevicePointer(&d, h, 0));
        CONF_TRUE(c, d != NULL);
        CONF_OK(c, halMemsetD32(d, 0x01020304u, 4));
        CONF_OK(c, halDeviceSynchronize());
        CONF_TRUE(c, ((uint32_t *)h)[3] == 0x01020304u);
        CONF_FAILS(c, halErrorInvalidPointer,
                   halHostGetDevicePointer(&d, &on_stack, 0));
    }
    CONF_FAILS(c, halErrorInvalidValue, halHostGetDevicePointer(NULL, h, 0));
    CONF_OK(c, halFreeHost(h));
}

static const struct conf_case cases[] = {
    { "api.memory.host.alloc", host_alloc, .levels = MEMORY },
    { "api.memory.host.alloc_bad", host_alloc_bad, .levels = MEMORY },
    { "api.memory.host.register", host_register, .levels = MEMORY },
    { "api.memory.host.register_bad", host_register_bad, .levels = MEMORY },
    { "api.memory.host.register_hole", host_register_hole, .levels = MEMORY },
    { "api.memory.host.device_pointer", host_device_pointer, .levels = MEMORY },
    { 0 },
};

void conf_cases_api_memory_host(struct conf_list *list,
                                const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
