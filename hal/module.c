/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - loading and unloading modules.  A module owns its kernels'
 * descriptions and images; its functions hold a reference to it, so what a
 * launch uses outlives an unload that races with it.
 */
#include "hal/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A target has fewer variants to force (compiler/variants.def). */
#define MODULE_MAX_TARGETS 8

static void module_free(struct hal_object *obj)
{
    struct hal_module *m = HAL_ITEM(obj, struct hal_module, obj);

    halbin_close(&m->bin);
    pthread_mutex_destroy(&m->lock);
    free(m->functions);
    free(m);
}

static halError_t module_get(halModule_t handle, struct hal_module **out_module)
{
    struct hal_object *obj;
    halError_t st = hal__object_get(handle, HAL_KIND_MODULE, &obj);

    if (st == halSuccess)
        *out_module = HAL_ITEM(obj, struct hal_module, obj);
    return st;
}

void hal__module_kill(struct hal_module *m)
{
    uint32_t i;

    if (!hal__object_kill(&m->obj))
        return;
    pthread_mutex_lock(&m->lock);
    m->is_dead = 1;
    pthread_mutex_unlock(&m->lock);
    hal__device_quiesce(m->obj.dev);
    for (i = 0; i < m->bin.n_kernels; i++) {
        struct hal_function *f = m->functions[i];

        if (f && hal__object_kill(&f->obj))
            hal__object_release(&f->obj);
    }
    hal__object_release(&m->obj);
}

/* Makes a module of an opened container, which it takes over on success. */
static halError_t module_open(struct hal_device *d, struct halbin *bin,
                              struct hal_module **out_module)
{
    struct hal_module *m = NULL;
    uint32_t i, n_fit = 0;
    halError_t st;

    st = hal__variant_check(bin);
    if (st != halSuccess)
        return st;
    for (i = 0; i < bin->n_kernels; i++)
        n_fit += hal__image_any(d, &bin->kernels[i]) != 0;
    if (!n_fit && bin->n_kernels) {
        const struct hal_image **images = NULL;
        uint32_t n;

        /* For its message: what there is, and what the device runs. */
        st = hal__image_choose(d, &bin->kernels[0], &images, &n);
        free(images);
        return st != halSuccess ? st : halErrorNoImageForDevice;
    }
    m = calloc(1, sizeof *m);
    if (!m)
        return hal_fail(halErrorHostMemory, "a module of %zu bytes", sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->functions = calloc(bin->n_kernels + 1, sizeof *m->functions);
    if (!m->functions) {
        st = hal_fail(halErrorHostMemory, "%u functions", bin->n_kernels);
        goto out;
    }
    st = hal__object_create(&m->obj, d, HAL_KIND_MODULE, NULL, module_free);
    if (st != halSuccess)
        goto out;
    m->bin = *bin;
    *bin = (struct halbin){ 0 };
    *out_module = m;
    m = NULL;
out:
    if (m) {
        pthread_mutex_destroy(&m->lock);
        free(m->functions);
        free(m);
    }
    return st;
}

static halError_t from_bytes(halModule_t *module, const void *bytes,
                             size_t size, const char *what)
{
    struct hal_module *m = NULL;
    struct hal_message msg = { "" };
    struct halbin bin = { 0 };
    struct hal_device *d;
    halError_t st;

    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st != halSuccess)
        return st;
    switch (halbin_open(bytes, size, &bin, &msg)) {
    case HALBIN_OK:
        break;
    case HALBIN_NO_MEMORY:
        return hal_fail(halErrorHostMemory, "%s: %.400s", what, msg.text);
    case HALBIN_DAMAGED:
    case HALBIN_FUTURE:
        return hal_fail(halErrorInvalidImage, "%s: %.400s", what, msg.text);
    }
    st = module_open(d, &bin, &m);
    halbin_close(&bin);
    if (st == halSuccess)
        *module = hal__object_handle(&m->obj);
    return st;
}

halError_t halModuleLoadData(halModule_t *module, const void *image,
                             size_t size)
{
    if (!module || !image)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halModuleLoadData: %s is NULL",
                                  module ? "image" : "module"));
    return hal__done(from_bytes(module, image, size, "halModuleLoadData"));
}

static halError_t file_read(const char *path, void **out_bytes,
                            size_t *out_size)
{
    struct stat about;
    void *bytes = NULL;
    FILE *f = NULL;
    long size;
    halError_t st = halSuccess;

    /* First of all, for opening a pipe would wait for its writer. */
    if (!stat(path, &about) && !S_ISREG(about.st_mode))
        return hal_fail(halErrorFileIo, "%.300s is no regular file", path);
    f = fopen(path, "rb");
    if (!f)
        return hal_fail(halErrorFileIo, "%.300s: %s", path, strerror(errno));
    if (fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 ||
        fseek(f, 0, SEEK_SET)) {
        st = hal_fail(halErrorFileIo, "%.300s: %s", path, strerror(errno));
        goto out;
    }
    if ((size_t)size > HALBIN_FILE_MAX) {
        st = hal_fail(halErrorInvalidImage, "%.300s: %ld bytes is no module",
                      path, size);
        goto out;
    }
    bytes = malloc((size_t)size + 1);
    if (!bytes) {
        st = hal_fail(halErrorHostMemory, "%.300s: %ld bytes", path, size);
        goto out;
    }
    if (fread(bytes, 1, (size_t)size, f) != (size_t)size) {
        st = hal_fail(halErrorFileIo, "%.300s: it cannot be read whole", path);
        goto out;
    }
    *out_bytes = bytes;
    *out_size = (size_t)size;
    bytes = NULL;
out:
    free(bytes);
    fclose(f);
    return st;
}

halError_t halModuleLoad(halModule_t *module, const char *path)
{
    void *bytes = NULL;
    size_t size = 0;
    halError_t st;

    if (!module || !path)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halModuleLoad: %s is NULL",
                                  module ? "path" : "module"));
    st = file_read(path, &bytes, &size);
    if (st == halSuccess)
        st = from_bytes(module, bytes, size, path);
    free(bytes);
    return hal__done(st);
}

static halError_t compile(const struct hal_device *d, const char *source,
                          const char *name, const char *options,
                          struct halbin *out_bin)
{
    struct compile_target targets[MODULE_MAX_TARGETS] = { {
        .target = d->info.text_target ? d->info.text_target : d->info.target,
        .caps = d->info.caps,
        .max_group = d->info.prop.maxThreadsPerBlock,
        .max_shared = d->info.prop.sharedMemPerBlock > UINT32_MAX
                          ? UINT32_MAX
                          : (uint32_t)d->info.prop.sharedMemPerBlock,
    } };
    struct compile_request req = {
        .source = source,
        .name = name ? name : "source.k",
        .options = options,
        .targets = targets,
        .use_cache = 1,
    };
    struct hal_message msg = { "" };
    halError_t st;

    st = hal__variant_check(NULL);
    if (st == halSuccess)
        st = hal__variant_targets(d, targets, MODULE_MAX_TARGETS,
                                  &req.n_targets);
    if (st != halSuccess)
        return st;
    switch (compile_source(&req, out_bin, &msg)) {
    case COMPILE_OK:
        return halSuccess;
    case COMPILE_ERROR:
    case COMPILE_NO_TOOL:
        return hal_fail(halErrorKernelBuild, "%s", msg.text);
    case COMPILE_NO_MEMORY:
        return hal_fail(halErrorHostMemory, "%s", msg.text);
    case COMPILE_IO:
        return hal_fail(halErrorFileIo, "%s", msg.text);
    }
    return hal_fail(halErrorInternal, "compile_source: unknown status");
}

static halError_t from_source(halModule_t *module, const char *source,
                              const char *name, const char *options)
{
    struct hal_module *m = NULL;
    struct halbin bin = { 0 };
    struct hal_device *d;
    uint32_t i;
    halError_t st;

    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st == halSuccess)
        st = compile(d, source, name, options, &bin);
    if (st != halSuccess)
        return st;
    st = module_open(d, &bin, &m);
    halbin_close(&bin);
    if (st != halSuccess)
        return st;
    /* The driver's compiler speaks now, not at the first launch. */
    for (i = 0; i < m->bin.n_kernels && st == halSuccess; i++)
        st = hal__function_open(m, i, &m->functions[i]);
    if (st != halSuccess) {
        hal__module_kill(m);
        return st;
    }
    *module = hal__object_handle(&m->obj);
    return halSuccess;
}

halError_t halModuleLoadSource(halModule_t *module, const char *source,
                               const char *name, const char *options)
{
    if (!module || !source)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halModuleLoadSource: %s is NULL",
                                  module ? "source" : "module"));
    return hal__done(from_source(module, source, name, options));
}

halError_t halModuleUnload(halModule_t module)
{
    struct hal_module *m;
    halError_t st = module_get(module, &m);

    if (st != halSuccess)
        return hal__done(st);
    hal__module_kill(m);
    hal__object_release(&m->obj);
    return halSuccess;
}

halError_t halModuleGetFunction(halFunction_t *function, halModule_t module,
                                const char *name)
{
    const struct hal_kernel_desc *desc;
    struct hal_module *m;
    uint32_t index;
    halError_t st;

    if (!function || !name)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halModuleGetFunction: %s is NULL",
                                  function ? "name" : "function"));
    st = module_get(module, &m);
    if (st != halSuccess)
        return hal__done(st);
    desc = halbin_find(&m->bin, name);
    if (!desc) {
        st = hal_fail(halErrorNotFound,
                      "no kernel '%.63s' among the module's %u (%s%s)", name,
                      m->bin.n_kernels,
                      m->bin.n_kernels ? m->bin.kernels[0].name : "",
                      m->bin.n_kernels > 1 ? ", ..." : "");
        goto out;
    }
    index = (uint32_t)(desc - m->bin.kernels);
    /* Building under the lock: two threads that ask for one kernel build it
     * once. */
    pthread_mutex_lock(&m->lock);
    if (m->is_dead)
        st = hal_fail(halErrorInvalidHandle, "the module was unloaded");
    else if (!m->functions[index])
        st = hal__function_open(m, index, &m->functions[index]);
    if (st == halSuccess)
        *function = hal__object_handle(&m->functions[index]->obj);
    pthread_mutex_unlock(&m->lock);
out:
    hal__object_release(&m->obj);
    return hal__done(st);
}

halError_t halModuleGetKernelName(const char **name, halModule_t module,
                                  int index)
{
    struct hal_module *m;
    halError_t st;

    if (!name)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halModuleGetKernelName: name is NULL"));
    st = module_get(module, &m);
    if (st != halSuccess)
        return hal__done(st);
    if (index < 0 || (uint32_t)index >= m->bin.n_kernels)
        st = hal_fail(halErrorInvalidValue,
                      "halModuleGetKernelName: %d of %u kernels", index,
                      m->bin.n_kernels);
    else
        *name = m->bin.kernels[index].name;
    hal__object_release(&m->obj);
    return hal__done(st);
}
