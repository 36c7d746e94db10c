/* gemm_bf16_avx512bf16.c: products in bf16 with AVX-512 BF16: VDPBF16PS adds both products of a pair to a float32. It
 * takes subnormal numbers as 0. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512BF16, apply_to = function)
#include "vector_avx512.h"

#include "codec_bf16_body.h"

typedef vec tile_sums;
typedef __m512bh tile_word;
enum { tile_parts = 1 };

VECTOR_INLINE size_t tile_row_header(const nk_tile *t) { return 0; }
VECTOR_INLINE size_t tile_panel_header(const nk_tile *t) { return 0; }
VECTOR_INLINE size_t tile_steps(const nk_tile *t) { return nk_ceiling(t->inputs, 2); }
VECTOR_INLINE tile_word tile_load(const nk_word *words) { return (tile_word)_mm512_loadu_si512(words); }
VECTOR_INLINE tile_word tile_broadcast(const nk_word *word) { return (tile_word)_mm512_set1_epi32((int)*word); }
VECTOR_INLINE tile_word tile_part(const int p, tile_word words) { return words; }
VECTOR_INLINE vec tile_multiply(tile_word words, tile_word x, vec sums) { return _mm512_dpbf16_ps(sums, words, x); }
VECTOR_INLINE vec tile_start(const nk_tile *t, const int r) { return v_set(0.0f); }
VECTOR_INLINE int tile_continues(const nk_tile *t) { return 0; }
VECTOR_INLINE vec tile_continue(const nk_tile *t, const int r, const float *c) { return v_set(0.0f); }
VECTOR_INLINE vec tile_finish(const nk_tile *t, const int r, const nk_word *panel, size_t lane, vec sums) {
    return sums;
}

#include "gemm_tile_body.h"

static void pair_row(const float *input, size_t inputs, nk_word *row) {
    size_t i = 0;
    for (; i + 2 * VW <= inputs; i += 2 * VW)
        _mm512_storeu_si512(row + i / 2, (__m512i)_mm512_cvtne2ps_pbh(v_load(input + i + VW), v_load(input + i)));
    if (i < inputs) {
        const vec first = v_load_masked(v_first(inputs - i), input + i);
        const vec second = inputs - i > VW ? v_load_masked(v_first(inputs - i - VW), input + i + VW) : v_set(0.0f);
        const __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(second, first);
        _mm512_mask_storeu_epi32(row + i / 2, v_first(nk_ceiling(inputs - i, 2)), pairs);
    }
}
#pragma clang attribute pop

const nk_product nk_product_bf16_avx512bf16 = {
    .tile_rows = most_tile_rows, .wide_rows = wide_rows, .row_words = pair_words, .prepare_row = pair_row,
    .tile = multiply_tile, .takes_epilogue = 1, .pack_panel = pack_panel_bf16, .unpack_panel = unpack_panel_bf16};
#endif
