/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swiglu.h - g / (1 + exp(-g)) * u, the same bits in every kernel that includes
 * it: what quantises the product must see what swiglu_f32 stores.
 */
FN(vec) swiglu(vec g, vec u)
{
    vec e = vec_add(vec_set(1.0f), vec_exp(vec_scale(g, -1.0f)));
    HAL_EXACT vec y = vec_div(g, e);
    y = vec_mul(y, u);
    return y;
}
