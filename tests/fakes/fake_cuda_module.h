/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cuda_module.h - part of fake_cuda.c: modules, read no further than their
 * entries and these entries' parameters, and launches.  Invariant: a launch's
 * arguments are copied when it is enqueued, and each pointer among them points
 * into live memory that the device reaches.
 */
#include <dlfcn.h>

#define MAX_PARAMS  40
#define MAX_ENTRIES 64

/* tests/emu/emu.h, found by dlsym in each of its libraries. */
struct emu_kernel;

struct CUfunc_st {
    struct CUmod_st *module;
    char name[96];
    unsigned n_params;
    unsigned char sizes[MAX_PARAMS];
    int fixed;                       /* shared bytes that it declares */
    _Atomic int dynamic;             /* that a launch may add */
    const struct emu_kernel *kernel; /* NULL: built in */
    int (*run)(const struct emu_kernel *k, const unsigned grid[3],
               const unsigned block[3], size_t dynamic_shared, void **args);
    const char *(*error)(void);
};

struct CUmod_st {
    struct CUmod_st *next;
    struct CUctx_st *context;
    void *library; /* of the kernels that its text brought */
    unsigned n_entries;
    struct CUfunc_st entries[MAX_ENTRIES];
};

struct launch {
    const struct CUfunc_st *f; /* of a lost context, it may be gone: */
    const struct CUmod_st *module;
    unsigned grid[3], block[3], shared;
    uint64_t values[MAX_PARAMS];
};

static struct CUmod_st *modules;

/* A library of the emulator; the stock kernels' lies beside the fakes. */
static void *stock_library(void)
{
    static void *library;
    static bool tried;
    char path[4200];
    Dl_info info;

    pthread_mutex_lock(&lock);
    if (!tried && dladdr((void *)(uintptr_t)&fake_cuda, &info)) {
        snprintf(path, sizeof path, "%.*s../../emu/libhalcyon-emu.so",
                 (int)(strrchr(info.dli_fname, '/') + 1 - info.dli_fname),
                 info.dli_fname);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    tried = true;
    pthread_mutex_unlock(&lock);
    return library;
}

static bool find_in(void *library, struct CUfunc_st *f)
{
    const struct emu_kernel *(*find)(const char *) = NULL;
    void *at = library ? dlsym(library, "emu_find") : NULL;

    memcpy(&find, &at, sizeof find);
    f->kernel = find ? find(f->name) : NULL;
    if (!f->kernel)
        return false;
    at = dlsym(library, "emu_launch");
    memcpy(&f->run, &at, sizeof at);
    at = dlsym(library, "emu_error");
    memcpy(&f->error, &at, sizeof at);
    return true;
}

/* `.param .u64 NAME_param_0, ...)`: the size of each. */
static const char *read_params(const char *at, struct CUfunc_st *f)
{
    const char *end = strchr(at, ')');

    if (!end)
        return at;
    while ((at = strstr(at, ".param ")) && at < end &&
           f->n_params < MAX_PARAMS) {
        unsigned bits = 32;
        const char *type = at + 7;

        if (!strncmp(type, ".align", 6)) { /* .align 8 .b64 */
            type += 6;
            type += strspn(type, " 0123456789");
        }
        (void)sscanf(type, ".%*[a-z]%u", &bits);
        f->sizes[f->n_params++] = (unsigned char)(bits / 8);
        at = type;
    }
    return end;
}

/* The bytes of `.shared .align 4 .b8 NAME[128];`, all of them; the emulator has
 * the dialect's scratch in kernels without a use for it, too. */
static int read_shared(const char *text)
{
    const char *at = text;
    int bytes = 0, one;

    while ((at = strstr(at, "\n.shared "))) {
        at++;
        if (sscanf(at, ".shared .align %*d .b8 %*[^[\n][%d]", &one) == 1)
            bytes += one;
    }
    return strstr(text, "hal_scratch") ? bytes : bytes + 128;
}

/* With the words of a failure in log. */
static unsigned read_entries(struct CUmod_st *m, const char *text,
                             char log[256])
{
    static const char mark[] = ".visible .entry ";
    const char *at = text, *path = strstr(text, "// halcyon-emu: ");

    if (path) {
        char name[4200];

        (void)sscanf(path + 16, "%4199[^\n]", name);
        m->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        if (!m->library) {
            snprintf(log, 256, "%.200s\n", dlerror());
            return CUDA_INVALID_PTX;
        }
    }
    while ((at = strstr(at, mark)) && m->n_entries < MAX_ENTRIES) {
        struct CUfunc_st *f = &m->entries[m->n_entries++];

        f->module = m;
        at += sizeof mark - 1;
        (void)sscanf(at, "%95[A-Za-z0-9_$]", f->name);
        at = read_params(at, f);
        if (!find_in(m->library, f))
            (void)find_in(stock_library(), f);
        f->fixed = f->kernel ? read_shared(text) : fake.static_shared;
        f->dynamic = SHARED_DEFAULT - f->fixed;
    }
    snprintf(log, 256, "ptxas: line 3; error: no entry\nmore\n");
    return m->n_entries ? 0 : CUDA_INVALID_PTX;
}

static unsigned read_head(const char *text)
{
    const char *version = strstr(text, ".version ");
    const char *target = strstr(text, ".target sm_");
    int major = 0, minor = 0, arch = 0;

    if (!version || !target ||
        sscanf(version, ".version %d.%d", &major, &minor) != 2 ||
        sscanf(target, ".target sm_%d", &arch) != 1)
        return CUDA_INVALID_IMAGE;
    if (major * 10 + minor > fake.ptx_version)
        return CUDA_UNSUPPORTED_PTX_VERSION;
    return arch > fake.capability ? CUDA_NO_BINARY_FOR_GPU : 0;
}

unsigned cuModuleLoadDataEx(struct CUmod_st **out, const void *image,
                            unsigned n, unsigned *options, void **values)
{
    struct CUmod_st *m;
    char log[256];
    unsigned code;

    DUE(true);
    code = read_head(image);
    if (code)
        return code;
    m = calloc(1, sizeof *m);
    if (!m)
        abort();
    m->context = current();
    code = read_entries(m, image, log);
    if (code) {
        for (unsigned i = 0; i < n; i++)
            if (options[i] == CUDA_JIT_ERROR_LOG_BUFFER)
                strcpy(values[i], log);
        free(m);
        return code;
    }
    pthread_mutex_lock(&lock);
    m->next = modules;
    modules = m;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&fake.n_live, 1);
    *out = m;
    return 0;
}

static bool module_take(struct CUmod_st *m, bool keeps)
{
    struct CUmod_st **at;
    bool found;

    pthread_mutex_lock(&lock);
    for (at = &modules; *at && *at != m;)
        at = &(*at)->next;
    found = *at != NULL;
    if (found && !keeps)
        *at = m->next;
    pthread_mutex_unlock(&lock);
    if (!found)
        bad("a module that is not alive");
    return found;
}

static bool is_launched(const struct CUmod_st *m)
{
    bool yes = false;

    pthread_mutex_lock(&lock);
    for (struct CUstream_st *s = streams; s; s = s->next)
        for (struct item *i = s->head; i; i = i->next)
            yes |= i->launch && i->launch->module == m;
    pthread_mutex_unlock(&lock);
    return yes;
}

/* What runs in a context that is lost is let end. */
static void wait_until_left(const struct CUmod_st *m)
{
    pthread_mutex_lock(&lock);
    for (struct CUstream_st *s = streams; s;)
        if (s->module == m) {
            pthread_cond_wait(&changed, &lock);
            s = streams;
        } else {
            s = s->next;
        }
    pthread_mutex_unlock(&lock);
}

static const void *launch_module(const struct launch *l)
{
    return l->module;
}

unsigned cuModuleUnload(struct CUmod_st *m)
{
    if (!module_take(m, false))
        return CUDA_INVALID_VALUE;
    if (is_launched(m) && !m->context->sticky)
        bad("cuModuleUnload of a kernel that has yet to run");
    wait_until_left(m);
    if (m->library)
        dlclose(m->library);
    atomic_fetch_sub(&fake.n_live, 1);
    free(m);
    return 0;
}

unsigned cuModuleGetFunction(struct CUfunc_st **out, struct CUmod_st *m,
                             const char *name)
{
    DUE(true);
    if (!module_take(m, true))
        return CUDA_INVALID_VALUE;
    for (unsigned i = 0; i < m->n_entries; i++)
        if (!strcmp(m->entries[i].name, name)) {
            *out = &m->entries[i];
            return 0;
        }
    return CUDA_NOT_FOUND;
}

unsigned cuFuncGetAttribute(int *value, unsigned attribute, struct CUfunc_st *f)
{
    DUE(true);
    if (!module_take(f->module, true))
        return CUDA_INVALID_VALUE;
    *value = attribute == CUDA_FUNC_MAX_THREADS_PER_BLOCK ? 1024
             : attribute == CUDA_FUNC_SHARED_SIZE_BYTES   ? f->fixed
                                                          : 0;
    return 0;
}

unsigned cuFuncSetAttribute(struct CUfunc_st *f, unsigned attribute, int value)
{
    DUE(true);
    if (!module_take(f->module, true))
        return CUDA_INVALID_VALUE;
    if (attribute != CUDA_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
        value > SHARED_MOST - f->fixed) {
        bad("cuFuncSetAttribute %u to %d", attribute, value);
        return CUDA_INVALID_VALUE;
    }
    f->dynamic = value;
    atomic_fetch_add(&fake.n_grants, 1);
    return 0;
}

unsigned cuFuncGetParamInfo(struct CUfunc_st *f, size_t index, size_t *offset,
                            size_t *size)
{
    DUE(false);
    if (index >= f->n_params)
        return CUDA_INVALID_VALUE;
    *offset = 8 * index;
    *size = f->sizes[index];
    return 0;
}

/* ---- launches
 * ---------------------------------------------------------------------- */

static void launch_free(struct launch *l)
{
    free(l);
}

/* advance(x, ..., add): x[0] = x[0] * 3 + add, and fault(): an illegal address.
 */
static unsigned run_builtin(const struct launch *l)
{
    uint32_t *x = (uint32_t *)(uintptr_t)l->values[0];

    if (!strcmp(l->f->name, "fault"))
        return CUDA_ILLEGAL_ADDRESS;
    if (strcmp(l->f->name, "advance") != 0) {
        bad("a launch of %s, which nothing runs", l->f->name);
        return 719; /* CUDA_ERROR_LAUNCH_FAILED */
    }
    *x = *x * 3 + (uint32_t)l->values[l->f->n_params - 1];
    return 0;
}

static unsigned launch_run(const struct launch *l, struct CUctx_st *c)
{
    void *args[MAX_PARAMS];
    int status;

    (void)c;
    atomic_fetch_add(&fake.n_launches, 1);
    if (!l->f->kernel)
        return run_builtin(l);
    for (unsigned i = 0; i < l->f->n_params; i++)
        args[i] = (void *)(uintptr_t)&l->values[i];
    status = l->f->run(l->f->kernel, l->grid, l->block, l->shared, args);
    if (status)
        bad("%s: %s", l->f->name, l->f->error());
    return status ? 719 : 0; /* CUDA_ERROR_LAUNCH_FAILED */
}

unsigned cuLaunchKernel(struct CUfunc_st *f, unsigned grid_x, unsigned grid_y,
                        unsigned grid_z, unsigned block_x, unsigned block_y,
                        unsigned block_z, unsigned shared,
                        struct CUstream_st *s, void **params, void **extra)
{
    struct item i = { .kind = LAUNCH };
    struct launch *l;

    DUE(true);
    if (!module_take(f->module, true) || !stream_ok(__func__, s))
        return CUDA_INVALID_VALUE;
    if (f->module->context != s->context || extra)
        bad("cuLaunchKernel across contexts");
    if (!grid_x || !grid_y || !grid_z || grid_x > 2147483647u ||
        grid_y > 65535 || grid_z > 65535 || !block_x || !block_y || !block_z ||
        block_x * block_y * block_z > 1024 || shared > (unsigned)f->dynamic) {
        bad("cuLaunchKernel: a grid or block that no device runs");
        return CUDA_INVALID_VALUE;
    }
    l = calloc(1, sizeof *l);
    if (!l)
        abort();
    *l = (struct launch){ .f = f,
                          .module = f->module,
                          .grid = { grid_x, grid_y, grid_z },
                          .block = { block_x, block_y, block_z },
                          .shared = shared };
    for (unsigned p = 0; p < f->n_params; p++) {
        memcpy(&l->values[p], params[p], f->sizes[p]);
        if (f->sizes[p] == 8 && l->values[p] &&
            !range_ok(f->name, s->context, l->values[p], 1)) {
            free(l);
            return CUDA_INVALID_VALUE;
        }
    }
    i.launch = l;
    return enqueue(s, &i);
}
