/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp8_sums.h - both sides e4m3: x with a scale for each row and 128 k, w with
 * one for each 128 x 128.  A block's products are summed in f32, then scaled by
 * x's and by w's and added.
 */
#define Q_XS             IN(e4m3, x), IN(f32, x_scale)
#define Q_WS             IN(e4m3, w), IN(f32, w_scale) Q_TABLES
#define Q_XLD(row, i, k) VLD(e4m3, x, (row)*IDX(depth) + (i), k)
#define Q_WLD(row, i, k) VLD(e4m3, w, Q_W(w_stride) + (row)*IDX(depth) + (i), k)

#include "quant/float_sums.h"

#define BLOCKS ((IDX(depth) + 127) / 128)
#define X_SCALE(row, k0) \
    LD(f32, x_scale, MIN(IDX(row), Q_X_ROWS - 1) * BLOCKS + (k0) / 128)
#define W_SCALE(col, k0) \
    LD(f32, w_scale,     \
       Q_W(s_stride) + MIN(IDX(col), IDX(n) - 1) / 128 * BLOCKS + (k0) / 128)

#undef Q_BLOCK
#undef Q_ADD
#define Q_BLOCK 128
#define Q_ADD(acc, part, row, col, k0) \
    vec_fmas(acc, vec_scale(part, X_SCALE(row, k0)), W_SCALE(col, k0))

#undef Q_SPLIT
#undef Q_TERM
#undef Q_MERGE
#define Q_SPLIT 128
/* Once each: SwiftShader's compiler takes all memory for 64 of them. */
#define Q_OF_COLS(col, k0) float w_scale_ = W_SCALE(col, k0);
#define Q_OF_ROW(row, k0)  float x_scale_ = X_SCALE(row, k0);
#define Q_TERM(f)          (((f)*x_scale_) * w_scale_)
#define Q_MERGE(at, v, first, row, col, k0)                 \
    {                                                       \
        v16 sum_ = v16_zero();                              \
        if (!(first))                                       \
            sum_ = LDL16(cs, at);                           \
        v = vec_scale(v, X_SCALE(row, k0));                 \
        STL16(cs, at, v16_fmas(sum_, v, W_SCALE(col, k0))); \
    }
