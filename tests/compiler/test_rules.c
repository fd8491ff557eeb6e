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
    refuse(BODY("unsigned global = 1u;"),
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
    refuse(HEAD "static const float f[1] = { 1.0f },\n active = 2.0f;\n"
                "KERNEL(k, OUT(f32, y)) { }\n",
           "t.k:3: the name 'active'");
    refuse(HEAD "KERNEL(k, OUT(f32, y),\n  LOCAL(float, shared, 3)) { }\n",
           "t.k:3: kernel 'k': the name 'shared' is a word of GLSL");
    refuse(HEAD "\nKERNEL(clamp, OUT(f32, y)) { }\n",
           "t.k:3: kernel 'clamp': the name 'clamp' is a function of OpenCL C");
    refuse("#define NAME(x) x\n" HEAD "KERNEL(NAME(dot), OUT(f32, y)) { }\n",
           "t.k:3: kernel 'dot': the name 'dot' is a function");
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
        assert_non_null(rules_name_fault(w, strlen(w), 1));
        assert_int_equal(!rules_name_fault(w, strlen(w), 0),
                         list[i].functions_only);
        snprintf(longer, sizeof longer, "%s_", w);
        assert_null(rules_name_fault(longer, strlen(longer), 1));
    }
    assert_null(rules_name_fault("samp", 4, 1));
    assert_null(rules_name_fault("sample_", 6 + 1, 1));
    assert_non_null(rules_name_fault("sample_", 6, 1));
    assert_null(rules_name_fault("hal_", 4, 1));
    assert_null(rules_name_fault("", 0, 1));
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
        cmocka_unit_test(test_barriers), cmocka_unit_test(test_nested_shares),
        cmocka_unit_test(test_allowed),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_list),     cmocka_unit_test(test_made_names),
        cmocka_unit_test(test_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
