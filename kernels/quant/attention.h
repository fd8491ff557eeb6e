/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention.h - a tile of keys on a CPU, for the attention kernels.  Scores of
 * KB keys are summed together, so that each load of a query serves several;
 * while one half of the tile's work runs, the other half's memory is fetched:
 * heads lie strided in their caches, which prefetchers do not follow.
 *
 * The kernel defines KEY_T (the format of `key` and `val`), QB, TILE, DIM_MAX
 * and ROWS, and for the tile's j-th key: KEY_AT(j), VAL_AT(j), and KEY_AHEAD(j)
 * for the next tile's, where they begin; Q_AT(r), where row r's query does;
 * SEEN_FROM(r) and SEEN_TO(r), the keys that row r sees, counted from the
 * tile's first; CAPPED(f), the soft cap.
 */
#define IS_PAIRS_bf16 1

#ifdef HAL_V4
#define KB (16 / QB)
#elif QB == 1
#define KB 4
#else
#define KB 1 /* AVX2's 16 registers are full with one key of four rows */
#endif
#define KEYS(i) UNROLL for (int i = 0; i < KB; i++)

#define LINE (64 / IDX(sizeof(HAL_CAT(hal_T_, KEY_T))))
#ifndef FETCH
#define FETCH(b, at) __builtin_prefetch(b + (at), 0, 2)
#endif

#ifdef HAL_V4
#define PAIRED(name, op)                        \
    FN(hal_vf) name(hal_vf a, hal_vf b)         \
    {                                           \
        hal_vf r;                               \
        __asm__(op : "=v"(r) : "v"(a), "v"(b)); \
        return r;                               \
    }
PAIRED(low_floats, "vunpcklps %2, %1, %0")
PAIRED(high_floats, "vunpckhps %2, %1, %0")
PAIRED(low_pairs, "vunpcklpd %2, %1, %0")
PAIRED(high_pairs, "vunpckhpd %2, %1, %0")
PAIRED(even_quarters, "vshuff32x4 $0x88, %2, %1, %0")
PAIRED(odd_quarters, "vshuff32x4 $0xdd, %2, %1, %0")
/* In lane i the sum of a[i]'s lanes: a transposition by halves. */
FN(vec) sums_of(const vec a[16])
{
    hal_vf t[8], u[4], v[2];
    vec r;
    UNROLL for (int i = 0; i < 8; i++) t[i] =
        low_floats(a[2 * i].p[0], a[2 * i + 1].p[0]) +
        high_floats(a[2 * i].p[0], a[2 * i + 1].p[0]);
    UNROLL for (int i = 0; i < 4; i++) u[i] =
        low_pairs(t[2 * i], t[2 * i + 1]) + high_pairs(t[2 * i], t[2 * i + 1]);
    UNROLL for (int i = 0; i < 2; i++) v[i] =
        even_quarters(u[2 * i], u[2 * i + 1]) +
        odd_quarters(u[2 * i], u[2 * i + 1]);
    r.p[0] = even_quarters(v[0], v[1]) + odd_quarters(v[0], v[1]);
    return r;
}
/* Keys past cnt may be written as well: KB divides TILE. */
#define PUT_SCORES                                                         \
    {                                                                      \
        float f_[16];                                                      \
        hal_st16_f32(f_, sums_of(s));                                      \
        ROWS(r) __builtin_memcpy(ps + r * TILE + j0, f_ + r * KB, 4 * KB); \
    }
#else
#define PUT_SCORES \
    ROWS(r) KEYS(i) ps[r * TILE + j0 + i] = vec_sum(s[r * KB + i]);
#endif

#if defined(HAL_V4) && HAL_CAT(IS_PAIRS_, KEY_T)
/* Two products a lane; gcc's and clang's built-in functions for it differ. */
FN(hal_vf) pairs_at(const hal_T_bf16 *p)
{
    return hal_ld16_f32((const float *)(const void *)p).p[0];
}
#define DOT_PAIRS                                     \
    for (; done + 32 <= qk_dim; done += 32) {         \
        hal_vf kv[KB];                                \
        KEYS(i)                                       \
        {                                             \
            FETCH(key, ahead[i] + done);              \
            kv[i] = pairs_at(key + at[i] + done);     \
        }                                             \
        ROWS(r)                                       \
        {                                             \
            hal_vf qv = pairs_at(q + Q_AT(r) + done); \
            KEYS(i)                                   \
            __asm__("vdpbf16ps %2, %1, %0"            \
                    : "+v"(s[r * KB + i].p[0])        \
                    : "v"(kv[i]), "v"(qv));           \
        }                                             \
    }
#else
#define DOT_PAIRS
#endif

/* a, and -inf in the lanes outside [from, to). */
FN(vec) masked(vec a, idx from, idx to)
{
    if (from > 0 || to < 16) {
        hal_vf low = (hal_vf){ 0 } + FLOAT(from);
        hal_vf high = (hal_vf){ 0 } + FLOAT(to), none = (hal_vf){ 0 } - INF;
        HAL_V
        {
            hal_vf i = hal_iota(hal_i);
            a.HAL_P = hal_pick((i >= low) & (i < high), a.HAL_P, none);
        }
    }
    return a;
}

/* ps and top, of cnt keys; keys past the end repeat the last one. */
#define TILE_SCORES                                                  \
    for (idx j0 = 0; j0 < cnt; j0 += KB) {                           \
        idx at[KB], ahead[KB], done = 0;                             \
        vec s[QB * KB];                                              \
        KEYS(i)                                                      \
        {                                                            \
            idx j = MIN(j0 + i, cnt - 1);                            \
            at[i] = KEY_AT(j);                                       \
            ahead[i] = KEY_AHEAD(j);                                 \
            ROWS(r) s[r * KB + i] = vec_set(0.0f);                   \
        }                                                            \
        DOT_PAIRS                                                    \
        VSTEPS(d, k, qk_dim - done)                                  \
        {                                                            \
            vec kv[KB];                                              \
            KEYS(i)                                                  \
            {                                                        \
                FETCH(key, ahead[i] + done + d);                     \
                kv[i] = VLD(KEY_T, key, at[i] + done + d, k);        \
            }                                                        \
            ROWS(r)                                                  \
            {                                                        \
                vec qv = VLDL(qs, HERE(r) * DIM_MAX + done + d);     \
                KEYS(i)                                              \
                s[r * KB + i] = vec_fma(s[r * KB + i], qv, kv[i]);   \
            }                                                        \
        }                                                            \
        PUT_SCORES                                                   \
    }                                                                \
    ROWS(r)                                                          \
    {                                                                \
        vec best = vec_set(m[HERE(r)]);                              \
        VSTEPS(j, k, cnt)                                            \
        {                                                            \
            vec f = vec_scale(VLDL(ps, r * TILE + j), scale);        \
            f = masked(CAPPED(f), SEEN_FROM(r) - j, SEEN_TO(r) - j); \
            f = vec_fill(f, k, -INF);                                \
            VSTL(ps, r *TILE + j, f);                                \
            best = vec_max(f, best);                                 \
        }                                                            \
        top[r] = vec_hmax(best);                                     \
    }

/* Columns whose sums of all rows stay in registers. */
#ifndef HAL_V4
#define VB 1
#elif QB == 1
#define VB 8
#else
#define VB 4
#endif
#define COLUMNS(u, n) UNROLL for (int u = 0; u < n; u++)
/* Adds n vectors of k of key j's value, in the rows that `sees` it. */
#define ADD_VALUE(j, n, k, sees)                                     \
    {                                                                \
        vec vv[n];                                                   \
        COLUMNS(u, n)                                                \
        {                                                            \
            if (16 * u % LINE == 0)                                  \
                FETCH(val, VAL_AHEAD(j) + d + 16 * u);               \
            vv[u] = VLD(KEY_T, val, VAL_AT(j) + d + 16 * u, k);      \
        }                                                            \
        ROWS(r)                                                      \
        {                                                            \
            float p = ps[r * TILE + (j)];                            \
            if (sees)                                                \
                COLUMNS(u, n) a[r][u] = vec_fmas(a[r][u], vv[u], p); \
        }                                                            \
    }
#define ROW_SEES(j)    ((j) >= SEEN_FROM(r) && (j) < SEEN_TO(r))
#define SUM_AT(r, u)   (HERE(r) * DIM_MAX + d + 16 * (u))
#define LOAD_SUM(r, u) a[r][u] = vec_scale(VLDL(acc, SUM_AT(r, u)), fix[r])
#define PUT_SUM(r, u)  VSTL(acc, SUM_AT(r, u), a[r][u])
#define TILE_COLUMNS(n, k)                  \
    {                                       \
        vec a[QB][n];                       \
        ROWS(r)                             \
        {                                   \
            COLUMNS(u, n) LOAD_SUM(r, u);   \
        }                                   \
        for (idx j = 0; j < from; j++) {    \
            ADD_VALUE(j, n, k, ROW_SEES(j)) \
        }                                   \
        for (idx j = from; j < to; j++) {   \
            ADD_VALUE(j, n, k, 1)           \
        }                                   \
        for (idx j = to; j < cnt; j++) {    \
            ADD_VALUE(j, n, k, ROW_SEES(j)) \
        }                                   \
        ROWS(r)                             \
        {                                   \
            COLUMNS(u, n) PUT_SUM(r, u);    \
        }                                   \
    }
/* acc, of cnt keys; every row sees those in [from, to). */
#define TILE_VALUES                                \
    {                                              \
        idx d = 0;                                 \
        for (; d + 16 * VB <= v_dim; d += 16 * VB) \
            TILE_COLUMNS(VB, 16)                   \
        for (; d < v_dim; d += 16)                 \
            TILE_COLUMNS(1, MIN(v_dim - d, 16))    \
    }
