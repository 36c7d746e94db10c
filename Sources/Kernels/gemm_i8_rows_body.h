/* gemm_i8_rows_body.h: rows for products in int8: quads of bytes, or, where bytes cannot be multiplied exactly, pairs of
 * 16-bit numbers. */
#include "codec_i8_body.h"
#include "quantized_row_body.h"

typedef veci tile_sums;
typedef veci tile_word;

static size_t quad_words(size_t inputs) {
    return nk_quantized_header_words(inputs, nk_i8_span) + nk_round_up(inputs, 64) / 4;
}

static void quad_row(const float *input, size_t inputs, nk_word *row) {
    quantize_row(input, inputs, nk_i8_span, row, (int8_t *)(row + nk_quantized_header_words(inputs, nk_i8_span)));
}

/* Of the quad (q0, q1, q2, q3) the pairs (q0, q2) and (q1, q3), as those are what a word of a panel gives by shifting and
 * masking. */
static size_t wide_words(size_t inputs) { return quad_words(inputs) + nk_round_up(inputs, 64) / 4; }

static void wide_row(const float *input, size_t inputs, nk_word *row) {
    nk_word *wide = row + nk_quantized_header_words(inputs, nk_i8_span);
    const size_t quads = nk_round_up(inputs, 64) / 4;
    /* In place: the quads lie in the second half, so that writing does not overtake reading. */
    quantize_row(input, inputs, nk_i8_span, row, (int8_t *)(wide + quads));
    for (size_t i = 0; i < quads; i++) {
        const uint32_t quad = wide[quads + i];
        wide[2 * i] = nk_widened(quad) | nk_widened(quad >> 16) << 16;
        wide[2 * i + 1] = nk_widened(quad >> 8) | nk_widened(quad >> 24) << 16;
    }
}
