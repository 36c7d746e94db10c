/* portable_integers.c: products with whole numbers in plain C, and the reference for the others. */


#include "kernels_isa.h"

#include "codec_i8_body.h"

static void quantize_row(const float *input, size_t inputs, nk_word *row, const nk_quantized_layout *layout) {
    float least = 0, greatest = 0;
    int finite = 1;
    for (size_t i = 0; i < inputs; i++) {
        finite &= isfinite(input[i]);
        least = input[i] < least ? input[i] : least;
        greatest = input[i] > greatest ? input[i] : greatest;
    }
    const nk_quantization quantization = nk_row_quantization(least, greatest, finite, inputs);
    row[0] = nk_bits_of(quantization.scale);
    row[1] = (nk_word)quantization.zero;
    const size_t padded = nk_round_up(inputs, NK_SUM_INPUTS);
    for (size_t span = 0; span * layout->span < padded; span++) {
        const size_t begin = span * layout->span;
        int8_t *values = layout->values + span * layout->value_stride;
        int32_t sum = 0;
        for (size_t i = 0; i < nk_minimum(layout->span, padded - begin); i++) {
            const int32_t q =
                begin + i < inputs && quantization.inverse != 0 ? (int32_t)rintf(input[begin + i] * quantization.inverse) : 0;
            values[i] = (int8_t)(q + quantization.zero);
            sum += q;
        }
        layout->starts[span * layout->start_stride] = (nk_word)(-128 * (sum + layout->start_zeros * quantization.zero));
    }
}

static size_t row_words_i8(size_t inputs) { return nk_i8_row_header(inputs) + nk_round_up(inputs, NK_SUM_INPUTS) / 4; }

static void prepare_row_i8(const float *input, size_t inputs, nk_word *row) {
    const nk_quantized_layout layout = {
        .span = nk_i8_span, .starts = row + nk_i8_first_start, .start_stride = 1,
        .values = (int8_t *)(row + nk_i8_row_header(inputs)), .value_stride = nk_i8_span};
    quantize_row(input, inputs, row, &layout);
}

static void tile_i8(const nk_tile *t) {
    for (size_t row = 0; row < t->row_count; row++) {
        const nk_word *words = t->rows + row * t->row_stride;
        const int32_t zero = (int32_t)words[1];
        const int8_t *values = (const int8_t *)(words + nk_i8_row_header(t->inputs));
        for (size_t panel = 0; panel < t->panel_count; panel++) {
            const float *scales = (const float *)(t->panels + panel * t->panel_bytes);
            const uint8_t *weights = (const uint8_t *)(scales + NK_PANEL);
            float *out = t->sums + row * t->sums_stride + panel * NK_PANEL;
            for (size_t begin = 0; begin == 0 || begin < t->inputs; begin += nk_i8_span) {
                int32_t sums[NK_PANEL] = {0};
                for (size_t i = begin; i < begin + nk_minimum(nk_i8_span, t->inputs - begin); i++)
                    for (size_t lane = 0; lane < NK_PANEL; lane++)
                        sums[lane] += (weights[i / 4 * NK_PANEL * 4 + lane * 4 + i % 4] - 128) * (values[i] - zero);
                for (size_t lane = 0; lane < NK_PANEL; lane++) {
                    const float sum = (float)sums[lane] * scales[lane] * nk_float_of(words[0]);
                    out[lane] = begin ? out[lane] + sum : sum;
                }
            }
        }
    }
}

const nk_product nk_product_i8_portable = {
    .tile_rows = 8, .wide_rows = 3, .row_words = row_words_i8, .prepare_row = prepare_row_i8, .tile = tile_i8,
    .pack_panel = pack_panel_i8, .unpack_panel = unpack_panel_i8};

#include "codec_i4_body.h"

enum { group_words = nk_i4_start_words + nk_i4_group / 4 };

static size_t row_words_i4(size_t inputs) {
    return nk_i4_row_header + nk_round_up(inputs, NK_SUM_INPUTS) / nk_i4_group * group_words;
}

static void prepare_row_i4(const float *input, size_t inputs, nk_word *row) {
    nk_word *first = row + nk_i4_row_header;
    const nk_quantized_layout layout = {
        .span = nk_i4_group, .start_zeros = nk_i4_group, .starts = first, .start_stride = group_words,
        .values = (int8_t *)(first + nk_i4_start_words), .value_stride = group_words * sizeof(nk_word)};
    quantize_row(input, inputs, row, &layout);
}

static void tile_i4(const nk_tile *t) {
    const size_t inputs = nk_summed_inputs(t->inputs, t->packed_inputs);
    for (size_t row = 0; row < t->row_count; row++) {
        const nk_word *words = t->rows + row * t->row_stride;
        for (size_t panel = 0; panel < t->panel_count; panel++) {
            const uint8_t *codes = (const uint8_t *)(t->panels + panel * t->panel_bytes), *group = codes + nk_i4_header;
            float *out = t->sums + row * t->sums_stride + panel * NK_PANEL;
            for (size_t lane = 0; lane < NK_PANEL; lane++) out[lane] = 0;
            for (size_t begin = 0; begin < inputs; begin += nk_i4_group, group += nk_i4_group_bytes) {
                const size_t index = begin / nk_i4_group;
                const int8_t *values =
                    (const int8_t *)(words + nk_i4_row_header + index * group_words + nk_i4_start_words);
                int32_t sums[NK_PANEL] = {0};
                for (size_t i = 0; i < nk_i4_group; i++)
                    for (size_t lane = 0; lane < NK_PANEL; lane++) {
                        const uint8_t pair = group[nk_i4_scales + i / 4 * 64 + lane % 16 * 4 + i % 4];
                        sums[lane] += (codes[pair >> lane / 16 * 4 & 15] - 128) * values[i];
                    }
                for (size_t lane = 0; lane < NK_PANEL; lane++) {
                    const uint32_t scale = (uint32_t)(group[2 * lane] | group[2 * lane + 1] << 8) << 16;
                    out[lane] = fmaf((float)sums[lane], nk_float_of(scale), out[lane]);
                }
            }
            const float *weight_sums = (const float *)(t->weight_sums + panel * NK_SUM_BYTES);
            const float zero = (float)(int32_t)words[1];
            for (size_t lane = 0; lane < NK_PANEL && inputs > 0; lane++)
                out[lane] = fmaf(-zero, weight_sums[lane], out[lane]) * nk_float_of(words[0]);
        }
    }
}

const nk_product nk_product_i4_portable = {
    .tile_rows = 8, .wide_rows = 3, .row_words = row_words_i4, .prepare_row = prepare_row_i4, .tile = tile_i4,
    .pack_panel = pack_panel_i4, .unpack_panel = unpack_panel_i4};
