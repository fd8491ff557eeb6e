/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap.h - the k largest keys of a row in one pass, on a CPU: a heap of those
 * so far, the least at its root.  An entry is a key and below it its index's
 * complement, so that of equals the lowest index is the largest.
 */
#ifdef HAL_CPU
/* v, which is larger than the root, in its place */
FN(void) heap_put(hal_u64 *heap, idx n, hal_u64 v)
{
    idx at = 0;
    for (idx child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= v)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = v;
}
#define HEAPED(key, i) ((hal_u64)(key) << 32 | ~UINT(i))
#define ROOT(heap)     UINT((heap)[0] >> 32)

/* Elements that are looked at one by one only if their largest is larger than
 * the root. */
#define HEAP_PIECE 64
/* Into heap[k], all 0, from n elements; KEY_OF(i) is the i-th's key, above 0.
 */
#define HEAP_LARGEST(heap, k, n, KEY_OF)                     \
    for (idx i0 = 0; i0 < IDX(n); i0 += HEAP_PIECE) {        \
        uint piece[HEAP_PIECE], most = 0u;                   \
        idx m = MIN(IDX(n) - i0, IDX(HEAP_PIECE));           \
        MAX_ITEMS(most, j, m)                                \
        {                                                    \
            uint key = KEY_OF(i0 + j);                       \
            piece[j] = key;                                  \
            most = MAX(key, most);                           \
        }                                                    \
        for (idx j = 0; j < m && most > ROOT(heap); j++) {   \
            if (piece[j] > ROOT(heap))                       \
                heap_put(heap, k, HEAPED(piece[j], i0 + j)); \
        }                                                    \
    }
#endif
