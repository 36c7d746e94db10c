/* attention_visible.h: where tokens stand, which keys a query meets, and what is added to its scores; how scratch is cut. */
#ifndef NESTLING_ATTENTION_VISIBLE_H
#define NESTLING_ATTENTION_VISIBLE_H

#include <string.h>

#include "kernels_internal.h"

static inline int32_t position_of(const nk_attention_f32_arguments *a, size_t start, size_t token) {
    return a->positions ? a->positions[start + token] : (int32_t)token;
}

/* The rows of a sequence's queries: `first` is the first one's place in query and output. */
typedef struct {
    size_t first, count;
} nk_query_rows;

static inline nk_query_rows queries_of(const nk_attention_f32_arguments *a, size_t sequence) {
    const size_t *offsets = (a->query_offsets ? a->query_offsets : a->offsets) + sequence;
    return (nk_query_rows){offsets[0], offsets[1] - offsets[0]};
}

/* The token of the sequence that has its query number `query`. */
static inline size_t token_of(const nk_attention_f32_arguments *a, nk_query_rows queries, size_t query) {
    return a->query_tokens ? a->query_tokens[queries.first + query] : query;
}

/* The next `count` floats of scratch, in whole cache lines. */
static inline void *take(float **memory, size_t count) {
    float *taken = *memory;
    *memory += nk_round_up(count, 16);
    return taken;
}

/* How many tokens of the sequence have a position of at most `limit`. */
static inline size_t count_until(const nk_attention_f32_arguments *a, size_t start, size_t length, int64_t limit) {
    if (!a->positions) return limit < 0 ? 0 : nk_minimum(length, (size_t)limit + 1);
    const int32_t *positions = a->positions + start;
    size_t begin = 0, end = length;
    while (begin < end) {
        const size_t middle = begin + (end - begin) / 2;
        if (positions[middle] <= limit)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* The keys of the sequence that a token's query meets: a run, because positions do not fall within a sequence. */
static inline nk_key_range visible_keys(const nk_attention_f32_arguments *a, size_t start, size_t length, size_t token) {
    nk_key_range range = {0, length};
    if (!a->causal && a->window < 0) return range;
    const int64_t position = position_of(a, start, token);
    range.end = count_until(a, start, length, position + (a->causal ? 0 : a->window));
    if (a->window >= 0) range.begin = count_until(a, start, length, position - a->window - 1);
    return range;
}

/* What softmax does to the scores of one head: `positions` and `bias` are those of the keys. */
static inline nk_softmax_rule rule_of_head(const nk_attention_f32_arguments *a, size_t head, const int32_t *positions,
                                           const float *bias) {
    return (nk_softmax_rule){
        .scale = a->scale,
        .softcap = a->softcap,
        .key_positions = a->alibi_slopes || a->relative_bias ? positions : NULL,
        .key_bias = bias,
        .alibi_slope = a->alibi_slopes ? a->alibi_slopes[head] : 0,
        .relative_bias = a->relative_bias ? a->relative_bias + head * (2 * (size_t)a->relative_radius + 1) : NULL,
        .relative_radius = a->relative_radius,
    };
}

/* Weights begin ..< end of a row of scores, now words of so many elements, become 0. */
static inline void nk_clear_weights(float *row, size_t per_word, size_t begin, size_t end) {
    if (begin >= end) return;
    const size_t bytes = sizeof(float) / per_word;
    memset((char *)row + begin * bytes, 0, (end - begin) * bytes);
}

#endif
