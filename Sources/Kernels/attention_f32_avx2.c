/* attention_f32_avx2.c: attention in float32 with AVX2. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX2, apply_to = function)
#include "vector_avx2.h"

#include "vector_math.h"

typedef vec tile_word;
VECTOR_INLINE vec tile_load(const nk_word *words) { return v_load((const float *)words); }
VECTOR_INLINE vec tile_broadcast(const nk_word *word) { return v_set(*(const float *)word); }
VECTOR_INLINE vec tile_multiply(vec x, vec words, vec sums) { return v_fma(x, words, sums); }

#include "attention_pack_body.h"
#include "attention_softmax_body.h"
#include "attention_tile_body.h"

static void softmax(NK_SOFTMAX_PARAMETERS) {
    softmax_with(whole_weights, scores, stride, rows, ranges, positions, rule, maximum, sum, kept);
}

static void pack_keys(NK_PACK_KEYS_PARAMETERS) { pack_keys_as(0, rows, stride, keys, size, (float *)panels); }

static void pack_values(NK_PACK_VALUES_PARAMETERS) {
    pack_values_as(0, rows, stride, keys, columns, (float *)panels, panel_stride);
}

void nk_attention_products_avx2(NK_PRODUCTS_PARAMETERS) {
    products_of_words(queries, query_stride, rows, panels, steps, keys, scores, score_stride);
}

void nk_attention_weigh_avx2(NK_WEIGH_PARAMETERS) {
    weigh_words(weights, weight_stride, rows, panels, panel_stride, steps, w);
}
#pragma clang attribute pop

const nk_attention_kernels nk_attention_f32_avx2 = {
    .tile_rows = attention_tile_rows, .elements_per_word = 1, .pack_keys = pack_keys, .pack_values = pack_values,
    .products = nk_attention_products_avx2, .softmax = softmax, .weigh = nk_attention_weigh_avx2};
#endif
