/* gemm_i8_rows_body.h: rows for products in int8: quads of bytes, or, where bytes cannot be multiplied exactly, pairs of
 * 16-bit numbers. */
#include "codec_i8_body.h"
#include "quantized_row_body.h"

typedef veci tile_sums;
typedef veci tile_word;

/* Where the quads of a row are: `skipped` words after the header. */
VECTOR_INLINE void quantize_quads(const float *input, size_t inputs, nk_word *row, size_t skipped) {
    const nk_quantized_layout layout = {
        .span = nk_i8_span, .starts = row + nk_i8_first_start, .start_stride = 1,
        .values = (int8_t *)(row + nk_i8_row_header(inputs) + skipped), .value_stride = nk_i8_span};
    row[nk_i8_first_start] = 0; /* of a row without inputs */
    quantize_row(input, inputs, row, &layout);
}

static size_t quad_words(size_t inputs) { return nk_i8_row_header(inputs) + nk_round_up(inputs, NK_SUM_INPUTS) / 4; }

static void quad_row(const float *input, size_t inputs, nk_word *row) { quantize_quads(input, inputs, row, 0); }

static size_t wide_words(size_t inputs) { return quad_words(inputs) + nk_round_up(inputs, NK_SUM_INPUTS) / 4; }

static void wide_row(const float *input, size_t inputs, nk_word *row) {
    const size_t quads = nk_round_up(inputs, NK_SUM_INPUTS) / 4;
    quantize_quads(input, inputs, row, quads);
    nk_widen_quads(row + nk_i8_row_header(inputs), quads);
}
