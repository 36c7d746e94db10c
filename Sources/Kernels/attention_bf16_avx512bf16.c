/* attention_bf16_avx512bf16.c: attention in bf16 with AVX-512 BF16: words are pairs of bf16, VDPBF16PS adds both products
 * of a pair to a float32, the second first, each rounded (and takes subnormal numbers as 0). */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512BF16, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#define ATTENTION_TILE_ROWS_14
typedef __m512bh tile_word;
VECTOR_INLINE tile_word tile_load(const nk_word *words) { return (tile_word)_mm512_loadu_si512(words); }
VECTOR_INLINE tile_word tile_broadcast(const nk_word *word) { return (tile_word)_mm512_set1_epi32((int)*word); }
VECTOR_INLINE vec tile_multiply(tile_word x, tile_word words, vec sums) { return _mm512_dpbf16_ps(sums, x, words); }

#include "attention_softmax_body.h"
#include "attention_tile_body.h"

/* bf16, in the first half of the row's memory: what is written there has been read. */
VECTOR_INLINE vec paired_weights(float *row, size_t begin, size_t keys, vec shift, vec factor) {
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    uint16_t *weights = (uint16_t *)row + begin;
    vec total = v_set(0.0f);
    size_t key = 0;
    for (; key + 2 * VW <= keys; key += 2 * VW) {
        const vec low = v_mul(v_sub(v_load(row + begin + key), shift), factor);
        const vec high = v_mul(v_sub(v_load(row + begin + key + VW), shift), factor);
        const __m512bh pairs = _mm512_cvtne2ps_pbh(v_exp2_of_rounded_weight(high), v_exp2_of_rounded_weight(low));
        _mm512_storeu_si512(weights + key, (__m512i)pairs);
        total = _mm512_dpbf16_ps(total, pairs, ones);
    }
    if (key < keys) {
        const size_t left = keys - key;
        const vmask first = v_first(left), second = v_first(left > VW ? left - VW : 0);
        vec low = v_mul(v_sub(v_load_masked(first, row + begin + key), shift), factor);
        vec high = v_mul(v_sub(v_load_masked(second, row + begin + key + VW), shift), factor);
        low = v_select(first, v_exp2_of_rounded_weight(low), v_set(0.0f));
        high = v_select(second, v_exp2_of_rounded_weight(high), v_set(0.0f));
        const __m512bh pairs = _mm512_cvtne2ps_pbh(high, low);
        _mm512_mask_storeu_epi16(weights + key, (__mmask32)((1ull << left) - 1), (__m512i)pairs);
        total = _mm512_dpbf16_ps(total, pairs, ones);
    }
    return total;
}

static void softmax(NK_SOFTMAX_PARAMETERS) {
    softmax_with(paired_weights, scores, stride, rows, ranges, positions, rule, maximum, sum, kept);
}

/* 32 elements as 16 pairs; those from `left` on are 0. */
VECTOR_INLINE __m512i pairs_at(const float *row, size_t left) {
    const vec low = v_load_masked(v_first(left), row);
    const vec high = left > VW ? v_load_masked(v_first(left - VW), row + VW) : v_set(0.0f);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void pack_queries(NK_PACK_QUERIES_PARAMETERS) {
    const size_t steps = (size + 1) / 2;
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < size; i += 2 * VW)
            _mm512_mask_storeu_epi32(words + row * steps + i / 2, v_first(steps - i / 2),
                                     pairs_at(rows + row * stride + i, size - i));
}

static void pack_keys(NK_PACK_KEYS_PARAMETERS) {
    const size_t steps = (size + 1) / 2;
    for (size_t first = 0; first < keys; first += VW) {
        nk_word *panel = panels + first / NK_PANEL * NK_PANEL * steps + first % NK_PANEL;
        for (size_t element = 0; element < size; element += 2 * VW) {
            vec block[VW];
#pragma clang loop unroll(full)
            for (int r = 0; r < VW; r++) {
                const float *row = rows + (first + (size_t)r) * stride + element;
                block[r] = first + (size_t)r >= keys ? v_set(0.0f) : (vec)pairs_at(row, size - element);
            }
            v_transpose(block);
            nk_word *target = panel + element / 2 * NK_PANEL;
            if (steps - element / 2 >= VW) {
#pragma clang loop unroll(full)
                for (int i = 0; i < VW; i++) v_store((float *)(target + i * NK_PANEL), block[i]);
            } else {
                for (size_t i = 0; i < steps - element / 2; i++) v_store((float *)(target + i * NK_PANEL), block[i]);
            }
        }
    }
}

/* A pair is the same column of two neighbouring keys. */
static void pack_values(NK_PACK_VALUES_PARAMETERS) {
    const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                                21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (size_t column = 0; column < nk_round_up(columns, NK_PANEL); column += VW) {
        const vmask mask = v_first(column < columns ? columns - column : 0);
        nk_word *target = panels + column / NK_PANEL * panel_stride + column % NK_PANEL;
        for (size_t key = 0; key < keys; key += 2, target += NK_PANEL) {
            const float *row = rows + key * stride + column;
            const vec first = v_load_masked(mask, row);
            const vec second = key + 1 < keys ? v_load_masked(mask, row + stride) : v_set(0.0f);
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
            _mm512_storeu_si512(target, _mm512_permutexvar_epi16(interleave, both));
        }
    }
}

static void products(NK_PRODUCTS_PARAMETERS) {
    products_of_words(queries, query_stride, rows, panels, steps, keys, scores, score_stride);
}

static void weigh(NK_WEIGH_PARAMETERS) {
    weigh_words(weights, weight_stride, rows, panels, panel_stride, steps, w);
}
#pragma clang attribute pop

const nk_attention_kernels nk_attention_bf16_avx512bf16 = {
    .tile_rows = attention_tile_rows, .elements_per_word = 2, .pack_queries = pack_queries, .pack_keys = pack_keys,
    .pack_values = pack_values, .products = products, .softmax = softmax, .weigh = weigh};
#endif
