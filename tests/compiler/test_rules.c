/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would run on some devices only is refused for all: group statements
 * where not all threads come by, and names that some target reserves.
 */
#include "tests/compiler/compile_test.h"

#define HEAD "#include \"hal_dialect.h\"\n"
/* The body begins in line 4. */
#define BODY(text)                                               \
    HEAD "KERNEL(k, OUT(f32, y), ARG(uint, n), ARG(float, a),\n" \
         "       LOCAL(float, m, 64), PRIV(float, p, 2)) {\n" text "\n}\n"

/* The same from every target, a CPU alone included. */
static void refuse(const char *text, const char *want)
{
    struct halbin bin = { .n_kernels = 9 };

    for (int i = 0; i < 4; i++) {
        if (compile(text, &everything[i], 1, &bin) != COMPILE_ERROR)
            fail_msg("target %d: no '%s'", i, want);
        if (strncmp(msg.text, want, strlen(want)) != 0)
            fail_msg("target %d: '%s', not '%s'", i, msg.text, want);
        assert_int_equal(bin.n_kernels, 9);
    }
}

/* Read without complaint; what a target compiler says of it is not asked. */
static void allow(const char *text)
{
    struct halbin bin = { 0 };

    if (compile(text, &everything[1], 1, &bin) != COMPILE_OK)
        fail_msg("%s\n%s", text, msg.text);
    halbin_close(&bin);
}

static void test_barriers(void **state)
{
    (void)state;
    refuse(BODY("float s = a;\nITEMS(i, n)\n{\n  s += a;\n  GROUP_SUM(s);\n}"),
           "t.k:8: GROUP_SUM inside of ITEMS (line 5): ");
    refuse(BODY("EACH(t)\n  for (idx j = 0; j < n; j++)\n    if (a > 0.0f)\n"
                "      SYNC;"),
           "t.k:7: SYNC inside of EACH (line 4): ");
    refuse(BODY("float s = a;\nVITEMS(i, k, n) GROUP_MAX(s);"),
           "t.k:5: GROUP_MAX inside of VITEMS (line 5): ");
    refuse(BODY("uint u = n;\nBLOCKS(b, n) { if (u > 3u) { } else\n"
                "GROUP_UMAX(u); }"),
           "t.k:6: GROUP_UMAX inside of BLOCKS (line 5): ");
    refuse(BODY("uint u = n;\nGRID(i, n) do { GROUP_UMIN(u); } while (u > n);"),
           "t.k:5: GROUP_UMIN inside of GRID");
    refuse(BODY("ONCE { m[0] = a;\nSYNC; }"), "t.k:5: SYNC inside of ONCE");
    refuse(BODY("VGRID(i, k, n) SYNC;"), "t.k:4: SYNC inside of VGRID");
    refuse(BODY("ITEMS2(i, n, j, n) switch (n) { case 1u: { SYNC; } }"),
           "t.k:4: SYNC inside of ITEMS2");
    refuse(BODY("SUM_ITEMS(a, i, n) UNROLL for (int j = 0; j < 2; j++) SYNC;"),
           "t.k:4: SYNC inside of SUM_ITEMS");
    refuse(BODY("float s = a;\nITEMS(i, n) if (i > 3) s += a; else\n"
                "GROUP_SUM(s);"),
           "t.k:6: GROUP_SUM inside of ITEMS (line 5): ");
    /* through the author's own macros, in the line of the call */
    refuse("#define ALL(x) GROUP_SUM(x)\n#define WALK(i) ITEMS(i, n)\n"
           "#define UNUSED SYNC\n" BODY("float s = a;\nWALK(i) { s += a;\n"
                                        "ALL(s); }"),
           "t.k:9: GROUP_SUM inside of ITEMS (line 8): ");
    /* in an instance and a kernel that is not the first */
    refuse("#pragma hal instance N=one\n#pragma hal instance N=two BAD=1\n" HEAD
           "KERNEL(HAL_CAT(x_, N), OUT(f32, y)) { ONCE ST(f32, y, 0, 1.0f); }\n"
           "KERNEL(N, OUT(f32, y)) {\n#ifdef BAD\nEACH(t)\n#endif\nSYNC; }\n",
           "t.k:9: SYNC inside of EACH (line 7): ");
}

static void test_nested_shares(void **state)
{
    (void)state;
    refuse(BODY("ITEMS(i, n)\n  ITEMS(j, n) ST(f32, y, j, a);"),
           "t.k:5: ITEMS inside of ITEMS (line 4): ");
    refuse(BODY("ONCE\n{\n  VITEMS(j, k, n) VST(f32, y, j, k, vec_set(a));\n}"),
           "t.k:6: VITEMS inside of ONCE");
    refuse(BODY("EACH(t) { ONCE ST(f32, y, 0, a); }"),
           "t.k:4: ONCE inside of EACH");
    refuse(BODY("BLOCKS(i, n) GRID(j, n) ST(f32, y, j, a);"),
           "t.k:4: GRID inside of BLOCKS");
    refuse(BODY("ITEMS(i, n) { if (i > 3)\n break; }"),
           "t.k:5: break inside of ITEMS (line 4): ");
    refuse(BODY("ITEMS(i, n) { for (;;) break; if (i > 3)\n return; }"),
           "t.k:5: return inside of ITEMS (line 4): ");
    refuse(BODY("ITEMS(i, n) MY(p)[0] = a;"), "t.k:4: MY(...) outside of EACH");
    refuse(BODY("EACH(q) MY(p)[0] = a;"), "t.k:4: MY(...) outside of EACH(t)");
    refuse(HEAD "FN(float) f(float x)\n{\n  SYNC;\n  return x;\n}\n"
                "KERNEL(k, OUT(f32, y)) { ITEMS(i, 3) ST(f32, y, i, f(1.0f)); "
                "}\n",
           "t.k:4: SYNC outside of a KERNEL's body");
    refuse(HEAD "KERNEL(k, OUT(f32, y)) { ONCE ST(f32, y, 0, 1.0f); }\n"
                "FN(float) f(float x)\n{\n  ITEMS(i, 3) x += 1.0f;\n"
                "  return x;\n}\n",
           "t.k:5: ITEMS outside of a KERNEL's body");
}

/* What stands behind such a statement is no longer in it. */
static void test_allowed(void **state)
{
    (void)state;
    allow(
        BODY("float s = a;\nITEMS(i, n) s += a;\nGROUP_SUM(s);\n"
             "ITEMS(i, n) { s += a; }\nSYNC;\n"
             "if (n > 3u) return;\nfor (idx q = 0; q < n; q++) { SYNC; break; "
             "}\nif (s > a) ITEMS(i, n) s += a; else SYNC;\n"
             "ITEMS(i, n) if (i > 3) s += a; else s -= a;\nSYNC;\n"
             "ITEMS(i, n) do s += a; while (s < a);\nSYNC;\n"
             "EACH(t) UNROLL for (int j = 0; j < 2; j++) MY(p)[j] = a;\n"
             "SYNC;\nONCE ST(f32, y, 0, s);\nSYNC;\n"
             "do { SYNC; } while (s < a);\n"
             "BLOCKS(i, n) { VSTEPS(j, k, n) { if (j > 3) break; }\n"
             "  for (;;) { break; }\n"
             "  switch (n) { case 1u: { break; } default: break; } }\n"
             "SYNC;\nfloat x[2] = { a, a }; SYNC; { SYNC; }\n"
             "ITEMS(i, n) { float q[2] = { a, a }; s += q[1]; } SYNC;\n"
             "ITEMS(i, n) ; SYNC;"));
    /* names that a local variable may hide everywhere */
    allow(BODY("float step = a, mix = step, length = mix, max = length;\n"
               "ITEMS(i, n) ST(f32, y, i, step * mix + length + max);"));
    /* used, not declared: whoever writes for one target knows its words */
    allow(HEAD "#ifdef HAL_OPENCL\nFN(float) f(__local float *q)\n{\n"
               "  half *h = 0;\n  return convert_float(1) + dot(q[0], 2.0f);\n"
               "}\n#endif\nKERNEL(k, OUT(f32, y)) { }\n");
    /* text that is no C */
    allow(HEAD "KERNEL(k, OUT(f32, y)) { ) ] ( } } ITEM( ; 'x\n\"\\\n");
    allow(HEAD "KERNEL(k, OUT(f32, y)) { if ( }\nif\n");
    allow(HEAD "KERNEL(k, OUT(f32, y)) { ITEMS }\n");
}

static void test_formats(void **state)
{
    (void)state;
    refuse(BODY("ITEMS(i, n)\n  ST(f32, y, i, LD(f33, y, i));"),
           "t.k:5: f33 is no storage format; there are f32 bf16 f16 e4m3 i8 "
           "i16 i32 u8 u16 u32");
    refuse(BODY("ITEMS(i, LDBITS(T, y, 0)) { }"),
           "t.k:4: T is no storage format; ");
    refuse(BODY("VITEMS(i, k, n)\n\nVST(f64, y, i, k, vec_set(a));"),
           "t.k:6: f64 is no storage format; ");
    refuse(HEAD "FN(uint) f(uint n)\n{\nreturn LD16(i24, y, n);\n}\n"
                "KERNEL(k, OUT(f32, y)) { }\n",
           "t.k:4: i24 is no storage format; ");
}

static void test_missing_include(void **state)
{
    (void)state;
    refuse("\nKERNEL(k, OUT(f32, y))\n{\n  ONCE ST(f32, y, 0, 1.0f);\n}\n",
           "t.k:2: KERNEL is not known here: `#include \"hal_dialect.h\"` is "
           "missing before it");
    refuse("KERNEL(k, OUT(f32, y)) { }\n" HEAD, "t.k:1: KERNEL is not known");
}

static void test_names(void **state)
{
    (void)state;
    refuse(BODY("float sample = a;"),
           "t.k:4: the name 'sample' is a word of GLSL; every device compiles "
           "this source: take another name");
    refuse(BODY("float x = 1.0f,\n  input = a;"), "t.k:5: the name 'input'");
    refuse(BODY("for (idx i = 0, filter = 3; i < n; i++) ;"),
           "t.k:4: the name 'filter'");
    refuse(BODY("float x[2], half[3];"), "t.k:4: the name 'half'");
    refuse(BODY("uint global = 1u;"),
           "t.k:4: the name 'global' is a word of OpenCL C");
    refuse(BODY("float new = a;"), "t.k:4: the name 'new' is a word of CUDA");
    refuse(BODY("uint linux = 1u;"), "t.k:4: the name 'linux' is a macro of C");
    refuse(BODY("uint idx = n;"), "t.k:4: the name 'idx' is the dialect's own");
    refuse(BODY("float hal_x = a;"),
           "t.k:4: the name 'hal_x' begins with hal_");
    refuse(BODY("float gl_x = a;"), "t.k:4: the name 'gl_x' begins with gl_");
    refuse(BODY("ITEMS(input, n) ;"), "t.k:4: the name 'input'");
    refuse(BODY("ITEMS2(i, n, half, MIN(n, 2u)) ;"), "t.k:4: the name 'half'");
    refuse(BODY("VITEMS(i, local, n) ;"), "t.k:4: the name 'local'");
    refuse(HEAD "FN(float) mix(float x) { return x; }\n"
                "KERNEL(k, OUT(f32, y)) { }\n",
           "t.k:2: the name 'mix' is a function of OpenCL C");
    refuse(HEAD "FN(float) f(float x, float common) { return x; }\n"
                "KERNEL(k, OUT(f32, y)) { }\n",
           "t.k:2: the name 'common'");
    refuse(HEAD "struct s { float output; };\nKERNEL(k, OUT(f32, y)) { }\n",
           "t.k:2: the name 'output'");
    refuse(HEAD "const float f[1] = { 1.0f },\n active = 2.0f;\n"
                "KERNEL(k, OUT(f32, y)) { }\n",
           "t.k:3: the name 'active'");
    refuse(HEAD "KERNEL(k, OUT(f32, y),\n  LOCAL(float, shared, 3)) { }\n",
           "t.k:3: kernel 'k': the name 'shared' is a word of GLSL");
    refuse(HEAD "\nKERNEL(clamp, OUT(f32, y)) { }\n",
           "t.k:3: kernel 'clamp': the name 'clamp' is a function of OpenCL C");
    refuse(HEAD "\nKERNEL(k, OUT(f32, y), ARG(float, auto)) { }\n",
           "t.k:3: kernel 'k': the name 'auto' is a word of C");
    refuse(BODY("ITEMS(register, n) ;"), "t.k:4: 'register' is a word of C");
    refuse("#define NAME(x) x\n" HEAD "KERNEL(NAME(dot), OUT(f32, y)) { }\n",
           "t.k:3: kernel 'dot': the name 'dot' is a function");
}

static const struct {
    const char *word;
    int allowed;
    const char *hint;
} keywords[] = {
#define X(word, allowed, hint) { #word, allowed, hint },
#include "compiler/keywords.def"
#undef X
};
#define N_KEYWORDS (sizeof keywords / sizeof *keywords)

/* No target takes a keyword of C as a name, or one that others lack at all. */
static void test_keywords(void **state)
{
    static const char *const c11[] = {
        "auto",       "break",     "case",           "char",
        "const",      "continue",  "default",        "do",
        "double",     "else",      "enum",           "extern",
        "float",      "for",       "goto",           "if",
        "inline",     "int",       "long",           "register",
        "restrict",   "return",    "short",          "signed",
        "sizeof",     "static",    "struct",         "switch",
        "typedef",    "union",     "unsigned",       "void",
        "volatile",   "while",     "_Alignas",       "_Alignof",
        "_Atomic",    "_Bool",     "_Complex",       "_Generic",
        "_Imaginary", "_Noreturn", "_Static_assert", "_Thread_local",
        "asm",        "typeof",
    };
    char text[400], want[200];

    (void)state;
    for (size_t i = 0; i < N_KEYWORDS; i++) {
        const char *w = keywords[i].word;

        if (i && strcmp(keywords[i - 1].word, w) >= 0)
            fail_msg("%s is not behind %s", w, keywords[i - 1].word);
        assert_string_equal(words_name_fault(w, strlen(w), 0),
                            "is a word of C");
        snprintf(text, sizeof text, BODY("float x = a,\n  %s = a;"), w);
        snprintf(want, sizeof want, "t.k:5: the name '%s' is a word of C; ", w);
        refuse(text, want);
        if (keywords[i].allowed)
            continue;
        snprintf(text, sizeof text, BODY("float x = a;\n%s float z = a;"), w);
        snprintf(want, sizeof want,
                 "t.k:5: '%s' is a word of C that not all devices have; every "
                 "device compiles this source%s",
                 w, keywords[i].hint);
        refuse(text, want);
        snprintf(text, sizeof text, BODY("float x = a;\n%s;"), w);
        refuse(text, want);
        snprintf(text, sizeof text, BODY("float x = (%s)a;"), w);
        snprintf(want, sizeof want, "t.k:4: '%s' is a word of C that", w);
        refuse(text, want);
        /* where only C sees it, it is C */
        snprintf(text, sizeof text,
                 HEAD "#ifdef HAL_CPU\n%s float z;\n#endif\n"
                      "KERNEL(k, OUT(f32, y)) { }\n",
                 w);
        allow(text);
    }
    for (size_t i = 0; i < sizeof c11 / sizeof *c11; i++)
        assert_non_null(words_name_fault(c11[i], strlen(c11[i]), 0));
}

/* Each keyword that is allowed is so for every compiler there is here. */
static void test_allowed_keywords(void **state)
{
    static const char text[] =
        HEAD "FN(void) nothing(void)\n{\n    return;\n}\n"
             "KERNEL(k, OUT(f32, y), ARG(uint, n)) {\n"
             "    struct s { float u, v; } q;\n"
             "    struct { int w; } r;\n"
             "    const float c = 2.0f;\n    int i = 0;\n"
             "    q.u = 1.0f; q.v = c; r.w = 3; nothing();\n"
             "    for (idx j = 0; j < n; j++) {\n"
             "        if (j == 3) continue; else q.u += 1.0f;\n    }\n"
             "    while (i < 3) i++;\n    do { i--; } while (i > 0);\n"
             "    switch (r.w) {\n    case 3: q.v = 1.0f; break;\n"
             "    default: q.v = 0.0f; break;\n    }\n"
             "    ONCE ST(f32, y, 0, q.u + q.v);\n}\n";
    struct halbin bin = { 0 };

    (void)state;
    for (size_t i = 0; i < N_KEYWORDS; i++)
        if (keywords[i].allowed && !strstr(text, keywords[i].word))
            fail_msg("'%s' is not tried", keywords[i].word);
    if (compile(text, everything, 4, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
    halbin_close(&bin);
}

/* Words that are not C's, as types, functions and values. */
static void test_foreign_words(void **state)
{
    static const struct {
        const char *body, *want;
    } rows[] = {
        { "vec4 q = vec4(a);", "'vec4' is a word of GLSL" },
        { "float4 q;", "'float4' is a type of OpenCL C" },
        { "size_t q = n;", "'size_t' is a type of OpenCL C" },
        { "uchar q;", "'uchar' is a type of OpenCL C" },
        { "half q;", "'half' is a word of GLSL" },
        { "bool q = true;", "'bool' is a word of GLSL" },
        { "float q = true ? a : a;", "'true' is a word of GLSL" },
        { "idx q = threadIdx.x;", "'threadIdx' is a word of CUDA C++" },
        { "idx q = gl_LocalInvocationIndex;",
          "'gl_LocalInvocationIndex' is a word of GLSL" },
        { "float q = max(a, a);", "'max' is a function of OpenCL C" },
        { "float q = sqrt(a);", "'sqrt' is a function of OpenCL C" },
        { "float q = sqrtf(a);", "'sqrtf' is a function of the C library" },
        { "float q = fma(a, a, a);", "'fma' is a function of OpenCL C" },
        { "barrier();", "'barrier' is a function of GLSL" },
        { "int q = INT_MAX;", "'INT_MAX' is a word of OpenCL C" },
        { "discard;", "'discard' is a word of GLSL" },
        { "ITEMS(i, max(n, 3u)) ;", "'max' is a function of OpenCL C" },
        { "__local float q[3];", "'__local' is a word of one compiler" },
        { "__syncthreads();", "'__syncthreads' is a word of one compiler" },
        { "uint q = __builtin_clz(n);", "'__builtin_clz' is a word of one" },
        { "struct s q;", "'struct' without members" },
    };
    char text[400], want[200];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, BODY("float x = a;\n%s"), rows[i].body);
        snprintf(want, sizeof want, "t.k:5: %s", rows[i].want);
        refuse(text, want);
        /* in a part that only some read, the words are theirs */
        snprintf(text, sizeof text,
                 BODY("float x = a;\n#ifdef HAL_CUDA\n%s\n#endif"),
                 rows[i].body);
        allow(text);
    }
    /* what the source says is not for C or GLSL is not looked at as such */
    allow("#pragma hal skip cpu\n#pragma hal skip vulkan\n" BODY(
        "__local float4 q; max(a, a); unsigned u = sizeof q;"));
    allow("#if defined(HAL_CPU) || defined(HAL_GLSL)\n#error not for these\n"
          "#endif\n" BODY("unsigned u = max(n, 3u);"));
    /* in one instance only */
    refuse("#pragma hal instance N=one\n#pragma hal instance N=two BAD=1\n" HEAD
           "KERNEL(N, OUT(f32, y)) {\n#ifdef BAD\nunsigned u;\n#endif\n}\n",
           "t.k:6: 'unsigned' is a word of C");
}

/* Barriers of the targets' own, and of every macro that their headers have. */
static void test_target_barriers(void **state)
{
    static const char *const own[] = { "barrier(", "__syncthreads(", "SYNC",
                                       "hal_group_", "hal_sync(" };
    struct halbin bin = { 0 };
    int found = 0;

    (void)state;
    for (const struct hal_text_file *f = hal_dialect_files; f->name; f++)
        for (const char *p = f->text; (p = strstr(p, "#define "));) {
            const char *name = p + 8, *end = p, *at;
            size_t size = strcspn(name, "( \t\n");

            do
                end += strcspn(end, "\n") + 1;
            while (end[-1] && end[-2] == '\\');
            p = name + size;
            for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
                at = strstr(p, own[i]);
                if (!at || at >= end ||
                    (size == 12 && !memcmp(name, "HAL_GROUP_OP", 12)))
                    continue; /* that defines functions */
                found++;
                if (!rules_is_barrier(name, size))
                    fail_msg("%s: the rule does not know %.*s", f->name,
                             (int)size, name);
            }
        }
    assert_true(found >= 7);
    assert_int_equal(
        compile("#ifdef HAL_GLSL\n#define WAIT barrier()\n#else\n"
                "#define WAIT ((void)0)\n#endif\n" BODY("ITEMS(i, n) WAIT;"),
                &everything[0], 1, &bin),
        COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "t.k:9: barrier inside of ITEMS"));
    assert_int_equal(
        compile(BODY("#ifdef HAL_CUDA\nITEMS(i, n) __syncthreads();\n#endif"),
                &everything[3], 1, &bin),
        COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "t.k:5: __syncthreads inside of ITEMS"));
}

/* Each word is found (the list is sorted), and what is near is not. */
static void test_list(void **state)
{
    static const struct {
        const char *word;
        int functions_only;
    } list[] = {
#define X(word, functions_only, what) { #word, functions_only },
#include "compiler/reserved.def"
#undef X
    };
    size_t n = sizeof list / sizeof *list;

    (void)state;
    assert_true(n > 500);
    for (size_t i = 0; i < n; i++) {
        const char *w = list[i].word;
        char longer[64];

        if (i && strcmp(list[i - 1].word, w) >= 0)
            fail_msg("%s is not behind %s", w, list[i - 1].word);
        assert_non_null(words_name_fault(w, strlen(w), 1));
        assert_int_equal(!words_name_fault(w, strlen(w), 0),
                         list[i].functions_only);
        snprintf(longer, sizeof longer, "%s_", w);
        assert_null(words_name_fault(longer, strlen(longer), 1));
    }
    assert_null(words_name_fault("samp", 4, 1));
    assert_null(words_name_fault("sample_", 6 + 1, 1));
    assert_non_null(words_name_fault("sample_", 6, 1));
    assert_null(words_name_fault("hal_", 4, 1));
    assert_null(words_name_fault("", 0, 1));
}

/* Names that the dialect makes do not meet the author's. */
static void test_made_names(void **state)
{
    static const char text[] =
        HEAD "KERNEL(k, IN(bf16, x), OUT(f32, y), ARG(uint, x_off),\n"
             "       ARG(uint, x_buf)) {\n"
             "    uint y_off = x_off + x_buf;\n"
             "    ONCE ST(f32, y, y_off, LD(bf16, x, x_off)); }\n";
    struct compile_request req = { .source = text, .name = "t.k" };
    struct halbin bin = { 0 };
    char *glsl;

    (void)state;
    if (compile(text, everything, 4, &bin) != COMPILE_OK)
        fail_msg("%s", msg.text);
    halbin_close(&bin);
    assert_int_equal(compile_expand(&req, "vulkan.ssbo", 0, &glsl, &msg),
                     COMPILE_OK);
    assert_null(strstr(glsl, "[x_off"));
    assert_null(strstr(glsl, "[y_off"));
    free(glsl);
    assert_int_equal(compile_expand(&req, "opencl", 0, &glsl, &msg),
                     COMPILE_OK);
    assert_null(strstr(glsl, "ulong x_off"));
    free(glsl);
}

static void test_deep(void **state)
{
    size_t n = 3000, at;
    char *text = malloc(n * 2 + 200);
    struct halbin bin = { 0 };

    (void)state;
    assert_non_null(text);
    for (int parens = 0; parens < 2; parens++) {
        strcpy(text, HEAD "KERNEL(k, OUT(f32, y)) {\n");
        at = strlen(text);
        memset(text + at, parens ? '(' : '{', n);
        memset(text + at + n, parens ? ')' : '}', n);
        strcpy(text + at + 2 * n, "}\n");
        assert_int_equal(compile(text, &everything[1], 1, &bin), COMPILE_ERROR);
        if (strncmp(msg.text, "t.k:3: nested deeper than ", 26) != 0)
            fail_msg("%s", msg.text);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barriers),
        cmocka_unit_test(test_nested_shares),
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_missing_include),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_allowed_keywords),
        cmocka_unit_test(test_foreign_words),
        cmocka_unit_test(test_target_barriers),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_made_names),
        cmocka_unit_test(test_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
