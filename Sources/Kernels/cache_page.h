/* cache_page.h: how keys and values lie in the pages of a cache.
 *
 * A page holds NK_CACHE_PAGE tokens of one layer: for each key head its keys, then its values. n = head size, N = n rounded
 * up to whole panels of 32. The bytes do not depend on the instruction set (little-endian).
 *     f32   keys   [page / 32][n][32 tokens]             values [N / 32][page][32 columns]           float32
 *     bf16  keys   [page / 32][ceil(n / 2)][32 tokens]   values [N / 32][page / 2][32 columns]       pairs of bf16: of
 *           neighbouring elements of a key, of neighbouring tokens of a value
 *     i8    keys   [page] scales, [page][n]              values the same                             symmetric, x ~ scale * q
 * Tokens that are not there yet are 0; so is the second of a pair.
 */
#ifndef NESTLING_CACHE_PAGE_H
#define NESTLING_CACHE_PAGE_H

#include "kernels_internal.h"

/* Bytes of the keys of one head of a page, before its values. */
size_t nk_cache_key_bytes(nk_cache_type type, size_t head_size);

/* The first `present` tokens of one head of a page as the words that `kernels` multiply. `rows` is room for
 * [NK_CACHE_PAGE, head_size] floats; keys and values for NK_CACHE_PAGE rows of whole panels. */
void nk_cache_unpack(const nk_attention_kernels *kernels, nk_cache_type type, const void *head,
                     size_t head_size, size_t present, float *rows, nk_word *keys, nk_word *values);

#endif
