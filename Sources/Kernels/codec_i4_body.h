/* codec_i4_body.h: panels in int4, in plain C that the compiler turns into vectors.
 *
 * Weights are s * codes[index], with a scale s for each output and group of 32 inputs. A panel chooses one of two tables of
 * 16 codes, whichever gives a sample of it the smaller squared error, and holds it, so that products need not know which:
 * evenly spaced ones, which give back weights that were trained in four bits, and ones fitted to what other weights look
 * like (Lloyd's algorithm on normally distributed groups of 32 together with the search for s below: root mean square
 * error 7.3% of the weights' against 8.1% with evenly spaced codes). Both have an exact 0.
 */
#include "codec_bf16_rounding.h"
#include "codec_i4.h"

static const int8_t code_tables[2][16] = {
    {-127, -99, -78, -61, -47, -34, -22, -11, 0, 12, 23, 36, 49, 64, 82, 105},
    {-128, -112, -96, -80, -64, -48, -32, -16, 0, 16, 32, 48, 64, 80, 96, 112},
};

typedef struct {
    float weights[nk_i4_group][NK_PANEL];
    float greatest[NK_PANEL]; /* the weight of greatest magnitude, with its sign */
    float scales[NK_PANEL], errors[NK_PANEL];
} nk_i4_block;

static void load_block(const float *columns, size_t begin, size_t inputs, nk_i4_block *block) {
    memset(block->weights, 0, sizeof block->weights);
    memcpy(block->weights, columns + begin * NK_PANEL,
           nk_minimum(nk_i4_group, inputs - begin) * NK_PANEL * sizeof(float));
    uint32_t greatest[NK_PANEL] = {0}, signs[NK_PANEL] = {0};
    for (int i = 0; i < nk_i4_group; i++)
        for (int lane = 0; lane < NK_PANEL; lane++) {
            const uint32_t bits = nk_bits_of(block->weights[i][lane]), magnitude = bits & 0x7fffffff;
            signs[lane] = magnitude > greatest[lane] ? bits & 0x80000000 : signs[lane];
            greatest[lane] = magnitude > greatest[lane] ? magnitude : greatest[lane];
        }
    for (int lane = 0; lane < NK_PANEL; lane++) {
        block->greatest[lane] = nk_float_of(greatest[lane] | signs[lane]);
        /* Weights that are no numbers, or next to nothing, have no codes. */
        const int usable = greatest[lane] < 0x7f800000 && nk_float_of(greatest[lane]) >= 0x1p-100f;
        if (!usable)
            for (int i = 0; i < nk_i4_group; i++) block->weights[i][lane] = 0;
        if (!usable) block->greatest[lane] = greatest[lane] < 0x7f800000 ? 0 : NAN;
    }
}

/* The code nearest to each x. */
static inline void nearest_codes(const float x[NK_PANEL], const int8_t codes[16], float nearest[NK_PANEL]) {
    for (int lane = 0; lane < NK_PANEL; lane++) nearest[lane] = codes[0];
    for (int k = 0; k < 15; k++) {
        const float middle = 0.5f * (float)(codes[k] + codes[k + 1]), step = (float)(codes[k + 1] - codes[k]);
        for (int lane = 0; lane < NK_PANEL; lane++) nearest[lane] += x[lane] > middle ? step : 0;
    }
}

/* Tries scales that put the greatest weight at or beyond either end of the codes. Each gives every weight a code; the
 * scale kept is the one that is then best for these codes (least squares), in bf16. */
static void search_scales(const int8_t codes[16], nk_i4_block *block) {
    float squares[NK_PANEL] = {0};
    for (int i = 0; i < nk_i4_group; i++)
        for (int lane = 0; lane < NK_PANEL; lane++) squares[lane] += block->weights[i][lane] * block->weights[i][lane];
    for (int lane = 0; lane < NK_PANEL; lane++) {
        block->scales[lane] = block->greatest[lane] == block->greatest[lane] ? 0 : NAN;
        block->errors[lane] = squares[lane];
    }
    for (int end = 0; end < 2; end++)
        for (int step = 0; step < 6; step++) {
            const float reach = (end == 0 ? (float)codes[0] : (float)codes[15]) * (0.8f + 0.06f * (float)step);
            float inverse[NK_PANEL], products[NK_PANEL] = {0}, norms[NK_PANEL] = {0};
            for (int lane = 0; lane < NK_PANEL; lane++)
                inverse[lane] = block->greatest[lane] == 0 ? 0 : reach / block->greatest[lane];
            for (int i = 0; i < nk_i4_group; i++) {
                float x[NK_PANEL], code[NK_PANEL];
                for (int lane = 0; lane < NK_PANEL; lane++) x[lane] = block->weights[i][lane] * inverse[lane];
                nearest_codes(x, codes, code);
                for (int lane = 0; lane < NK_PANEL; lane++) {
                    products[lane] += block->weights[i][lane] * code[lane];
                    norms[lane] += code[lane] * code[lane];
                }
            }
            for (int lane = 0; lane < NK_PANEL; lane++) {
                const float best = norms[lane] > 0 ? products[lane] / norms[lane] : 0;
                const float scale = nk_float_of(nk_bf16_from_bits(nk_bits_of(best)) << 16);
                const float error = squares[lane] - scale * (2 * products[lane] - scale * norms[lane]);
                const int better = error < block->errors[lane];
                block->scales[lane] = better ? scale : block->scales[lane];
                block->errors[lane] = better ? error : block->errors[lane];
            }
        }
}

static void store_block(const int8_t codes[16], const nk_i4_block *block, uint8_t *group, float sums[NK_PANEL]) {
    int32_t whole[NK_PANEL] = {0};
    float inverse[NK_PANEL];
    for (int lane = 0; lane < NK_PANEL; lane++) {
        const uint16_t bits = (uint16_t)(nk_bits_of(block->scales[lane]) >> 16);
        memcpy(group + 2 * lane, &bits, sizeof bits);
        inverse[lane] = block->scales[lane] == 0 ? 0 : 1 / block->scales[lane];
    }
    for (int i = 0; i < nk_i4_group; i++) {
        uint32_t index[NK_PANEL] = {0};
        for (int k = 0; k < 15; k++) {
            const float middle = 0.5f * (float)(codes[k] + codes[k + 1]);
            for (int lane = 0; lane < NK_PANEL; lane++) index[lane] += block->weights[i][lane] * inverse[lane] > middle;
        }
        uint8_t *bytes = group + nk_i4_scales + i / 4 * 64 + i % 4;
        for (int lane = 0; lane < 16; lane++) bytes[4 * lane] = (uint8_t)(index[lane] | index[lane + 16] << 4);
        for (int lane = 0; lane < NK_PANEL; lane++) whole[lane] += codes[index[lane]];
    }
    for (int lane = 0; lane < NK_PANEL; lane++) sums[lane] = fmaf((float)whole[lane], block->scales[lane], sums[lane]);
}

/* The squared error with one of the tables, by every eighth group. */
static double sampled_error(const float *columns, size_t inputs, const int8_t codes[16]) {
    double error = 0;
    nk_i4_block block;
    for (size_t begin = 0; begin < inputs; begin += 8 * nk_i4_group) {
        load_block(columns, begin, inputs, &block);
        search_scales(codes, &block);
        for (int lane = 0; lane < NK_PANEL; lane++) error += block.errors[lane] >= 0 ? block.errors[lane] : 0;
    }
    return error;
}

static void pack_panel_i4(const float *columns, size_t inputs, void *panel, char *sums_place, size_t sums_stride) {
    const int even = sampled_error(columns, inputs, code_tables[1]) < sampled_error(columns, inputs, code_tables[0]);
    const int8_t *codes = code_tables[even];
    uint8_t *bytes = panel;
    memset(bytes, 0, nk_i4_header);
    for (int k = 0; k < 16; k++) bytes[k] = (uint8_t)(codes[k] + 128);
    nk_i4_block block;
    float sums[NK_PANEL] = {0};
    memset(sums_place, 0, sizeof sums); /* of no inputs */
    for (size_t begin = 0; begin < inputs; begin += nk_i4_group) {
        load_block(columns, begin, inputs, &block);
        search_scales(codes, &block);
        store_block(codes, &block, bytes + nk_i4_header + begin / nk_i4_group * nk_i4_group_bytes, sums);
        if ((begin + nk_i4_group) % NK_SUM_INPUTS == 0 || begin + nk_i4_group >= inputs) {
            memcpy(sums_place, sums, sizeof sums);
            sums_place += sums_stride;
        }
    }
}

static void unpack_panel_i4(const void *panel, size_t inputs, float *columns) {
    const uint8_t *codes = panel;
    for (size_t i = 0; i < inputs; i++) {
        const uint8_t *group = codes + nk_i4_header + i / nk_i4_group * nk_i4_group_bytes;
        const uint8_t *bytes = group + nk_i4_scales + i % nk_i4_group / 4 * 64 + i % 4;
        for (size_t lane = 0; lane < NK_PANEL; lane++) {
            const uint32_t index = bytes[lane % 16 * 4] >> lane / 16 * 4 & 15;
            const float scale = nk_float_of((uint32_t)(group[2 * lane] | group[2 * lane + 1] << 8) << 16);
            columns[i * NK_PANEL + lane] = (float)(codes[index] - 128) * scale;
        }
    }
}
