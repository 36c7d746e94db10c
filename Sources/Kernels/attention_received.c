/* attention_received.c: how much each key is attended to.
 *
 * A task is one head of one sequence: its keys are packed once; then each tile of queries takes the scores of all keys, makes
 * weights of them and adds each row, divided by its sum, to the head's shares. Scores of one tile are all that is in memory.
 */
#include <string.h>

#include "attention_visible.h"

typedef struct {
    const nk_kernels *rows;
    const nk_attention_f32_arguments *arguments;
    size_t leading_queries;
    float *received;
    size_t stride;
} nk_received_job;

typedef struct {
    float *keys, *scores, *key_bias;
    int32_t *positions;
    size_t score_stride;
} nk_received_scratch;

static nk_received_scratch scratch_for(size_t length, size_t size, size_t tile_rows) {
    const size_t padded = nk_round_up(length, NK_PANEL) + NK_SOFTMAX_PADDING;
    float *memory = nk_scratch(padded * (size + tile_rows + 2) * sizeof(float));
    return (nk_received_scratch){.keys = memory,
                                 .scores = memory + padded * size,
                                 .key_bias = memory + padded * (size + tile_rows),
                                 .positions = (int32_t *)(memory + padded * (size + tile_rows + 1)),
                                 .score_stride = padded};
}

/* The shares of the keys of one sequence in what its queries see by one head. */
static void receive(const nk_received_job *job, size_t sequence, size_t head) {
    const nk_attention_f32_arguments *a = job->arguments;
    const nk_attention_kernels *kernels = job->rows->attention_f32;
    const size_t start = a->offsets[sequence], length = a->offsets[sequence + 1] - start, size = a->head_size;
    const size_t queries = job->leading_queries ? nk_minimum(length, job->leading_queries) : length;
    float *shares = job->received + head * job->stride + start;
    memset(shares, 0, length * sizeof(float));
    const nk_received_scratch scratch = scratch_for(length, size, kernels->tile_rows);
    const float *keys = (const float *)a->key + start * a->key_stride + head / (a->heads / a->key_heads) * size;
    kernels->pack_keys(keys, a->key_stride, length, size, (nk_word *)scratch.keys);

    const nk_softmax_rule rule = rule_of_head(a, head, scratch.positions, a->key_bias ? scratch.key_bias : NULL);
    memset(scratch.positions + length, 0, NK_SOFTMAX_PADDING * sizeof(int32_t));
    for (size_t j = 0; j < length; j++) scratch.positions[j] = position_of(a, start, j);
    memset(scratch.key_bias + length, 0, NK_SOFTMAX_PADDING * sizeof(float));
    if (a->key_bias) memcpy(scratch.key_bias, a->key_bias + start, length * sizeof(float));

    for (size_t first = 0; first < queries; first += kernels->tile_rows) {
        const size_t rows = nk_minimum(kernels->tile_rows, queries - first);
        nk_key_range ranges[nk_most_softmax_rows];
        int32_t positions[nk_most_softmax_rows];
        float maximum[nk_most_softmax_rows], total[nk_most_softmax_rows], kept[nk_most_softmax_rows];
        for (size_t r = 0; r < rows; r++) {
            positions[r] = position_of(a, start, first + r);
            ranges[r] = visible_keys(a, start, length, first + r);
            maximum[r] = -__builtin_inff();
            total[r] = 0;
        }
        const float *query = a->query + (start + first) * a->query_stride + head * size;
        kernels->products((const nk_word *)query, a->query_stride, rows, (const nk_word *)scratch.keys, size, length,
                          scratch.scores, scratch.score_stride);
        kernels->softmax(scratch.scores, scratch.score_stride, rows, ranges, positions, &rule, maximum, total, kept);
        for (size_t r = 0; r < rows; r++)
            job->rows->scale_row(scratch.scores + r * scratch.score_stride + ranges[r].begin,
                                 ranges[r].end - ranges[r].begin, 1 / (total[r] * (float)queries), 1,
                                 shares + ranges[r].begin);
    }
}

static void receive_tasks(size_t begin, size_t end, void *context) {
    const nk_received_job *job = context;
    const size_t heads = job->arguments->heads;
    for (size_t task = begin; task < end; task++) receive(job, task / heads, task % heads);
}

void nk_attention_received(const nk_attention_f32_arguments *arguments, size_t leading_queries, float *received,
                           size_t stride, int threads) {
    const nk_attention_f32_arguments *a = arguments;
    if (a->sequences == 0) return;
    const nk_received_job job = {nk_kernels_in_use(), a, leading_queries, received, stride};
    nk_parallel_for(a->sequences * a->heads, 1, threads, receive_tasks, (void *)&job);
    const size_t first = a->offsets[0], tokens = a->offsets[a->sequences] - first;
    for (size_t head = 0; head < a->heads; head++)
        job.rows->scale_row(received + head * stride + first, tokens, 1 / (float)a->heads, head > 0, received + first);
}
