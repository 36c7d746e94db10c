/* attention_portable.c: attention in plain C, and the reference for the others. */
#include <math.h>
#include <string.h>

#include "kernels_isa.h"

static void pack_keys(NK_PACK_KEYS_PARAMETERS) {
    for (size_t key = 0; key < keys; key++)
        for (size_t i = 0; i < size; i++)
            panels[key / NK_PANEL * NK_PANEL * size + i * NK_PANEL + key % NK_PANEL] = rows[key * stride + i];
}

static void pack_values(NK_PACK_VALUES_PARAMETERS) {
    for (size_t column = 0; column < nk_round_up(columns, NK_PANEL); column++)
        for (size_t key = 0; key < keys; key++)
            panels[column / NK_PANEL * panel_stride + key * NK_PANEL + column % NK_PANEL] =
                column < columns ? rows[key * stride + column] : 0;
}

static void products(NK_PRODUCTS_PARAMETERS) {
    for (size_t key = 0; key < keys; key += NK_PANEL, panels += NK_PANEL * size) {
        const size_t lanes = nk_minimum(NK_PANEL, keys - key);
        for (size_t row = 0; row < rows; row++) {
            float *sums = scores + row * score_stride + key;
            for (size_t lane = 0; lane < lanes; lane++) sums[lane] = 0;
            for (size_t i = 0; i < size; i++)
                for (size_t lane = 0; lane < lanes; lane++)
                    sums[lane] += queries[row * query_stride + i] * panels[i * NK_PANEL + lane];
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

static void softmax(NK_SOFTMAX_PARAMETERS) {
    for (size_t row = 0; row < rows; row++) {
        float *line = scores + row * stride;
        float greatest = maximum[row], total = 0;
        for (size_t key = ranges[row].begin; key < ranges[row].end; key++) {
            line[key] = score_of(line[key], key, positions[row], rule);
            if (line[key] > greatest) greatest = line[key];
        }
        const float shift = greatest == -INFINITY ? 0 : greatest;
        kept[row] = expf(maximum[row] - shift);
        for (size_t key = ranges[row].begin; key < ranges[row].end; key++) total += line[key] = expf(line[key] - shift);
        maximum[row] = greatest;
        sum[row] = sum[row] * kept[row] + total;
    }
}

static void weigh(NK_WEIGH_PARAMETERS) {
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < w->columns; column += NK_PANEL) {
            const size_t lanes = nk_minimum(NK_PANEL, w->columns - column);
            const float *panel = panels + column / NK_PANEL * panel_stride;
            float sums[NK_PANEL];
            for (size_t lane = 0; lane < lanes; lane++)
                sums[lane] = w->sums ? w->kept[row] * w->sums[row * w->sums_stride + column + lane] : 0;
            for (size_t key = 0; key < keys; key++)
                for (size_t lane = 0; lane < lanes; lane++)
                    sums[lane] += weights[row * weight_stride + key] * panel[key * NK_PANEL + lane];
            for (size_t lane = 0; lane < lanes; lane++)
                w->output[row * w->output_stride + column + lane] = sums[lane] * (w->shares ? w->shares[row] : 1);
        }
}

const nk_attention_kernels nk_attention_f32_portable = {8, pack_keys, pack_values, products, softmax, weigh};
