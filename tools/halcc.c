/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halcc.c - the offline compiler: .k files to a .halbin.  It needs the
 * compiler floor only, because the library that holds the rest is built from
 * what it makes.
 */
#include "compiler/compile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HALCC_VERSION "0.1.0"

enum { EXIT_SOURCE = 1, EXIT_USAGE = 2, EXIT_TOOL = 3 };

static const char usage[] =
    "usage: halcc [-o OUT.halbin] [-DNAME[=VALUE]]... [-I DIR]\n"
    "             [--target LIST] FILE.k...\n"
    "       halcc --expand VARIANT [--instance N] [-o OUT] FILE.k\n"
    "       halcc --list [--json] FILE.halbin...\n"
    "       halcc --merge -o OUT.halbin FILE.halbin...\n"
    "\n"
    "  -o FILE            what to write (default: the .k with .halbin for .k;\n"
    "                     --expand: standard output)\n"
    "  -DNAME[=VALUE]     define a macro (1 without a value)\n"
    "  -I DIR             where #include \"...\" looks after the dialect\n"
    "                     (default: the directory of the .k)\n"
    "  --target LIST      cpu, opencl, vulkan, cuda, or variants, separated\n"
    "                     by commas (default: all four)\n"
    "  --expand VARIANT   print the expanded text; also meta, meta:VARIANT\n"
    "  --instance N       of the instances in the file, the Nth (from 0)\n"
    "  --list             what a .halbin holds; --json: for programs\n"
    "  --merge            several .halbin into one\n"
    "  --cflags FLAGS     more flags for the C compiler\n"
    "  --cache            use the cache of compiled code\n"
    "  --help, --version\n"
    "\n"
    "Environment: HALCYON_CC, HALCYON_CFLAGS, HALCYON_CC_TIMEOUT,\n"
    "HALCYON_GLSLC, HALCYON_SHADERC, HALCYON_CACHE_DIR.\n"
    "Exit: 0 done, 1 an error in a source or file, 2 usage, 3 a tool is\n"
    "missing.\n";

struct options {
    const char *out, *include_dir, *target, *expand;
    uint32_t instance;
    int list, merge, json, cache;
    char *defines; /* "-DX=Y -DZ" */
    const char **files;
    uint32_t n_files;
};

/* ---- files --------------------------------------------------------------- */

static void *out_of_memory(void)
{
    fprintf(stderr, "halcc: out of memory\n");
    return NULL;
}

/* NUL-terminated; NULL after a message.  A pipe would be waited for. */
static char *read_file(const char *path, size_t *out_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    const char *why = NULL;
    char *bytes = NULL;
    struct stat is;

    if (!f || fstat(fd, &is) != 0)
        why = strerror(errno);
    else if (!S_ISREG(is.st_mode))
        why = "no regular file";
    else if (!(bytes = malloc((size_t)is.st_size + 1)))
        why = "out of memory";
    if (bytes) {
        *out_size = fread(bytes, 1, (size_t)is.st_size, f);
        bytes[*out_size] = 0;
        if (ferror(f))
            why = strerror(errno);
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    if (!why)
        return bytes;
    fprintf(stderr, "halcc: %s: %s\n", path, why);
    free(bytes);
    return NULL;
}

/* Written aside and renamed, so that no half file is left; "-": stdout.
 * What is there and no plain file (/dev/null, a pipe) is written to. */
static int write_file(const char *path, const void *bytes, size_t size)
{
    size_t n = strlen(path);
    struct stat is;
    char *aside;
    FILE *f;
    int good, plain = stat(path, &is) != 0 || S_ISREG(is.st_mode);

    if (!strcmp(path, "-"))
        return fwrite(bytes, 1, size, stdout) == size && !fflush(stdout);
    aside = malloc(n + 8);
    if (!aside)
        return out_of_memory() != NULL;
    snprintf(aside, n + 8, "%s%s", path, plain ? ".new" : "");
    f = fopen(aside, "wb");
    good = f && fwrite(bytes, 1, size, f) == size;
    if (f)
        good = fclose(f) == 0 && good;
    if (plain)
        good = good && rename(aside, path) == 0;
    if (!good) {
        fprintf(stderr, "halcc: %s: %s\n", path, strerror(errno));
        if (f && plain)
            unlink(aside);
    }
    free(aside);
    return good;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* "a/b.k" -> "a", "b.k" -> "."; the caller frees it. */
static char *dir_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* ---- compiling ----------------------------------------------------------- */

static int exit_of(enum compile_status st)
{
    return st == COMPILE_OK        ? 0
           : st == COMPILE_NO_TOOL ? EXIT_TOOL
                                   : EXIT_SOURCE;
}

#define TARGETS_MAX 64
#define ALL_TARGETS "cpu,opencl,vulkan,cuda"

/* "opencl" and "cuda" are variants and first words at once. */
static int is_word(const char *p, size_t size)
{
    return !memchr(p, '.', size);
}

/* "cpu,vulkan.ssbo" to targets: a first word asks for all variants, a whole
 * name for one.  The number of targets, or 0 after a message. */
static uint32_t parse_targets(const char *list, struct compile_target *out)
{
    const struct compile_variant *variants;
    uint32_t n = 0, i, count;

    variants = compile_variants(&count);
    for (const char *p = list; p; p = strchr(p, ',')) {
        size_t size;
        int whole = 0;

        p += *p == ',';
        size = strcspn(p, ",");
        for (i = 0; i < count && !whole; i++)
            whole = strlen(variants[i].name) == size &&
                    !memcmp(p, variants[i].name, size);
        if (whole)
            i--;
        for (; !whole && i-- > 0;)
            if (size && !strncmp(p, variants[i].name, size) &&
                variants[i].name[size] == '.')
                break;
        if (i >= count || n == TARGETS_MAX) {
            fprintf(stderr, "halcc: --target: '%.*s' is no target\n", (int)size,
                    p);
            return 0;
        }
        out[n++] = (struct compile_target){ .target = variants[i].target,
                                            .caps = whole && !is_word(p, size)
                                                        ? variants[i].caps
                                                        : ~0ull };
    }
    return n;
}

static char *source_of(const struct options *o, const char *path,
                       struct compile_request *req, char **out_dir)
{
    size_t size;
    char *text = read_file(path, &size);

    if (!text)
        return NULL;
    if (strlen(text) != size) {
        fprintf(stderr, "%s:1: a NUL byte in the source\n", path);
        free(text);
        return NULL;
    }
    *out_dir = o->include_dir ? strdup(o->include_dir) : dir_name(path);
    *req = (struct compile_request){ .source = text,
                                     .name = base_name(path),
                                     .options = o->defines,
                                     .include_dir = *out_dir,
                                     .use_cache = o->cache };
    return text;
}

static int compile_file(const struct options *o, const char *path,
                        struct halbin *out)
{
    struct compile_target list[TARGETS_MAX];
    struct hal_message msg = { "" };
    struct compile_request req;
    enum compile_status st;
    char *dir = NULL, *text;
    uint32_t n = parse_targets(o->target ? o->target : ALL_TARGETS, list);

    if (!n)
        return EXIT_USAGE;
    text = source_of(o, path, &req, &dir);
    if (!text)
        return EXIT_SOURCE;
    req.targets = list;
    req.n_targets = n;
    st = compile_source(&req, out, &msg);
    if (st != COMPILE_OK)
        fprintf(stderr, "%s%s\n", st == COMPILE_NO_TOOL ? "halcc: " : "",
                msg.text);
    free(text);
    free(dir);
    return exit_of(st);
}

static int do_expand(const struct options *o)
{
    struct hal_message msg = { "" };
    struct compile_request req;
    enum compile_status st;
    char *dir = NULL, *out = NULL;
    char *text = source_of(o, o->files[0], &req, &dir);
    int code;

    if (!text)
        return EXIT_SOURCE;
    st = compile_expand(&req, o->expand, o->instance, &out, &msg);
    code = exit_of(st);
    if (st != COMPILE_OK)
        fprintf(stderr, "%s\n", msg.text);
    else if (!write_file(o->out ? o->out : "-", out, strlen(out)))
        code = EXIT_SOURCE;
    free(out);
    free(text);
    free(dir);
    return code;
}

/* ---- merging ------------------------------------------------------------- */

static int open_file(const char *path, struct halbin *out)
{
    struct hal_message msg = { "" };
    size_t size = 0;
    char *bytes = read_file(path, &size);
    enum halbin_status st;

    if (!bytes)
        return EXIT_SOURCE;
    st = halbin_open(bytes, size, out, &msg);
    free(bytes);
    if (st == HALBIN_OK)
        return 0;
    fprintf(stderr, "halcc: %s: %s\n", path, msg.text);
    return EXIT_SOURCE;
}

/* The file among bins[0..n) that has a kernel of that name, or -1. */
static int owner_of(const struct halbin *bins, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (halbin_find(&bins[i], name))
            return (int)i;
    return -1;
}

/* One .halbin of all kernels of the opened files. */
static int write_merged(const struct options *o, const char *out,
                        const struct halbin *bins)
{
    struct hal_kernel_desc *all;
    struct hal_message msg = { "" };
    uint32_t total = 0, at = 0;
    void *bytes = NULL;
    size_t size = 0;
    int code = 0;

    for (uint32_t i = 0; i < o->n_files; i++)
        total += bins[i].n_kernels;
    all = malloc((total + 1u) * sizeof *all);
    if (!all) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    for (uint32_t i = 0; i < o->n_files; i++)
        for (uint32_t k = 0; k < bins[i].n_kernels; k++) {
            const char *name = bins[i].kernels[k].name;
            int other = owner_of(bins, i, name);

            if (other >= 0) {
                fprintf(stderr, "halcc: kernel '%s' is in %s and in %s\n", name,
                        o->files[other], o->files[i]);
                code = EXIT_SOURCE;
            }
            all[at++] = bins[i].kernels[k];
        }
    if (!code && halbin_write(all, total, &bytes, &size, &msg) != HALBIN_OK) {
        fprintf(stderr, "halcc: %s: %s\n", out, msg.text);
        code = EXIT_SOURCE;
    }
    if (!code && !write_file(out, bytes, size))
        code = EXIT_SOURCE;
    free(bytes);
    free(all);
    return code;
}

/* Several .k or .halbin files to one .halbin. */
static int do_merge(const struct options *o, const char *out)
{
    struct halbin *bins = calloc(o->n_files + 1u, sizeof *bins);
    int code = 0;

    if (!bins) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    for (uint32_t i = 0; i < o->n_files && !code; i++)
        code = o->merge ? open_file(o->files[i], &bins[i])
                        : compile_file(o, o->files[i], &bins[i]);
    if (!code)
        code = write_merged(o, out, bins);
    for (uint32_t i = 0; i < o->n_files; i++)
        halbin_close(&bins[i]);
    free(bins);
    return code;
}

static int do_compile(const struct options *o)
{
    const char *name = base_name(o->files[0]);
    size_t n = strlen(name);
    char *made = NULL;
    int code;

    if (o->out)
        return do_merge(o, o->out);
    if (o->n_files > 1) {
        fprintf(stderr, "halcc: several files want -o OUT.halbin\n");
        return EXIT_USAGE;
    }
    if (n > 2 && !strcmp(name + n - 2, ".k"))
        n -= 2;
    made = malloc(n + 8);
    if (!made) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    memcpy(made, name, n);
    strcpy(made + n, ".halbin");
    code = do_merge(o, made);
    free(made);
    return code;
}

/* ---- listing ------------------------------------------------------------- */

static const char *const kind_names[] = { "in", "out", "inout", "arg" };
static const char *const target_names[] = { "cpu", "opencl", "vulkan", "cuda",
                                            "ptx" };
/* halDtype's names, by value. */
static const char *const dtype_names[] = { "f32", "f16", "bf16", "f64", "i8",
                                           "u8",  "i16", "u16",  "i32", "u32",
                                           "i64", "u64", "e4m3", "e5m2" };

static void list_text(const char *path, const struct halbin *bin)
{
    printf("%s: %u kernels\n", path, bin->n_kernels);
    for (uint32_t i = 0; i < bin->n_kernels; i++) {
        const struct hal_kernel_desc *k = &bin->kernels[i];

        printf("%s(", k->name);
        for (uint32_t p = 0; p < k->n_params; p++)
            printf("%s%s %s%s %s", p ? ", " : "", kind_names[k->params[p].kind],
                   dtype_names[k->params[p].dtype],
                   k->params[p].kind != HAL_PARAM_ARG &&
                           k->params[p].alignment == 16
                       ? " (16)"
                       : "",
                   k->params[p].name);
        printf(")\n");
        for (uint32_t m = 0; m < k->n_images; m++) {
            const struct hal_image *g = &k->images[m];

            printf("    %-14s caps 0x%-8llx rank %u  group %-4u chunk %-5u "
                   "shared %-6u priv %-5u %7zu bytes  %016llx\n",
                   g->variant, (unsigned long long)g->caps, g->rank, g->group,
                   g->chunk, g->shared_bytes, g->priv_bytes, g->blob_bytes,
                   (unsigned long long)g->hash);
        }
    }
}

/* Names and variants have no character that JSON would escape; a path may. */
static void json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 32)
            printf("\\u%04x", (unsigned)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void list_json(const char *path, const struct halbin *bin)
{
    printf("{\"schema\":\"halbin-1\",\"file\":");
    json_string(path);
    printf(",\"kernels\":[");
    for (uint32_t i = 0; i < bin->n_kernels; i++) {
        const struct hal_kernel_desc *k = &bin->kernels[i];

        printf("%s\n{\"name\":\"%s\",\"params\":[", i ? "," : "", k->name);
        for (uint32_t p = 0; p < k->n_params; p++)
            printf("%s{\"name\":\"%s\",\"kind\":\"%s\",\"dtype\":\"%s\","
                   "\"alignment\":%u}",
                   p ? "," : "", k->params[p].name,
                   kind_names[k->params[p].kind],
                   dtype_names[k->params[p].dtype], k->params[p].alignment);
        printf("],\"images\":[");
        for (uint32_t m = 0; m < k->n_images; m++) {
            const struct hal_image *g = &k->images[m];

            printf("%s{\"variant\":", m ? "," : "");
            json_string(g->variant);
            printf(",\"target\":\"%s\",\"caps\":%llu,\"rank\":%u,"
                   "\"group\":%u,\"chunk\":%u,\"shared_bytes\":%u,"
                   "\"priv_bytes\":%u,\"bytes\":%zu,\"hash\":\"%016llx\"}",
                   target_names[g->target], (unsigned long long)g->caps,
                   g->rank, g->group, g->chunk, g->shared_bytes, g->priv_bytes,
                   g->blob_bytes, (unsigned long long)g->hash);
        }
        printf("]}");
    }
    printf("\n]}\n");
}

static int do_list(const struct options *o)
{
    struct halbin bin = { 0 };

    for (uint32_t i = 0; i < o->n_files; i++) {
        int code = open_file(o->files[i], &bin);

        if (code)
            return code;
        (o->json ? list_json : list_text)(o->files[i], &bin);
        halbin_close(&bin);
    }
    return ferror(stdout) || fflush(stdout) ? EXIT_SOURCE : 0;
}

/* ---- the command line ---------------------------------------------------- */

static int usage_error(const char *format, const char *what)
{
    fprintf(stderr, "halcc: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "; see halcc --help\n");
    return EXIT_USAGE;
}

/* Appends "-DX=Y " to what is there already. */
static int add_define(struct options *o, const char *define)
{
    size_t have = o->defines ? strlen(o->defines) : 0;
    char *more = realloc(o->defines, have + strlen(define) + 4);

    if (!more)
        return 0;
    o->defines = more;
    sprintf(more + have, "-D%s ", define);
    return 1;
}

/* The options that take a value; 1 if `arg` is one, with *out its place. */
static int value_option(struct options *o, const char *arg, const char ***out)
{
    static const char *instance, *cflags;

    *out = !strcmp(arg, "-o")           ? &o->out
           : !strcmp(arg, "-I")         ? &o->include_dir
           : !strcmp(arg, "--target")   ? &o->target
           : !strcmp(arg, "--expand")   ? &o->expand
           : !strcmp(arg, "--instance") ? &instance
           : !strcmp(arg, "--cflags")   ? &cflags
                                        : NULL;
    return *out != NULL;
}

static int take_value(struct options *o, const char *arg, const char *value)
{
    const char **place;
    unsigned long n;
    char *end;

    value_option(o, arg, &place);
    *place = value;
    if (!strcmp(arg, "--instance")) {
        n = strtoul(value, &end, 10);
        if (!isdigit((unsigned char)*value) || *end || n > 100000)
            return usage_error("--instance: '%s' is no number", value);
        o->instance = (uint32_t)n;
    }
    if (!strcmp(arg, "--cflags") && setenv("HALCYON_CFLAGS", value, 1) != 0)
        return usage_error("--cflags: %s", strerror(errno));
    return 0;
}

static int take_flag(struct options *o, const char *arg)
{
    if (!strcmp(arg, "--list"))
        o->list = 1;
    else if (!strcmp(arg, "--merge"))
        o->merge = 1;
    else if (!strcmp(arg, "--json"))
        o->json = 1;
    else if (!strcmp(arg, "--cache"))
        o->cache = 1;
    else
        return usage_error("'%s' is no option", arg);
    return 0;
}

/* 0, or the exit code. */
static int parse(struct options *o, int argc, char **argv)
{
    const char **place;
    int code = 0, only_files = 0;

    for (int i = 1; i < argc && !code; i++) {
        const char *arg = argv[i];

        if (only_files || arg[0] != '-' || !arg[1]) {
            o->files[o->n_files++] = arg;
        } else if (!strcmp(arg, "--")) {
            only_files = 1;
        } else if (value_option(o, arg, &place)) {
            code = i + 1 < argc ? take_value(o, arg, argv[i + 1])
                                : usage_error("%s wants a value", arg);
            i++;
        } else if (!strncmp(arg, "-I", 2)) {
            o->include_dir = arg + 2;
        } else if (!strncmp(arg, "-D", 2)) {
            const char *define = arg[2]         ? arg + 2
                                 : i + 1 < argc ? argv[++i]
                                                : "";

            if (!isalpha((unsigned char)*define) && *define != '_')
                code = usage_error("-D wants NAME or NAME=VALUE, not '%s'",
                                   define);
            else if (strpbrk(define, " \t\n"))
                code = usage_error("-D%s: a space", define);
            else if (!add_define(o, define))
                code = usage_error("%s", "out of memory");
        } else {
            code = take_flag(o, arg);
        }
    }
    return code;
}

static int is_input(const struct options *o, const char *out)
{
    struct stat is, in;

    if (!strcmp(out, "-") || stat(out, &is) != 0)
        return 0;
    for (uint32_t i = 0; i < o->n_files; i++)
        if (stat(o->files[i], &in) == 0 && in.st_dev == is.st_dev &&
            in.st_ino == is.st_ino)
            return 1;
    return 0;
}

/* What compile_expand takes: a variant, meta or meta:VARIANT. */
static int can_expand(const char *name)
{
    uint32_t n;
    const struct compile_variant *variants = compile_variants(&n);

    if (!strcmp(name, "meta"))
        return 1;
    name += strncmp(name, "meta:", 5) ? 0 : 5;
    while (n-- > 0)
        if (!strcmp(name, variants[n].name))
            return 1;
    return 0;
}

static int check(const struct options *o)
{
    if (o->list + o->merge + (o->expand != NULL) > 1)
        return usage_error("--list, --merge and --expand exclude %s",
                           "each other");
    if (o->merge && !o->out)
        return usage_error("--merge wants %s", "-o OUT.halbin");
    if (!o->n_files)
        return usage_error("%s", "no file");
    if (o->expand && o->n_files != 1)
        return usage_error("--expand wants %s", "one file");
    if (o->expand && !can_expand(o->expand))
        return usage_error("--expand: '%s' is no variant", o->expand);
    if (o->out && is_input(o, o->out))
        return usage_error("-o %s is an input too", o->out);
    if (o->json && !o->list)
        return usage_error("--json goes with %s", "--list");
    return 0;
}

static void print_help(void)
{
    uint32_t n;
    const struct compile_variant *variants = compile_variants(&n);

    fputs(usage, stdout);
    printf("Variants:");
    for (uint32_t i = 0; i < n; i++)
        printf(" %s", variants[i].name);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct options o = { 0 };
    int code;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--"))
            break;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help();
            return 0;
        }
        if (!strcmp(argv[i], "--version")) {
            printf("halcc %s, .halbin version %u\n", HALCC_VERSION,
                   HALBIN_VERSION);
            return 0;
        }
    }
    o.files = malloc((size_t)argc * sizeof *o.files);
    if (!o.files) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    code = parse(&o, argc, argv);
    if (!code)
        code = check(&o);
    if (!code)
        code = o.list     ? do_list(&o)
               : o.merge  ? do_merge(&o, o.out)
               : o.expand ? do_expand(&o)
                          : do_compile(&o);
    free(o.files);
    free(o.defines);
    return code;
}
