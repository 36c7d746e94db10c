/* attention_bf16_avx512.c: attention in bf16 on AVX-512 without an instruction for it: queries, keys, values and weights
 * are rounded, and multiplied as float32. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#include "attention_pack_body.h"
#include "attention_softmax_body.h"

static void pack_queries(NK_PACK_QUERIES_PARAMETERS) {
    for (size_t row = 0; row < count; row++)
        EACH_VECTOR(i, size, {
            const vec x = v_load_part(whole, mask, rows + row * stride + i);
            v_store_part(whole, mask, (float *)words + row * size + i, v_round_to_bf16(x));
        });
}

static void softmax(NK_SOFTMAX_PARAMETERS) {
    softmax_with(rounded_weights, scores, stride, rows, ranges, positions, rule, maximum, sum, kept);
}

static void pack_keys(NK_PACK_KEYS_PARAMETERS) { pack_keys_as(1, rows, stride, keys, size, (float *)panels); }

static void pack_values(NK_PACK_VALUES_PARAMETERS) {
    pack_values_as(1, rows, stride, keys, columns, (float *)panels, panel_stride);
}
#pragma clang attribute pop

const nk_attention_kernels nk_attention_bf16_avx512 = {
    .tile_rows = 14, .elements_per_word = 1, .pack_queries = pack_queries, .pack_keys = pack_keys,
    .pack_values = pack_values, .products = nk_attention_products_avx512, .softmax = softmax,
    .weigh = nk_attention_weigh_avx512};
#endif
