/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the command line and the help.
 */
#include "hal/hal.h"
#include "tools/halcc/halcc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
    "  --target LIST      cpu, opencl, vulkan, cuda, ptx, or variants, "
    "separated\n"
    "                     by commas (default: the first four, and ptx.sm70\n"
    "                     where there is a clang for it)\n"
    "  --expand VARIANT   print the expanded text; also meta, meta:VARIANT\n"
    "  --instance N       of the instances in the file, the Nth (from 0)\n"
    "  --list             what a .halbin holds; --json: for programs\n"
    "  --merge            several .halbin into one\n"
    "  --cflags FLAGS     more flags for the C compiler\n"
    "  --cache            use the cache of compiled code\n"
    "  --help, --version\n"
    "\n"
    "Environment:\n"
    "  HALCYON_CC          the C compiler (default: cc)\n"
    "  HALCYON_CFLAGS      more flags for it\n"
    "  HALCYON_CC_TIMEOUT  seconds that a compiler may run (default: 300)\n"
    "  HALCYON_SHADERC     the library for GLSL (default: libshaderc.so.1)\n"
    "  HALCYON_GLSLC       the program where there is no such library\n"
    "                      (default: glslc)\n"
    "  HALCYON_CLANG       the clang for ptx (default: clang)\n"
    "  HALCYON_NVCC        the nvcc for ptx.sm90a (default: nvcc)\n"
    "  HALCYON_CACHE_DIR   the cache of --cache (default: ~/.cache/halcyon)\n"
    "  TMPDIR              where compilers work (default: /tmp)\n"
    "Exit: 0 done, 1 an error in a source or file, 2 usage, 3 a tool is\n"
    "missing.\n";

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

/* Of --NAME=VALUE: the value, and --NAME in `name`; else NULL. */
static const char *split_word(const char *arg, char name[32])
{
    size_t len = strcspn(arg, "=");

    if (strncmp(arg, "--", 2) != 0 || !arg[len] || len >= 32)
        return NULL;
    memcpy(name, arg, len);
    name[len] = '\0';
    return arg + len + 1;
}

/* 0, or the exit code. */
static int read_words(struct options *o, int argc, char **argv)
{
    const char **place;
    int code = 0, only_files = 0;

    for (int i = 1; i < argc && !code; i++) {
        const char *arg = argv[i], *value;
        char name[32];

        if (only_files || arg[0] != '-' || !arg[1]) {
            o->files[o->n_files++] = arg;
        } else if (!strcmp(arg, "--")) {
            only_files = 1;
        } else if (value_option(o, arg, &place)) {
            code = i + 1 < argc ? take_value(o, arg, argv[i + 1])
                                : usage_error("%s wants a value", arg);
            i++;
        } else if ((value = split_word(arg, name)) &&
                   value_option(o, name, &place)) {
            code = take_value(o, name, value);
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

/* --help and --version, wherever they stand: 1 if one was there. */
static int answer(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help();
            return 1;
        }
        if (!strcmp(argv[i], "--version")) {
            printf("halcc %d.%d.%d, .halbin version %u\n", HAL_VERSION_MAJOR,
                   HAL_VERSION_MINOR, HAL_VERSION_PATCH, HALBIN_VERSION);
            return 1;
        }
    }
    return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
    int code;

    if (answer(argc, argv)) {
        code = finish_stdout();
        return code ? code : -1;
    }
    o->files = malloc((size_t)argc * sizeof *o->files);
    if (!o->files) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    code = read_words(o, argc, argv);
    return code ? code : check(o);
}
