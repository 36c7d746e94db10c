/* gemm_f32_body.h: products in float32: one fused multiply-add per input. */

typedef vec tile_sums;
typedef vec tile_word;
enum { tile_parts = 1 };

VECTOR_INLINE size_t tile_row_header(const nk_tile *t) { return 0; }
VECTOR_INLINE size_t tile_panel_header(const nk_tile *t) { return 0; }
VECTOR_INLINE size_t tile_steps(const nk_tile *t) { return t->inputs; }
VECTOR_INLINE vec tile_load(const nk_word *words) { return v_load((const float *)words); }
VECTOR_INLINE vec tile_broadcast(const nk_word *word) { return v_set(*(const float *)word); }
VECTOR_INLINE vec tile_part(const int p, vec words) { return words; }
VECTOR_INLINE vec tile_multiply(vec words, vec x, vec sums) { return v_fma(x, words, sums); }
VECTOR_INLINE vec tile_start(const nk_tile *t, const int r) { return v_set(0.0f); }
VECTOR_INLINE int tile_continues(const nk_tile *t) { return t->start_scale != NULL; }
VECTOR_INLINE vec tile_continue(const nk_tile *t, const int r, const float *c) {
    return v_mul(v_set(t->start_scale[r]), v_load(c));
}
VECTOR_INLINE vec tile_finish(const nk_tile *t, const int r, const nk_word *panel, size_t column, vec sums) {
    return sums;
}

#include "gemm_tile_body.h"

static void multiply_rows(NK_TILE_F32_PARAMETERS) {
    const nk_tile operands = {
        .rows = (const nk_word *)a, .row_stride = a_stride, .row_count = rows, .panels = (const char *)panels,
        .panel_bytes = panel_stride * sizeof(float), .panel_count = panel_count, .inputs = inputs, .sums = c,
        .sums_stride = c_stride, .start_scale = start_scale};
    multiply_tile(&operands);
}
