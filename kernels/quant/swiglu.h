/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swiglu.h - gate / (1 + exp(-gate)) * up, the same bits in every kernel that
 * includes it: what quantises the product must see what swiglu_f32 stores.
 */
FN(vec) swiglu(vec gate, vec up)
{
    vec e = vec_add(vec_set(1.0f), vec_exp(vec_scale(gate, -1.0f)));
    HAL_EXACT vec y = vec_div(gate, e);
    y = vec_mul(y, up);
    return y;
}
