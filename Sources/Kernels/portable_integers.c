/* portable_integers.c: products with whole numbers in plain C, and the reference for the others. */
#include <math.h>

#include "codec_i8_body.h"

static void quantize_row(const float *input, size_t inputs, size_t span, nk_word *row, int8_t *values) {
    uint32_t greatest = 0;
    for (size_t i = 0; i < inputs; i++) {
        const uint32_t magnitude = nk_bits_of(input[i]) & 0x7fffffff;
        if (magnitude > greatest) greatest = magnitude;
    }
    float inverse;
    row[0] = nk_bits_of(nk_quantization_scale(greatest, &inverse));
    memset(row + 1, 0, nk_ceiling(nk_maximum(inputs, 1), span) * sizeof(nk_word));
    memset(values, 0, nk_round_up(inputs, 64));
    if (inverse == 0) return;
    for (size_t i = 0; i < inputs; i++) {
        values[i] = (int8_t)rintf(input[i] * inverse);
        row[1 + i / span] -= 128 * (nk_word)values[i];
    }
}

static size_t row_words_i8(size_t inputs) {
    return nk_quantized_header_words(inputs, nk_i8_span) + nk_round_up(inputs, 64) / 4;
}

static void prepare_row_i8(const float *input, size_t inputs, nk_word *row) {
    quantize_row(input, inputs, nk_i8_span, row, (int8_t *)(row + nk_quantized_header_words(inputs, nk_i8_span)));
}

static void tile_i8(const nk_tile *t) {
    for (size_t row = 0; row < t->row_count; row++) {
        const nk_word *words = t->rows + row * t->row_stride;
        const int8_t *values = (const int8_t *)(words + nk_quantized_header_words(t->inputs, nk_i8_span));
        for (size_t panel = 0; panel < t->panel_count; panel++) {
            const float *scales = (const float *)(t->panels + panel * t->panel_bytes);
            const uint8_t *weights = (const uint8_t *)(scales + NK_PANEL);
            float *out = t->sums + row * t->sums_stride + panel * NK_PANEL;
            for (size_t begin = 0; begin == 0 || begin < t->inputs; begin += nk_i8_span) {
                int32_t sums[NK_PANEL] = {0};
                for (size_t i = begin; i < begin + nk_minimum(nk_i8_span, t->inputs - begin); i++)
                    for (size_t lane = 0; lane < NK_PANEL; lane++)
                        sums[lane] += (weights[i / 4 * NK_PANEL * 4 + lane * 4 + i % 4] - 128) * values[i];
                for (size_t lane = 0; lane < NK_PANEL; lane++) {
                    const float sum = (float)sums[lane] * scales[lane] * nk_float_of(words[0]);
                    out[lane] = begin ? out[lane] + sum : sum;
                }
            }
        }
    }
}

const nk_product nk_product_i8_portable = {
    .tile_rows = 8, .row_words = row_words_i8, .prepare_row = prepare_row_i8, .tile = tile_i8,
    .pack_panel = pack_panel_i8, .unpack_panel = unpack_panel_i8};
