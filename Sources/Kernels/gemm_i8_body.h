/* gemm_i8_body.h: products in int8. Whole numbers are summed exactly: sums that pass through 2^31 on the way come back, as
 * long as the result fits, which nk_i8_span sees to.
 *
 * The file that includes this one defines tile_parts, tile_part and tile_multiply. */

VECTOR_INLINE size_t tile_row_header(const nk_tile *t) {
    return nk_i8_row_header(t->inputs) + t->span * (nk_i8_span / 4 * tile_parts);
}
VECTOR_INLINE size_t tile_panel_header(const nk_tile *t) { return NK_PANEL + t->span * (nk_i8_span / 4 * NK_PANEL); }
VECTOR_INLINE size_t tile_steps(const nk_tile *t) {
    return nk_ceiling(nk_minimum(nk_summed_inputs(t->inputs, t->packed_inputs) - t->span * nk_i8_span, nk_i8_span), 4);
}
VECTOR_INLINE veci tile_load(const nk_word *words) { return vi_load((const int32_t *)words); }
VECTOR_INLINE veci tile_broadcast(const nk_word *word) { return vi_set((int32_t)*word); }
VECTOR_INLINE veci tile_start(const nk_tile *t, const int r) {
    return vi_set((int32_t)t->rows[(size_t)r * t->row_stride + nk_i8_first_start + t->span]);
}
VECTOR_INLINE int tile_continues(const nk_tile *t) { return 0; }
VECTOR_INLINE veci tile_continue(const nk_tile *t, const int r, const float *c) { return vi_set(0); }
VECTOR_INLINE vec tile_finish(const nk_tile *t, const int r, const nk_word *panel, size_t column, veci sums) {
    const nk_word *row = t->rows + (size_t)r * t->row_stride;
    const veci of_zero = vi_mul(vi_set((int32_t)row[1]), vi_load((const int32_t *)t->weight_sums + column));
    const vec scale = v_load((const float *)panel + column % NK_PANEL);
    return v_mul(v_mul(vi_to_float(vi_sub(sums, of_zero)), scale), v_set(nk_float_of(row[0])));
}

#include "gemm_tile_body.h"

static void multiply_spans(const nk_tile *operands) {
    multiply_tile(operands);
    for (size_t span = 1; span * nk_i8_span < operands->inputs; span++) {
        float sums[most_tile_rows * NK_PANEL];
        for (size_t panel = 0; panel < operands->panel_count; panel++) {
            nk_tile t = *operands;
            t.span = span;
            t.panels += panel * t.panel_bytes;
            t.weight_sums += panel * NK_SUM_BYTES;
            t.panel_count = 1;
            t.sums = sums;
            t.sums_stride = NK_PANEL;
            multiply_tile(&t);
            for (size_t row = 0; row < t.row_count; row++)
                for (size_t lane = 0; lane < NK_PANEL; lane++)
                    operands->sums[row * operands->sums_stride + panel * NK_PANEL + lane] += sums[row * NK_PANEL + lane];
        }
    }
}

#define NK_PRODUCT_I8(words, prepare)                                                                                \
    {.tile_rows = most_tile_rows, .wide_rows = wide_rows, .row_words = words, .prepare_row = prepare,                \
     .tile = multiply_spans, .takes_epilogue = 1, .pack_panel = pack_panel_i8, .unpack_panel = unpack_panel_i8}
