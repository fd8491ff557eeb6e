/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_nvrtc.c - a libnvrtc.so on g++: the text becomes a library of the
 * emulator (tests/emu), and the "code" is what fake_cuda.c reads of PTX: a
 * head, the entries with their parameters, and where that library lies.  The
 * library is kept beside the cache, since cached code names it.  Invariant:
 * what g++ does not compile is an error with its first line in the log.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_BYTES  4096
#define CODE_BYTES 65536

struct _nvrtcProgram {
    char *text;
    char name[96];
    char log[LOG_BYTES], code[CODE_BYTES];
};

unsigned nvrtcVersion(int *major, int *minor)
{
    const char *version = getenv("FAKE_NVRTC_MAJOR");

    *major = version ? atoi(version) : 13;
    *minor = 0;
    return 0;
}

static const int archs[] = { 75, 80, 90 };

unsigned nvrtcGetNumSupportedArchs(int *n)
{
    *n = (int)(sizeof archs / sizeof archs[0]);
    return 0;
}

unsigned nvrtcGetSupportedArchs(int *out)
{
    memcpy(out, archs, sizeof archs);
    return 0;
}

unsigned nvrtcCreateProgram(struct _nvrtcProgram **out, const char *text,
                            const char *name, int n, const char *const *headers,
                            const char *const *names)
{
    struct _nvrtcProgram *p = calloc(1, sizeof *p);

    if (!p || n || headers || names)
        return 3; /* NVRTC_ERROR_INVALID_INPUT */
    p->text = strdup(text);
    snprintf(p->name, sizeof p->name, "%s", name);
    *out = p;
    return 0;
}

unsigned nvrtcDestroyProgram(struct _nvrtcProgram **p)
{
    free((*p)->text);
    free(*p);
    *p = NULL;
    return 0;
}

/* The build's folder: this library is BUILD/tests/fakes/fake_nvrtc.so. */
static void build_folder(char *out, size_t room)
{
    Dl_info info;

    out[0] = '\0';
    if (dladdr((void *)(uintptr_t)&nvrtcVersion, &info) &&
        realpath(info.dli_fname, out))
        for (int i = 0; i < 3; i++)
            *strrchr(out, '/') = '\0';
    (void)room;
}

/* Runs the emulator's compiler; its words go to the log. */
static int run_compiler(struct _nvrtcProgram *p, const char *cu, const char *so)
{
    char build[4096], line[16384];
    size_t n;
    FILE *f;

    build_folder(build, sizeof build);
    /* In the tree's root, which is above the build's folder unless told. */
    snprintf(line, sizeof line,
             "cd '%s' && sh tests/emu/emu-compile.sh '%s' '%s' '%s' 2>&1",
             getenv("FAKE_NVRTC_ROOT") ? getenv("FAKE_NVRTC_ROOT") : ".", build,
             cu, so);
    f = popen(line, "r");
    if (!f)
        return -1;
    n = fread(p->log, 1, sizeof p->log - 1, f);
    p->log[n] = '\0';
    while (fread(line, 1, sizeof line, f))
        ;
    return pclose(f);
}

/* `.param` of each parameter in (...): a pointer has 8 bytes, a scalar 4. */
static void put_params(FILE *out, const char *name, const char *list,
                       const char *end)
{
    int n = 0;

    while (list < end) {
        size_t size = strcspn(list, ",)");

        if (strspn(list, " \n\t") >= size)
            break;
        fprintf(out, "%s    .param .%s %s_param_%d", n ? ",\n" : "",
                memchr(list, '*', size) ? "u64" : "u32", name, n);
        n++;
        list += size + 1;
    }
}

/* Behind the ) of the ( at `at`, which may hold others; NULL without one. */
static const char *behind_parens(const char *at)
{
    int depth = 0;

    for (; *at; at++) {
        depth += (*at == '(') - (*at == ')');
        if (*at == ')' && !depth)
            return at + 1;
    }
    return NULL;
}

static void put_code(struct _nvrtcProgram *p, int arch, const char *so)
{
    FILE *out = fmemopen(p->code, sizeof p->code - 1, "w");
    const char *at = p->text;

    if (!out)
        return;
    fprintf(out,
            "// fake NVRTC\n// halcyon-emu: %s\n.version 9.0\n"
            ".target sm_%d\n",
            so, arch);
    while ((at = strstr(at, "__global__"))) {
        char name[96] = "";
        const char *open = strstr(at, "__launch_bounds__"), *end;

        open = open ? strchr(open, '(') : NULL;
        open = open ? behind_parens(open) : NULL;
        if (!open || sscanf(open, " %95[A-Za-z0-9_]", name) != 1)
            break;
        open = strchr(open, '(');
        end = open ? strchr(open, ')') : NULL;
        if (!end)
            break;
        fprintf(out, ".visible .entry %s(\n", name);
        put_params(out, name, open + 1, end);
        fprintf(out, "\n)\n{\n    ret;\n}\n");
        at = end;
    }
    fclose(out);
}

unsigned nvrtcCompileProgram(struct _nvrtcProgram *p, int n,
                             const char *const *options)
{
    const char *cache = getenv("HALCYON_CACHE_DIR");
    char cu[4300], so[4200];
    int arch = 0, fd;
    FILE *f;

    for (int i = 0; i < n; i++)
        if (sscanf(options[i], "--gpu-architecture=%*[a-z]_%d", &arch) != 1 &&
            strcmp(options[i], "--std=c++17") != 0)
            return 5; /* NVRTC_ERROR_INVALID_OPTION */
    snprintf(so, sizeof so, "%s/emu-XXXXXX", cache ? cache : "/tmp");
    if (cache)
        (void)mkdir(cache, 0700);
    fd = mkstemp(so);
    if (fd < 0)
        return 1; /* NVRTC_ERROR_OUT_OF_MEMORY */
    close(fd);
    snprintf(cu, sizeof cu, "%s.cu", so);
    f = fopen(cu, "w");
    if (!f)
        return 1;
    fputs(p->text, f);
    fclose(f);
    if (run_compiler(p, cu, so) != 0) {
        unlink(cu);
        unlink(so);
        return 6; /* NVRTC_ERROR_COMPILATION */
    }
    unlink(cu);
    put_code(p, arch, so);
    return 0;
}

unsigned nvrtcGetPTXSize(struct _nvrtcProgram *p, size_t *size)
{
    *size = strlen(p->code) + 1;
    return 0;
}

unsigned nvrtcGetPTX(struct _nvrtcProgram *p, char *out)
{
    strcpy(out, p->code);
    return 0;
}

unsigned nvrtcGetCUBINSize(struct _nvrtcProgram *p, size_t *size)
{
    return nvrtcGetPTXSize(p, size);
}

unsigned nvrtcGetCUBIN(struct _nvrtcProgram *p, char *out)
{
    return nvrtcGetPTX(p, out);
}

unsigned nvrtcGetProgramLogSize(struct _nvrtcProgram *p, size_t *size)
{
    *size = strlen(p->log) + 1;
    return 0;
}

unsigned nvrtcGetProgramLog(struct _nvrtcProgram *p, char *out)
{
    strcpy(out, p->log);
    return 0;
}
