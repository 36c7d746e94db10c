/* attention_portable.c: attention in plain C, and the reference for the others. */
#include <math.h>
#include <string.h>

#include "kernels_isa.h"

/* The nearest number that bf16 holds, ties to even. NaN stays NaN. */
static float rounded_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x == x) bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void pack_queries_bf16(NK_PACK_QUERIES_PARAMETERS) {
    float *packed = (float *)words;
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < size; i++) packed[row * size + i] = rounded_to_bf16(rows[row * stride + i]);
}

static void pack_keys(NK_PACK_KEYS_PARAMETERS) {
    float *packed = (float *)panels;
    for (size_t key = 0; key < keys; key++)
        for (size_t i = 0; i < size; i++)
            packed[key / NK_PANEL * NK_PANEL * size + i * NK_PANEL + key % NK_PANEL] = rows[key * stride + i];
}

static void pack_keys_bf16(NK_PACK_KEYS_PARAMETERS) {
    float *packed = (float *)panels;
    pack_keys(rows, stride, keys, size, panels);
    for (size_t key = 0; key < keys; key++)
        for (size_t i = 0; i < size; i++) {
            float *x = packed + key / NK_PANEL * NK_PANEL * size + i * NK_PANEL + key % NK_PANEL;
            *x = rounded_to_bf16(*x);
        }
}

static void pack_values(NK_PACK_VALUES_PARAMETERS) {
    float *packed = (float *)panels;
    for (size_t column = 0; column < nk_round_up(columns, NK_PANEL); column++)
        for (size_t key = 0; key < keys; key++)
            packed[column / NK_PANEL * panel_stride + key * NK_PANEL + column % NK_PANEL] =
                column < columns ? rows[key * stride + column] : 0;
}

static void pack_values_bf16(NK_PACK_VALUES_PARAMETERS) {
    float *packed = (float *)panels;
    for (size_t column = 0; column < nk_round_up(columns, NK_PANEL); column++)
        for (size_t key = 0; key < keys; key++)
            packed[column / NK_PANEL * panel_stride + key * NK_PANEL + column % NK_PANEL] =
                column < columns ? rounded_to_bf16(rows[key * stride + column]) : 0;
}

static void products(NK_PRODUCTS_PARAMETERS) {
    const float *rows_of_queries = (const float *)queries, *packed = (const float *)panels;
    for (size_t key = 0; key < keys; key += NK_PANEL, packed += NK_PANEL * steps) {
        const size_t lanes = nk_minimum(NK_PANEL, keys - key);
        for (size_t row = 0; row < rows; row++) {
            float *sums = scores + row * score_stride + key;
            for (size_t lane = 0; lane < lanes; lane++) sums[lane] = 0;
            for (size_t i = 0; i < steps; i++)
                for (size_t lane = 0; lane < lanes; lane++)
                    sums[lane] += rows_of_queries[row * query_stride + i] * packed[i * NK_PANEL + lane];
        }
    }
}

static float score_of(float product, size_t key, int32_t position, const nk_softmax_rule *rule) {
    float score = product * rule->scale;
    if (rule->softcap > 0) score = rule->softcap * tanhf(score / rule->softcap);
    if (rule->key_bias) score += rule->key_bias[key];
    if (rule->key_positions) {
        const int32_t distance = rule->key_positions[key] - position, radius = rule->relative_radius;
        if (rule->alibi_slope != 0) score -= rule->alibi_slope * (float)(distance < 0 ? -distance : distance);
        if (rule->relative_bias) {
            const int32_t clamped = distance > radius ? radius : distance < -radius ? -radius : distance;
            score += rule->relative_bias[clamped + radius];
        }
    }
    return score;
}

static void softmax_as(int rounded, NK_SOFTMAX_PARAMETERS) {
    for (size_t row = 0; row < rows; row++) {
        float *line = scores + row * stride;
        float greatest = maximum[row], total = 0;
        for (size_t key = ranges[row].begin; key < ranges[row].end; key++) {
            line[key] = score_of(line[key], key, positions[row], rule);
            if (line[key] > greatest) greatest = line[key];
        }
        const float shift = greatest == -INFINITY ? 0 : greatest;
        kept[row] = expf(maximum[row] - shift);
        for (size_t key = ranges[row].begin; key < ranges[row].end; key++) {
            const float weight = expf(line[key] - shift);
            total += line[key] = rounded ? rounded_to_bf16(weight) : weight;
        }
        maximum[row] = greatest;
        sum[row] = sum[row] * kept[row] + total;
    }
}

static void softmax(NK_SOFTMAX_PARAMETERS) {
    softmax_as(0, scores, stride, rows, ranges, positions, rule, maximum, sum, kept);
}

static void softmax_bf16(NK_SOFTMAX_PARAMETERS) {
    softmax_as(1, scores, stride, rows, ranges, positions, rule, maximum, sum, kept);
}

static void weigh(NK_WEIGH_PARAMETERS) {
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < w->columns; column += NK_PANEL) {
            const size_t lanes = nk_minimum(NK_PANEL, w->columns - column);
            const float *panel = (const float *)panels + column / NK_PANEL * panel_stride;
            float sums[NK_PANEL];
            for (size_t lane = 0; lane < lanes; lane++)
                sums[lane] = w->sums ? w->kept[row] * w->sums[row * w->sums_stride + column + lane] : 0;
            for (size_t key = 0; key < steps; key++)
                for (size_t lane = 0; lane < lanes; lane++)
                    sums[lane] += ((const float *)weights)[row * weight_stride + key] * panel[key * NK_PANEL + lane];
            for (size_t lane = 0; lane < lanes; lane++)
                w->output[row * w->output_stride + column + lane] = sums[lane] * (w->shares ? w->shares[row] : 1);
        }
}

const nk_attention_kernels nk_attention_f32_portable = {
    .tile_rows = 8, .elements_per_word = 1, .pack_keys = pack_keys, .pack_values = pack_values, .products = products,
    .softmax = softmax, .weigh = weigh};

const nk_attention_kernels nk_attention_bf16_portable = {
    .tile_rows = 8, .elements_per_word = 1, .pack_queries = pack_queries_bf16, .pack_keys = pack_keys_bf16,
    .pack_values = pack_values_bf16, .products = products, .softmax = softmax_bf16, .weigh = weigh};
