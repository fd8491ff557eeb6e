/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - kernels from ELF shared objects in memory.
 *
 * An image is loaded once for the process, however many kernels and devices
 * use it, and unloaded with its last user; it is known by a hash of its bytes
 * that is computed here.  The dynamic loader trusts what it maps, so headers
 * and segment bounds are checked first: a truncated file would be a SIGBUS.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "backends/cpu/cpu.h"

/* LOCAL memory is a few KiB, PRIV tiles tens of KiB; more is a damaged
 * image. */
#define SCRATCH_MAX_BYTES ((uint64_t)64 << 20)

struct cpu_image {
    struct cpu_image *next;
    XXH128_hash_t hash;
    size_t size;
    unsigned refs;
    void *handle; /* of dlopen */
};

static pthread_mutex_t images_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cpu_image *images; /* under images_lock */

/* ---- is it an ELF that this process can map? ------------------------------
 */

/* What is wrong with it, or NULL. */
static const char *elf_fault(const unsigned char *blob, size_t size)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    const uint16_t one = 1;
    unsigned char little;
    bool has_dynamic = false;

    memcpy(&little, &one, 1);
    if (size < sizeof head)
        return "shorter than an ELF header";
    memcpy(&head, blob, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return "no ELF file";
    if (head.e_ident[EI_CLASS] !=
            (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        head.e_ident[EI_DATA] != (little ? ELFDATA2LSB : ELFDATA2MSB))
        return "of another word size or byte order";
    if (cpu_isa_elf_machine() && head.e_machine != cpu_isa_elf_machine())
        return "for another processor";
    if (head.e_type != ET_DYN)
        return "no shared object";
    if (head.e_phentsize != sizeof segment || !head.e_phnum ||
        head.e_phoff > size ||
        (size - head.e_phoff) / sizeof segment < head.e_phnum)
        return "truncated (program headers)";
    for (unsigned i = 0; i < head.e_phnum; i++) {
        memcpy(&segment, blob + head.e_phoff + i * sizeof segment,
               sizeof segment);
        if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC)
            continue;
        if (segment.p_offset > size ||
            segment.p_filesz > size - segment.p_offset ||
            segment.p_filesz > segment.p_memsz)
            return "truncated (segments)";
        has_dynamic |= segment.p_type == PT_DYNAMIC;
    }
    return has_dynamic ? NULL : "no shared object (no dynamic section)";
}

/* ---- loading ------------------------------------------------------------- */

static bool write_all(int fd, const void *blob, size_t size)
{
    const char *p = blob;

    while (size) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/*
 * dlopen takes two equal paths for the same object, even when the first one's
 * descriptor was closed and its number used again.  So the path spells a
 * serial number: "/." for a 1 and "/" for a 0 mean nothing to the kernel.
 */
static void unique_path(char *path, size_t size, int fd)
{
    static unsigned serial; /* under images_lock */
    size_t n = (size_t)snprintf(path, size, "/proc/self/fd");

    for (unsigned bits = ++serial; bits; bits >>= 1)
        n += (size_t)snprintf(path + n, size - n, "%s", bits & 1 ? "/." : "/");
    snprintf(path + n, size - n, "/%d", fd);
}

static void *load_from_memory(const void *blob, size_t size)
{
    char path[256];
    void *handle = NULL;
    int fd = memfd_create("halcyon-kernel", MFD_CLOEXEC);

    if (fd < 0)
        return NULL;
    if (write_all(fd, blob, size)) {
        unique_path(path, sizeof path, fd);
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    close(fd);
    return handle;
}

/* Where memory files may not be executed, or /proc is absent. */
static void *load_from_file(const void *blob, size_t size)
{
    const char *dir = getenv("TMPDIR");
    char path[PATH_MAX];
    void *handle = NULL;
    int fd;

    if ((size_t)snprintf(path, sizeof path, "%s/halcyon-XXXXXX",
                         dir && *dir ? dir : "/tmp") >= sizeof path)
        return NULL;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (write_all(fd, blob, size))
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    close(fd);
    return handle;
}

static halError_t image_load_locked(const struct hal_image *from,
                                    const char *kernel, XXH128_hash_t hash,
                                    struct cpu_image **out_image)
{
    const char *fault = elf_fault(from->blob, from->blob_bytes);
    struct cpu_image *image;

    if (fault)
        return hal_fail(halErrorInvalidImage, "%s: the %.31s image is %s",
                        kernel, from->variant, fault);
    image = calloc(1, sizeof *image);
    if (!image)
        return hal_fail(halErrorHostMemory, "%s: %zu bytes", kernel,
                        sizeof *image);
    image->handle = load_from_memory(from->blob, from->blob_bytes);
    if (!image->handle)
        image->handle = load_from_file(from->blob, from->blob_bytes);
    if (!image->handle) {
        const char *why = dlerror();

        free(image);
        return hal_fail(halErrorInvalidImage,
                        "%s: the %.31s image does not load: %s", kernel,
                        from->variant, why ? why : "no place to write it");
    }
    image->hash = hash;
    image->size = from->blob_bytes;
    image->next = images;
    images = image;
    *out_image = image;
    return halSuccess;
}

static halError_t image_retain(const struct hal_image *from, const char *kernel,
                               struct cpu_image **out_image)
{
    XXH128_hash_t hash;
    struct cpu_image *image = NULL;
    halError_t st = halSuccess;

    if (!from->blob)
        return hal_fail(halErrorInvalidImage, "%s: the %.31s image is empty",
                        kernel, from->variant);
    hash = XXH3_128bits(from->blob, from->blob_bytes);
    pthread_mutex_lock(&images_lock);
    for (image = images; image; image = image->next)
        if (image->size == from->blob_bytes &&
            XXH128_isEqual(image->hash, hash))
            break;
    if (!image)
        st = image_load_locked(from, kernel, hash, &image);
    if (st == halSuccess) {
        image->refs++;
        *out_image = image;
    }
    pthread_mutex_unlock(&images_lock);
    return st;
}

static void image_release(struct cpu_image *image)
{
    struct cpu_image **link = &images;

    if (!image)
        return;
    pthread_mutex_lock(&images_lock);
    if (--image->refs == 0) {
        while (*link != image)
            link = &(*link)->next;
        *link = image->next;
        dlclose(image->handle);
        free(image);
    }
    pthread_mutex_unlock(&images_lock);
}

/* ---- ops ----------------------------------------------------------------- */

static halError_t kernel_from_image(struct cpu_kernel *k,
                                    const struct hal_image *from)
{
    char symbol[HAL_NAME_MAX + 16];
    uint64_t scratch =
        (uint64_t)from->shared_bytes + (uint64_t)from->group * from->priv_bytes;
    struct cpu_image *image = NULL;
    void *entry;
    halError_t st;

    if (scratch > SCRATCH_MAX_BYTES)
        return hal_fail(halErrorInvalidImage,
                        "%s: the %.31s image wants %llu bytes of scratch",
                        k->desc->name, from->variant,
                        (unsigned long long)scratch);
    st = image_retain(from, k->desc->name, &image);
    if (st != halSuccess)
        return st;
    snprintf(symbol, sizeof symbol, "hal_kernel_%s", k->desc->name);
    entry = dlsym(image->handle, symbol);
    if (!entry) {
        image_release(image);
        return hal_fail(halErrorInvalidImage,
                        "%s: the %.31s image has no symbol %s", k->desc->name,
                        from->variant, symbol);
    }
    memcpy(&k->entry, &entry, sizeof entry); /* C has no such conversion */
    k->image = image;
    k->scratch_bytes = (uint32_t)scratch;
    return halSuccess;
}

halError_t cpu_kernel_create(struct hal_dev *dev,
                             const struct hal_kernel_desc *desc,
                             const struct hal_image *const *from,
                             uint32_t n_images, void **out_kernel,
                             struct hal_kernel_info *out_info)
{
    struct cpu_kernel *k;
    halError_t st;

    (void)dev;
    if (!n_images)
        return hal_fail(halErrorNoImageForDevice, "%s: no image", desc->name);
    k = calloc(1, sizeof *k);
    if (!k)
        return hal_fail(halErrorHostMemory, "%s: %zu bytes", desc->name,
                        sizeof *k);
    k->desc = desc;
    /* The best one.  That it is damaged is an error, not a reason to run
     * something slower in silence. */
    st = kernel_from_image(k, from[0]);
    if (st != halSuccess) {
        free(k);
        return st;
    }
    *out_info = (struct hal_kernel_info){
        .local_bytes = from[0]->priv_bytes,
        .image = 0,
    };
    *out_kernel = k;
    return halSuccess;
}

void cpu_kernel_destroy(struct hal_dev *dev, void *kernel)
{
    struct cpu_kernel *k = kernel;

    (void)dev;
    if (!k)
        return;
    image_release(k->image);
    free(k);
}
