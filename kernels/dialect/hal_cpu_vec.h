/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_cpu_vec.h - vec and v16 of hal_cpu.h, which includes it: arithmetic, and
 * sixteen elements of each format from and to memory, or fewer.
 */
#define HAL_V UNROLL for (int hal_i = 0; hal_i < HAL_PARTS; hal_i++)
#define HAL_P p[hal_i]

FN(hal_vf) hal_pick(hal_vi mask, hal_vf a, hal_vf b)
{
    return (hal_vf)((mask & (hal_vi)a) | (~mask & (hal_vi)b));
}
#define HAL_VEC2(name, expr)                 \
    FN(v16) name(v16 a, v16 b)               \
    {                                        \
        v16 r;                               \
        HAL_V                                \
        {                                    \
            hal_vf x = a.HAL_P, y = b.HAL_P; \
            r.HAL_P = expr;                  \
        }                                    \
        return r;                            \
    }
HAL_VEC2(vec_add, x + y)
HAL_VEC2(vec_sub, x - y)
HAL_VEC2(vec_mul, x *y)
HAL_VEC2(vec_div, x / y)
/* One instruction, which gcc 12 does not find in hal_pick(x > y, x, y): y where
 * either is a NaN. */
#if defined(HAL_V4) || defined(HAL_V3)
#ifdef HAL_V4
#define HAL_REG "v"
#else
#define HAL_REG "x"
#endif
#define HAL_VEC_ASM(name, op)                                                \
    FN(hal_vf) name(hal_vf x, hal_vf y)                                      \
    {                                                                        \
        hal_vf r;                                                            \
        __asm__(op " %2, %1, %0" : "=" HAL_REG(r) : HAL_REG(x), HAL_REG(y)); \
        return r;                                                            \
    }
HAL_VEC_ASM(hal_vmax, "vmaxps")
HAL_VEC_ASM(hal_vmin, "vminps")
#else
#define hal_vmax(x, y) hal_pick((x) > (y), x, y)
#define hal_vmin(x, y) hal_pick((x) < (y), x, y)
#endif
HAL_VEC2(vec_max, hal_vmax(x, y))
HAL_VEC2(vec_min, hal_vmin(x, y))
FN(v16) v16_zero(void)
{
    v16 r;
    HAL_V r.HAL_P = (hal_vf){ 0 };
    return r;
}
FN(v16) v16_set(float f)
{
    v16 r;
    HAL_V r.HAL_P = (hal_vf){ 0 } + f;
    return r;
}
FN(v16) v16_fma(v16 a, v16 x, v16 y)
{
    HAL_V a.HAL_P += x.HAL_P * y.HAL_P;
    return a;
}
FN(v16) v16_fmas(v16 a, v16 x, float f)
{
    HAL_V a.HAL_P += x.HAL_P * f;
    return a;
}
FN(v16) vec_scale(v16 a, float f)
{
    HAL_V a.HAL_P *= f;
    return a;
}
FN(v16) vec_abs(v16 a)
{
    HAL_V a.HAL_P = (hal_vf)((hal_vu)a.HAL_P & 0x7fffffffu);
    return a;
}
FN(hal_vf) hal_iota(int part)
{
    hal_vf r = { 0 };
    UNROLL for (int j = 0; j < HAL_W; j++) r[j] = (float)(part * HAL_W + j);
    return r;
}
FN(v16) vec_fill(v16 a, idx k, float f)
{
    if (k < 16) {
        hal_vf kv = (hal_vf){ 0 } + (float)k, fv = (hal_vf){ 0 } + f;
        HAL_V a.HAL_P = hal_pick(hal_iota(hal_i) < kv, a.HAL_P, fv);
    }
    return a;
}
FN(float) v16_sum(v16 v)
{
    hal_vf t = v.p[0];
    for (int i = 1; i < HAL_PARTS; i++)
        t += v.p[i];
    float s[4] = { 0 };
    UNROLL for (int i = 0; i < HAL_W; i += 4) UNROLL for (int j = 0; j < 4; j++)
        s[j] += t[i + j];
    return (s[0] + s[1]) + (s[2] + s[3]);
}
#define v16_get(v, j) ((v).p[(j) / HAL_W][(j) % HAL_W])
FN(float) vec_hmax(v16 v)
{
    float m = v.p[0][0];
    UNROLL for (int i = 0; i < HAL_PARTS; i++)
        UNROLL for (int j = 0; j < HAL_W; j++) m = MAX(v.p[i][j], m);
    return m;
}
FN(hal_vf) hal_vexp(hal_vf x)
{
    hal_vf lo = (hal_vf){ 0 } - 105.0f, hi = (hal_vf){ 0 } + 89.0f;
    /* a NaN stays and makes p a NaN */
    hal_vf t = hal_vmin(hi, hal_vmax(lo, x));
    hal_vf s = t * 1.44269504f + 12582912.0f, k = s - 12582912.0f;
    hal_vf r = t - k * 0.693145752f;
    r = r - k * 1.42860677e-6f;
    hal_vf p = (hal_vf){ 0 } + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
#ifdef HAL_V4
    __asm__("vscalefps %1, %0, %0" : "+v"(p) : "v"(k));
    return p;
#else
    hal_vi n = (hal_vi)s - 0x4b400000, h = n >> 1;
    p *= (hal_vf)((hal_vu)(h + 127) << 23);
    return p * (hal_vf)((hal_vu)(n - h + 127) << 23);
#endif
}
FN(v16) vec_exp(v16 a)
{
    HAL_V a.HAL_P = hal_vexp(a.HAL_P);
    return a;
}
/* Lists that both compilers know as one shuffle: the even or odd elements of x
 * and then y, and x and y in turns from an element on. */
#define HAL_4(f, j) f(j), f(j + 1), f(j + 2), f(j + 3)
#if HAL_W == 16
#define HAL_LIST(f)                                         \
    {                                                       \
        HAL_4(f, 0), HAL_4(f, 4), HAL_4(f, 8), HAL_4(f, 12) \
    }
#elif HAL_W == 8
#define HAL_LIST(f)              \
    {                            \
        HAL_4(f, 0), HAL_4(f, 4) \
    }
#else
#define HAL_LIST(f) \
    {               \
        HAL_4(f, 0) \
    }
#endif
#define HAL_EVEN(j) ((j) < HAL_W / 2 ? x[2 * (j) % HAL_W] : y[2 * (j) % HAL_W])
#define HAL_ODD(j) \
    ((j) < HAL_W / 2 ? x[(2 * (j) + 1) % HAL_W] : y[(2 * (j) + 1) % HAL_W])
#define HAL_LOW(j)  ((j) % 2 ? y[(j) / 2] : x[(j) / 2])
#define HAL_HIGH(j) ((j) % 2 ? y[(j) / 2 + HAL_W / 2] : x[(j) / 2 + HAL_W / 2])
/* Part i of a and then b. */
#define HAL_OF(a, b, i) \
    ((i) < HAL_PARTS ? a.p[(i) % HAL_PARTS] : b.p[(i) % HAL_PARTS])
#define HAL_DEAL(name, list)                        \
    FN(v16) name(v16 a, v16 b)                      \
    {                                               \
        v16 r;                                      \
        HAL_V                                       \
        {                                           \
            hal_vf x = HAL_OF(a, b, 2 * hal_i);     \
            hal_vf y = HAL_OF(a, b, 2 * hal_i + 1); \
            r.HAL_P = (hal_vf)HAL_LIST(list);       \
        }                                           \
        return r;                                   \
    }
HAL_DEAL(hal_even, HAL_EVEN)
HAL_DEAL(hal_odd, HAL_ODD)
#define HAL_ZIP(name, first)                                             \
    FN(v16) name(v16 a, v16 b)                                           \
    {                                                                    \
        v16 r;                                                           \
        HAL_V                                                            \
        {                                                                \
            hal_vf x = a.p[((first) + hal_i) / 2];                       \
            hal_vf y = b.p[((first) + hal_i) / 2];                       \
            r.HAL_P = ((first) + hal_i) % 2 ? (hal_vf)HAL_LIST(HAL_HIGH) \
                                            : (hal_vf)HAL_LIST(HAL_LOW); \
        }                                                                \
        return r;                                                        \
    }
HAL_ZIP(hal_zip_low, 0)
HAL_ZIP(hal_zip_high, HAL_PARTS)
#define v16_add(a, b)     vec_add(a, b)
#define vec_set(f)        v16_set(f)
#define vec_fma(a, x, y)  v16_fma(a, x, y)
#define vec_fmas(a, x, f) v16_fmas(a, x, f)
#define vec_sum(a)        v16_sum(a)

/* Sixteen elements in memory, at any alignment. */
FN(v16) hal_ld16_f32(const float *p)
{
    v16 r;
    HAL_V r.HAL_P = *(const hal_vf_any *)(p + hal_i * HAL_W);
    return r;
}
FN(void) hal_st16_f32(float *p, v16 v)
{
    HAL_V *(hal_vf_any *)(p + hal_i * HAL_W) = v.HAL_P;
}
FN(v16) hal_ld16_bf16(const unsigned short *p)
{
    v16 r;
    HAL_V
    {
        hal_vu u;
        /* gcc 12 makes six instructions of the conversion of 16 lanes */
#if defined(HAL_V4)
        __asm__("vpmovzxwd %1, %0"
                : "=v"(u)
                : "m"(*(const hal_vh *)(p + hal_i * HAL_W)));
#else
        u = __builtin_convertvector(*(const hal_vh *)(p + hal_i * HAL_W),
                                    hal_vu);
#endif
        r.HAL_P = (hal_vf)(u << 16);
    }
    return r;
}
FN(void) hal_st16_bf16(unsigned short *p, v16 v)
{
#ifdef HAL_V4
    /* vcvtneps2bf16 is right but for subnormals, which it makes zeros. */
    unsigned short tiny;
    __asm__("vfpclassps $0x20, %1, %0" : "=Yk"(tiny) : "v"(v.p[0]));
    if (__builtin_expect(tiny == 0, 1)) {
        hal_vh h;
        __asm__("vcvtneps2bf16 %1, %0" : "=v"(h) : "v"(v.p[0]));
        *(hal_vh *)p = h;
        return;
    }
#endif
    HAL_V
    {
        hal_vu u = (hal_vu)v.HAL_P;
        hal_vu q = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
        hal_vu nan = (hal_vu)((hal_vi)(u & 0x7fffffffu) > 0x7f800000);
        q = (nan & ((u >> 16) | 64u)) | (~nan & q);
        *(hal_vh *)(p + hal_i * HAL_W) = __builtin_convertvector(q, hal_vh);
    }
}
FN(v16) hal_ld16_f16(const unsigned short *p)
{
    v16 r;
    HAL_V
    {
        hal_vh h = *(const hal_vh *)(p + hal_i * HAL_W);
#if defined(HAL_V4)
        __asm__("vcvtph2ps %1, %0" : "=v"(r.HAL_P) : "v"(h));
#elif defined(HAL_V3)
        __asm__("vcvtph2ps %1, %0" : "=x"(r.HAL_P) : "x"(h));
#else
        hal_vu u = __builtin_convertvector(h, hal_vu), em = u & 0x7fffu;
        hal_vu tiny = (hal_vu)(em < 0x400u), huge = (hal_vu)(em >= 0x7c00u);
        hal_vf s = __builtin_convertvector((hal_vi)em, hal_vf) *
                   5.9604644775390625e-8f;
        hal_vu q = (tiny & (hal_vu)s) | (~tiny & ((em << 13) + 0x38000000u));
        q += huge & 0x38000000u;
        r.HAL_P = (hal_vf)(q | (u & 0x8000u) << 16);
#endif
    }
    return r;
}
FN(void) hal_st16_f16(unsigned short *p, v16 v)
{
#if defined(HAL_V3) || defined(HAL_V4)
    HAL_V
    {
        hal_vh h;
#if defined(HAL_V4)
        __asm__("vcvtps2ph $0, %1, %0" : "=v"(h) : "v"(v.HAL_P));
#else
        __asm__("vcvtps2ph $0, %1, %0" : "=x"(h) : "x"(v.HAL_P));
#endif
        *(hal_vh *)(p + hal_i * HAL_W) = h;
    }
#else
    float t[16];
    hal_st16_f32(t, v);
    for (int i = 0; i < 16; i++)
        p[i] = (unsigned short)hal_f16_round(as_uint(t[i]));
#endif
}
/* gcc 12 makes many instructions of the widening of 16 bytes. */
#if defined(HAL_V4)
#define HAL_WIDEN(op, to, from) __asm__(op " %1, %0" : "=v"(to) : "m"(from))
#define HAL_WIDEN_i8(to, from)  HAL_WIDEN("vpmovsxbd", to, from)
#define HAL_WIDEN_u8(to, from)  HAL_WIDEN("vpmovzxbd", to, from)
#else
#define HAL_WIDEN_i8(to, from) to = __builtin_convertvector(from, hal_vi)
#define HAL_WIDEN_u8(to, from) to = __builtin_convertvector(from, hal_vu)
#endif
FN(v16) hal_ld16_i8(const signed char *p)
{
    v16 r;
    HAL_V
    {
        hal_vi i;
        HAL_WIDEN_i8(i, *(const hal_vb *)(p + hal_i * HAL_W));
        r.HAL_P = __builtin_convertvector(i, hal_vf);
    }
    return r;
}
FN(v16) hal_bits16_u8(const unsigned char *p, uint s, uint m)
{
    v16 r;
    HAL_V
    {
        hal_vu u;
        HAL_WIDEN_u8(u, *(const hal_vub *)(p + hal_i * HAL_W));
        r.HAL_P = __builtin_convertvector((hal_vi)((u >> s) & m), hal_vf);
    }
    return r;
}
FN(v16) hal_bits16_u32(const uint *p, uint s, uint m)
{
    v16 r;
    HAL_V
    {
        hal_vu u = *(const hal_vu_any *)(p + hal_i * HAL_W);
        r.HAL_P = __builtin_convertvector((hal_vi)((u >> s) & m), hal_vf);
    }
    return r;
}
FN(v16) hal_ld16_e4m3(const unsigned char *p)
{
    v16 r;
#if defined(HAL_V4)
    /* As the f16 of the same bits, which is 2^-8 of it: subnormals come out
     * right; 480 must be a NaN. */
    typedef short hal_vs __attribute__((vector_size(32)));
    hal_vb c = *(const hal_vb *)p, top = (c & 127) == 127;
    hal_vs h;
    hal_vi nan;
    HAL_WIDEN("vpmovsxbw", h, *(const hal_vb *)p);
    h = (h << 7) & (short)0xbf80;
    __asm__("vcvtph2ps %1, %0" : "=v"(r.p[0]) : "v"(h));
    __asm__("vpmovsxbd %1, %0" : "=v"(nan) : "v"(top));
    r.p[0] = (hal_vf)((hal_vi)(r.p[0] * 256.0f) | nan);
#else
    HAL_V
    {
        hal_vu u, m;
        HAL_WIDEN_u8(u, *(const hal_vub *)(p + hal_i * HAL_W));
        m = u & 127u;
        hal_vu tiny = (hal_vu)(m < 8u), nan = (hal_vu)(m == 127u);
        hal_vf s = __builtin_convertvector((hal_vi)m, hal_vf) * 0.001953125f;
        hal_vu q = (tiny & (hal_vu)s) | (~tiny & ((m << 20) + 0x3c000000u));
        q = (nan & 0x7fc00000u) | (~nan & q);
        r.HAL_P = (hal_vf)(q | (u & 128u) << 24);
    }
#endif
    return r;
}

/* k elements: through a copy, so that nothing past them is touched.  No call
 * where masks do it: it would cost the loop around it its registers. */
#ifdef HAL_V4
typedef char hal_v64 __attribute__((vector_size(64), aligned(1), may_alias));
FN(unsigned long long) hal_first(idx bytes)
{
    return (1ull << bytes) - 1;
}
FN(void) hal_some_in(void *to, const void *from, idx bytes)
{
    hal_v64 v;
    __asm__("vmovdqu8 %1, %0%{%2%}%{z%}"
            : "=v"(v)
            : "m"(*(const hal_v64 *)from), "Yk"(hal_first(bytes)));
    *(hal_v64 *)to = v;
}
FN(void) hal_some_out(void *to, const void *from, idx bytes)
{
    hal_v64 v = *(const hal_v64 *)from;
    __asm__("vmovdqu8 %1, %0%{%2%}"
            : "+m"(*(hal_v64 *)to)
            : "v"(v), "Yk"(hal_first(bytes)));
}
#define HAL_PART(T)              FN(T)
#define HAL_SOME_IN(to, from, k) hal_some_in(to, from, (k) * (idx)sizeof *(to))
#define HAL_SOME_OUT(to, from, k) \
    hal_some_out(to, from, (k) * (idx)sizeof *(to))
#else
#define HAL_PART(T) static __attribute__((noinline, unused)) T
#define HAL_SOME_IN(to, from, k)                    \
    {                                               \
        __builtin_memset(to, 0, 16 * sizeof *(to)); \
        HAL_SOME_OUT(to, from, k)                   \
    }
#define HAL_SOME_OUT(to, from, k)    \
    for (idx i_ = 0; i_ < (k); i_++) \
        (to)[i_] = (from)[i_];
#endif
#define HAL_PARTIAL(T)                                            \
    HAL_PART(v16) hal_part_ld_##T(const hal_T_##T *p, idx k)      \
    {                                                             \
        hal_T_##T t[64 / sizeof(hal_T_##T)];                      \
        HAL_SOME_IN(t, p, k);                                     \
        return hal_ld16_##T(t);                                   \
    }                                                             \
    HAL_PART(void) hal_part_st_##T(hal_T_##T *p, idx k, v16 v)    \
    {                                                             \
        hal_T_##T t[64 / sizeof(hal_T_##T)];                      \
        hal_st16_##T(t, v);                                       \
        HAL_SOME_OUT(p, t, k);                                    \
    }                                                             \
    FN(v16) hal_vld_##T(const hal_T_##T *p, idx k)                \
    {                                                             \
        return k == 16 ? hal_ld16_##T(p) : hal_part_ld_##T(p, k); \
    }                                                             \
    FN(void) hal_vst_##T(hal_T_##T *p, idx k, v16 v)              \
    {                                                             \
        if (k == 16)                                              \
            hal_st16_##T(p, v);                                   \
        else                                                      \
            hal_part_st_##T(p, k, v);                             \
    }
HAL_PARTIAL(f32)
HAL_PARTIAL(bf16)
HAL_PARTIAL(f16)
#define HAL_PARTIAL_LD(name, load, T, PARAMS, ARGS)                 \
    HAL_PART(v16) hal_part_##name(const hal_T_##T *p, idx k PARAMS) \
    {                                                               \
        hal_T_##T t[64 / sizeof(hal_T_##T)];                        \
        HAL_SOME_IN(t, p, k);                                       \
        return load(t ARGS);                                        \
    }                                                               \
    FN(v16) hal_##name(const hal_T_##T *p, idx k PARAMS)            \
    {                                                               \
        return k == 16 ? load(p ARGS) : hal_part_##name(p, k ARGS); \
    }
#define HAL_SM_PARAMS , uint s, uint m
#define HAL_SM        , s, m
HAL_PARTIAL_LD(vld_i8, hal_ld16_i8, i8, , )
HAL_PARTIAL_LD(vld_e4m3, hal_ld16_e4m3, e4m3, , )
HAL_PARTIAL_LD(bits_u8, hal_bits16_u8, u8, HAL_SM_PARAMS, HAL_SM)
HAL_PARTIAL_LD(bits_u32, hal_bits16_u32, u32, HAL_SM_PARAMS, HAL_SM)
#define HAL_VLD_i8(b, i, k)         hal_vld_i8((b) + (i), k)
#define HAL_VLD_e4m3(b, i, k)       hal_vld_e4m3((b) + (i), k)
#define HAL_BITS_u8(b, i, k, s, m)  hal_bits_u8((b) + (i), k, s, m)
#define HAL_BITS_u32(b, i, k, s, m) hal_bits_u32((b) + (i), k, s, m)
#define HAL_VLD_f32(b, i, k)        hal_vld_f32((b) + (i), k)
#define HAL_VLD_bf16(b, i, k)       hal_vld_bf16((b) + (i), k)
#define HAL_VLD_f16(b, i, k)        hal_vld_f16((b) + (i), k)
#define HAL_VST_f32(b, i, k, v)     hal_vst_f32((b) + (i), k, v)
#define HAL_VST_bf16(b, i, k, v)    hal_vst_bf16((b) + (i), k, v)
#define HAL_VST_f16(b, i, k, v)     hal_vst_f16((b) + (i), k, v)
#define HAL_LD16_f32(b, j)          hal_ld16_f32((b) + 16 * (idx)(j))
#define HAL_LD16_bf16(b, j)         hal_ld16_bf16((b) + 16 * (idx)(j))
#define HAL_LD16_f16(b, j)          hal_ld16_f16((b) + 16 * (idx)(j))
#define HAL_LD16_i8(b, j)           hal_ld16_i8((b) + 16 * (idx)(j))
#define HAL_LD16_e4m3(b, j)         hal_ld16_e4m3((b) + 16 * (idx)(j))
#define HAL_ST16_f32(b, j, v)       hal_st16_f32((b) + 16 * (idx)(j), v)
#define HAL_ST16_bf16(b, j, v)      hal_st16_bf16((b) + 16 * (idx)(j), v)
#define HAL_ST16_f16(b, j, v)       hal_st16_f16((b) + 16 * (idx)(j), v)
#define LDL16(m, i)                 hal_ld16_f32((m) + (i))
#define STL16(m, i, v)              hal_st16_f32((m) + (i), v)
#define VLDL(m, i)                  hal_ld16_f32((m) + (i))
#define VSTL(m, i, v)               hal_st16_f32((m) + (i), v)
