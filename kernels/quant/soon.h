/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soon.h - hints to a CPU, which foresees neither the next row while it
 * computes nor where results go while it only reads: element i of b, which may
 * lie past the end, will be read or written soon.
 */
#ifdef HAL_CPU
#define SOON_READ(b, i)    __builtin_prefetch((b) + (i), 0, 2);
#define SOON_WRITTEN(b, i) __builtin_prefetch((b) + (i), 1, 2);
#else
#define SOON_READ(b, i)
#define SOON_WRITTEN(b, i)
#endif
