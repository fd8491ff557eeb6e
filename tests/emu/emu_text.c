/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_text.c - CUDA text made ready for g++ and emu_cuda.h:
 * `emu-text FILE.halbin` takes the cuda images of a container, `emu-text
 * FILE.cu` one text.  Written to standard output: each text in a namespace of
 * its own, its __shared__ arrays asked of the emulator, its kernels listed.
 * Invariant: what it does not understand it refuses, with the words at fault.
 */
#include "compiler/halbin.h"
#include "compiler/tool.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)256 << 20)

static int is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The next place of the whole word, or NULL. */
static const char *find_word(const char *at, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = at; (p = strstr(p, word)); p += n)
        if ((p == at || !is_word(p[-1])) && !is_word(p[n]))
            return p;
    return NULL;
}

static int complain(const char *what, const char *at)
{
    fprintf(stderr, "emu-text: %s: %.60s\n", what, at);
    return 0;
}

/* `__shared__ TYPE NAME[N]...;` as a reference into the block's memory, which
 * is the same for all threads; `extern __shared__ TYPE NAME[];` as a pointer
 * to the dynamic part. */
static int put_shared(const char *decl, size_t size, int is_extern)
{
    const char *bracket = memchr(decl, '[', size);
    const char *end = bracket ? bracket : decl + size, *name;

    while (end > decl && isspace((unsigned char)end[-1]))
        end--;
    for (name = end; name > decl && is_word(name[-1]);)
        name--;
    if (name == end || name == decl || memchr(decl, ',', size) ||
        memchr(decl, '=', size))
        return complain("one plain array a declaration, please", decl);
    if (is_extern)
        printf("%.*s *%.*s = (%.*s *)emu_dynamic_shared()", (int)(name - decl),
               decl, (int)(end - name), name, (int)(name - decl), decl);
    else
        printf("struct emu_of_%.*s { %.*s; }; static char emu_key_%.*s; "
               "auto &%.*s = ((emu_of_%.*s *)emu_shared(&emu_key_%.*s, "
               "sizeof(emu_of_%.*s)))->%.*s",
               (int)(end - name), name, (int)size, decl, (int)(end - name),
               name, (int)(end - name), name, (int)(end - name), name,
               (int)(end - name), name, (int)(end - name), name,
               (int)(end - name), name);
    return 1;
}

/* Functions named ptx_... are one instruction each, which g++ does not know:
 * what defines one becomes an empty function of another name, so that calls go
 * to emu_cuda.h's. */
static int drop_instructions(char *text)
{
    for (char *p = text; (p = strstr(p, "ptx_")); p += 4) {
        char *open = strchr(p, ')'), *close;

        if (open)
            open += 1 + strspn(open + 1, " \t\n");
        if ((p > text && is_word(p[-1])) || !open || *open != '{')
            continue;
        /* The asm's own braces are in strings, behind a quote. */
        close = strstr(open, "\n}");
        if (!close)
            return complain("an instruction without an end", p);
        memcpy(p, "not_", 4);
        for (char *c = open + 1; c <= close; c++)
            *c = *c == '\n' ? '\n' : ' ';
    }
    return 1;
}

static int put_body(const char *text)
{
    const char *at = text, *p, *end;

    while ((p = find_word(at, "__shared__"))) {
        const char *from = p;
        int is_extern;

        while (from > at && isspace((unsigned char)from[-1]))
            from--;
        is_extern = from - at >= 6 && !memcmp(from - 6, "extern", 6) &&
                    (from - at == 6 || !is_word(from[-7]));
        fwrite(at, 1, (size_t)((is_extern ? from - 6 : p) - at), stdout);
        p += strlen("__shared__");
        end = strchr(p, ';');
        if (!end)
            return complain("__shared__ without an end", p);
        if (!put_shared(p, (size_t)(end - p), is_extern))
            return 0;
        at = end;
    }
    fputs(at, stdout);
    return 1;
}

/* EMU_KERNEL lines for `extern "C" __global__ void [__launch_bounds__(N)]
 * NAME(`.  How many there are. */
static int put_kernels(const char *text)
{
    int n = 0;

    for (const char *p = text; (p = find_word(p, "__global__"));) {
        const char *name, *bounds = "0";
        size_t bounds_size = 1;

        p += strlen("__global__");
        p += strspn(p, " \t\n");
        if (strncmp(p, "void", 4) != 0) {
            complain("a kernel that is not void", p);
            return 0;
        }
        p += 4;
        p += strspn(p, " \t\n");
        if (!strncmp(p, "__launch_bounds__", 17)) {
            int depth = 0;

            p += 17;
            p += strspn(p, " \t\n");
            bounds = p;
            do
                depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
            while (*p && *p++ && depth);
            bounds_size = (size_t)(p - bounds);
            p += strspn(p, " \t\n");
        }
        name = p;
        while (is_word(*p))
            p++;
        if (p == name || p[strspn(p, " \t\n")] != '(') {
            complain("a kernel without a name", name);
            return 0;
        }
        printf("EMU_KERNEL(%.*s, (%.*s))\n", (int)(p - name), name,
               (int)bounds_size, bounds);
        n++;
    }
    return n;
}

static int put_text(const char *text, unsigned number)
{
    char *copy = strdup(text);
    int good;

    if (!copy)
        return complain("no memory for", text);
    printf("namespace emu_%u {\n", number);
    good = drop_instructions(copy) && put_body(copy);
    free(copy);
    if (!good)
        return 0;
    printf("\n#line 1 \"kernels\"\n");
    if (!put_kernels(text))
        return complain("no kernel in it", text);
    printf("}\n");
    return 1;
}

static int put_halbin(const void *bytes, size_t size)
{
    struct hal_message msg = { "" };
    struct halbin bin;
    unsigned n = 0;
    int good = 1;

    if (halbin_open(bytes, size, &bin, &msg) != HALBIN_OK)
        return complain(msg.text, "");
    for (uint32_t k = 0; k < bin.n_kernels && good; k++)
        for (uint32_t i = 0; i < bin.kernels[k].n_images && good; i++)
            if (bin.kernels[k].images[i].target == HAL_TARGET_CUDA)
                good = put_text(bin.kernels[k].images[i].blob, n++);
    halbin_close(&bin);
    return good;
}

int main(int argc, char **argv)
{
    void *bytes = NULL;
    size_t size = 0;
    int e, good;

    if (argc != 2) {
        fprintf(stderr, "usage: emu-text FILE.halbin|FILE.cu\n");
        return 2;
    }
    e = file_read(argv[1], TEXT_LIMIT, &bytes, &size);
    if (e) {
        fprintf(stderr, "emu-text: %s: %s\n", argv[1], strerror(e));
        return 1;
    }
    printf("#include \"tests/emu/emu_cuda.h\"\n");
    good = size > 6 && !memcmp(bytes, "HALBIN", 6) ? put_halbin(bytes, size)
                                                   : put_text(bytes, 0);
    free(bytes);
    return good && !fflush(stdout) && !ferror(stdout) ? 0 : 1;
}
