/* attention_pooled.c: attention over the means of groups of keys, in time that grows with the number of queries only.
 *
 * A task is one head of one sequence: keys and values are averaged and packed once; then each tile of queries meets all
 * groups at once.
 */
#include <math.h>
#include <string.h>

#include "attention_visible.h"

typedef struct {
    const nk_kernels *rows;
    const nk_attention_f32_arguments *arguments;
    size_t groups;
    const float *sizes;
} nk_pooled_job;

/* means[g, :] = mean of rows begin ..< end of group g, weighted by size; masses[g] = the sum of their sizes. */
static void pool(const nk_pooled_job *job, const float *rows, size_t stride, size_t start, size_t length, size_t groups,
                 float *means, float *masses) {
    const size_t size = job->arguments->head_size;
    for (size_t group = 0; group < groups; group++) {
        const size_t begin = length * group / groups, end = length * (group + 1) / groups;
        float mass = 0;
        for (size_t j = begin; j < end; j++) {
            const float weight = job->sizes ? job->sizes[start + j] : 1;
            job->rows->scale_row(rows + j * stride, size, weight, j > begin, means + group * size);
            mass += weight;
        }
        job->rows->scale_row(means + group * size, size, 1 / mass, 0, means + group * size);
        masses[group] = mass;
    }
}

static void attend_pooled(const nk_pooled_job *job, size_t sequence, size_t head) {
    const nk_attention_f32_arguments *a = job->arguments;
    const nk_attention_kernels *kernels = job->rows->attention_f32;
    const size_t start = a->offsets[sequence], length = a->offsets[sequence + 1] - start, size = a->head_size;
    const size_t groups = nk_minimum(job->groups, length), padded = nk_round_up(groups, NK_PANEL) + NK_SOFTMAX_PADDING;
    const size_t width = nk_round_up(size, NK_PANEL), key_head = head / (a->heads / a->key_heads);
    float *memory = nk_scratch((padded * (2 * size + width + kernels->tile_rows + 2) + 96) * sizeof(float));
    float *means = take(&memory, padded * size), *keys = take(&memory, padded * size);
    float *values = take(&memory, padded * width), *scores = take(&memory, padded * kernels->tile_rows);
    float *bias = take(&memory, padded);
    int32_t *key_positions = take(&memory, padded);

    pool(job, (const float *)a->key + start * a->key_stride + key_head * size, a->key_stride, start, length, groups, means,
         bias);
    kernels->pack_keys(means, size, groups, size, (nk_word *)keys);
    pool(job, (const float *)a->value + start * a->value_stride + key_head * size, a->value_stride, start, length, groups,
         means, bias);
    kernels->pack_values(means, size, groups, size, (nk_word *)values, padded * NK_PANEL);
    for (size_t group = 0; group < padded; group++) {
        bias[group] = group < groups ? logf(bias[group]) : 0;
        key_positions[group] =
            group < groups ? position_of(a, start, (length * group / groups + length * (group + 1) / groups - 1) / 2) : 0;
    }
    const nk_softmax_rule rule = rule_of_head(a, head, key_positions, bias);

    for (size_t first = 0; first < length; first += kernels->tile_rows) {
        const size_t rows = nk_minimum(kernels->tile_rows, length - first);
        nk_key_range ranges[nk_most_softmax_rows];
        int32_t positions[nk_most_softmax_rows];
        float maximum[nk_most_softmax_rows], total[nk_most_softmax_rows], kept[nk_most_softmax_rows];
        for (size_t r = 0; r < rows; r++) {
            positions[r] = position_of(a, start, first + r);
            ranges[r] = (nk_key_range){0, groups};
            maximum[r] = -INFINITY;
            total[r] = 0;
        }
        const float *query = a->query + (start + first) * a->query_stride + head * size;
        kernels->products((const nk_word *)query, a->query_stride, rows, (const nk_word *)keys, size, groups, scores,
                          padded);
        kernels->softmax(scores, padded, rows, ranges, positions, &rule, maximum, total, kept);
        for (size_t r = 0; r < rows; r++) total[r] = 1 / total[r];
        const nk_weighing weighing = {.kept = kept, .shares = total, .output_stride = a->output_stride, .columns = size,
                                      .output = a->output + (start + first) * a->output_stride + head * size};
        kernels->weigh((const nk_word *)scores, padded, rows, (const nk_word *)values, padded * NK_PANEL, groups,
                       &weighing);
    }
}

static void pooled_tasks(size_t begin, size_t end, void *context) {
    const nk_pooled_job *job = context;
    const size_t heads = job->arguments->heads;
    for (size_t task = begin; task < end; task++) attend_pooled(job, task / heads, task % heads);
}

void nk_attention_pooled(const nk_attention_f32_arguments *arguments, size_t groups, const float *sizes, int threads) {
    const nk_pooled_job job = {nk_kernels_in_use(), arguments, groups, sizes};
    nk_parallel_for(arguments->sequences * arguments->heads, 1, threads, pooled_tasks, (void *)&job);
}
