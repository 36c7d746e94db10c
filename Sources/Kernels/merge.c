/* merge.c: what token merging asks: how alike are tokens, and which is the most alike? */
#include <math.h>

#include "kernels_internal.h"

typedef struct {
    const nk_kernels *kernels;
    const float *key;
    size_t key_stride, key_heads, head_size;
    float *metric;
} nk_metric_job;

static void metric_rows(size_t begin, size_t end, void *context) {
    const nk_metric_job *job = context;
    for (size_t token = begin; token < end; token++) {
        const float *key = job->key + token * job->key_stride;
        float *metric = job->metric + token * job->head_size;
        for (size_t head = 0; head < job->key_heads; head++)
            job->kernels->scale_row(key + head * job->head_size, job->head_size, 1 / (float)job->key_heads, head > 0,
                                    metric);
        const float length = sqrtf(job->kernels->sum_of_squares(metric, job->head_size));
        if (length != 0) job->kernels->scale_row(metric, job->head_size, 1 / length, 0, metric);
    }
}

void nk_merge_metric(const float *key, size_t key_stride, size_t tokens, size_t key_heads, size_t head_size,
                     float *metric, int threads) {
    nk_metric_job job = {nk_kernels_in_use(), key, key_stride, key_heads, head_size, metric};
    nk_parallel_for(tokens, 1 + 16384 / (key_heads * head_size + 1), threads, metric_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    const float *sources, *targets;
    size_t source_stride, target_stride, n, m, columns;
    const uint8_t *source_allowed, *target_allowed;
    int32_t *best;
    float *score;
} nk_match_job;

enum { most_tile_rows = 14, sources_per_task = 84 };

/* Targets are transposed into panels, one block at a time, and multiplied as a linear's weights are. */
static void match_sources(size_t begin, size_t end, void *context) {
    const nk_match_job *job = context;
    const nk_kernels *kernels = job->kernels;
    float *panel = nk_scratch(nk_maximum(1, job->columns) * NK_PANEL * sizeof(float));
    _Alignas(64) float products[most_tile_rows * NK_PANEL];
    for (size_t source = begin; source < end; source++) {
        job->best[source] = -1;
        job->score[source] = -INFINITY;
    }
    for (size_t target = 0; target < job->m; target += NK_PANEL) {
        const size_t lanes = nk_minimum(NK_PANEL, job->m - target);
        kernels->transpose_panel(job->targets + target * job->target_stride, job->target_stride, lanes, job->columns,
                                 panel);
        for (size_t source = begin; source < end; source += kernels->tile_rows) {
            const size_t rows = nk_minimum(kernels->tile_rows, end - source);
            kernels->tile_f32(job->sources + source * job->source_stride, job->source_stride, rows, panel, 0, 1,
                              job->columns, products, NK_PANEL, NULL);
            for (size_t row = 0; row < rows; row++) {
                if (job->source_allowed && !job->source_allowed[source + row]) continue;
                int32_t best = job->best[source + row];
                float score = job->score[source + row];
                for (size_t lane = 0; lane < lanes; lane++) {
                    if (job->target_allowed && !job->target_allowed[target + lane]) continue;
                    const float product = products[row * NK_PANEL + lane];
                    if (product > score || best < 0) {
                        best = (int32_t)(target + lane);
                        score = product;
                    }
                }
                job->best[source + row] = best;
                job->score[source + row] = score;
            }
        }
    }
}

void nk_best_match(const float *sources, size_t source_stride, size_t n, const uint8_t *source_allowed,
                   const float *targets, size_t target_stride, size_t m, const uint8_t *target_allowed, size_t columns,
                   int32_t *best, float *score, int threads) {
    nk_match_job job = {nk_kernels_in_use(), sources, targets, source_stride, target_stride, n, m, columns,
                        source_allowed, target_allowed, best, score};
    nk_parallel_for(n, sources_per_task, threads, match_sources, &job);
}
