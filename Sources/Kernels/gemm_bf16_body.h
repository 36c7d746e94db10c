/* gemm_bf16_body.h: products in bf16 without an instruction for it: both numbers of a pair are widened, and multiplied in
 * float32. Rows hold float32 that are already rounded. */
#include "codec_bf16_body.h"

typedef vec tile_sums;
typedef vec tile_word;
enum { tile_parts = 2 };

VECTOR_INLINE size_t tile_row_header(const nk_tile *t) { return 0; }
VECTOR_INLINE size_t tile_panel_header(const nk_tile *t) { return 0; }
VECTOR_INLINE size_t tile_steps(const nk_tile *t) { return nk_ceiling(t->inputs, 2); }
VECTOR_INLINE vec tile_load(const nk_word *words) { return v_load((const float *)words); }
VECTOR_INLINE vec tile_broadcast(const nk_word *word) { return v_set(*(const float *)word); }
VECTOR_INLINE vec tile_part(const int p, vec words) { return p == 0 ? v_bf16_first(words) : v_bf16_second(words); }
VECTOR_INLINE vec tile_multiply(vec words, vec x, vec sums) { return v_fma(x, words, sums); }
VECTOR_INLINE vec tile_start(const nk_tile *t, const int r) { return v_set(0.0f); }
VECTOR_INLINE int tile_continues(const nk_tile *t) { return 0; }
VECTOR_INLINE vec tile_continue(const nk_tile *t, const int r, const float *c) { return v_set(0.0f); }
VECTOR_INLINE vec tile_finish(const nk_tile *t, const int r, const nk_word *panel, size_t column, vec sums) {
    return sums;
}

#include "gemm_tile_body.h"

#define NK_PRODUCT_BF16_WIDENED                                                                                      \
    {.tile_rows = most_tile_rows, .wide_rows = wide_rows, .row_words = rounded_words, .prepare_row = round_row,      \
     .tile = multiply_tile, .takes_epilogue = 1, .pack_panel = pack_panel_bf16, .unpack_panel = unpack_panel_bf16}
