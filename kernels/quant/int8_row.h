/* SPDX-License-Identifier: Apache-2.0 */
/* int8_row.h - 8-bit codes of a row and its scale, max|x| / 127. */
#define INT8_LARGEST 3.4028235e38f

FN(float) int8_row_scale(float largest)
{
    float s = MIN(largest, INT8_LARGEST) / 127.0f;
    /* so small that a device may flush it: as zeros */
    return s < 1.1754944e-38f ? 1.0f : s;
}

/* NaN to 0; what lies beyond `limit` to it, so that HAL_RINT can round it. */
FN(int) int8_code(float t, float limit)
{
    t = IS_NAN(t) ? 0.0f : t;
    t = MAX(-limit, MIN(t, limit));
    return INT(HAL_RINT(t));
}
