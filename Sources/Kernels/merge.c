/* merge.c: what token merging asks: how alike are tokens, and which is the most alike? */
#include <math.h>
#include <string.h>

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

enum { most_tile_rows = 14, sources_per_task = 84, energy_rows = sources_per_task };

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

typedef struct {
    const nk_match_job *match;
    size_t band;
    int forward_only;
} nk_near_job;

static float near_product(const float *a, const float *b, size_t columns) {
    float sums[16] = {0};
    size_t i = 0;
    for (; i + 16 <= columns; i += 16)
        for (size_t lane = 0; lane < 16; lane++) sums[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i + lane < columns; lane++) sums[lane] += a[i + lane] * b[i + lane];
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
    return sums[0];
}

static void match_near(size_t begin, size_t end, void *context) {
    const nk_near_job *near = context;
    const nk_match_job *job = near->match;
    for (size_t source = begin; source < end; source++) {
        int32_t best = -1;
        float score = -INFINITY;
        const size_t first = near->forward_only ? source : source - nk_minimum(source, near->band - 1);
        const size_t last = nk_minimum(job->m, source + near->band);
        for (size_t target = first; job->source_allowed[source] && target < last; target++) {
            if (!job->target_allowed[target]) continue;
            const float product = near_product(job->sources + source * job->source_stride,
                                               job->targets + target * job->target_stride, job->columns);
            if (product > score || best < 0) {
                best = (int32_t)target;
                score = product;
            }
        }
        job->best[source] = best;
        job->score[source] = score;
    }
}

void nk_best_match_near(const float *sources, size_t source_stride, size_t n, const uint8_t *source_allowed,
                        const float *targets, size_t target_stride, size_t m, const uint8_t *target_allowed,
                        size_t columns, size_t band, int forward_only, int32_t *best, float *score, int threads) {
    nk_match_job job = {nk_kernels_in_use(), sources, targets, source_stride, target_stride, n, m, columns,
                        source_allowed, target_allowed, best, score};
    nk_near_job near = {&job, band, forward_only};
    nk_parallel_for(n, 1 + 65536 / (nk_minimum(band, n) * (columns + 16)), threads, match_near, &near);
}

typedef struct {
    const nk_kernels *kernels;
    const float *rows, *targets;
    size_t stride, target_stride, m, columns;
    float *products;
    size_t product_stride;
} nk_similarity_job;

static void similarities(size_t begin, size_t end, void *context) {
    const nk_similarity_job *job = context;
    const nk_kernels *kernels = job->kernels;
    float *panel = nk_scratch(nk_maximum(1, job->columns) * NK_PANEL * sizeof(float));
    for (size_t target = 0; target < job->m; target += NK_PANEL) {
        kernels->transpose_panel(job->targets + target * job->target_stride, job->target_stride,
                                 nk_minimum(NK_PANEL, job->m - target), job->columns, panel);
        for (size_t row = begin; row < end; row += kernels->tile_rows)
            kernels->tile_f32(job->rows + row * job->stride, job->stride, nk_minimum(kernels->tile_rows, end - row), panel,
                              0, 1, job->columns, job->products + row * job->product_stride + target,
                              job->product_stride, NULL);
    }
}

void nk_similarities(const float *rows, size_t stride, size_t n, const float *targets, size_t target_stride, size_t m,
                     size_t columns, float *products, size_t product_stride, int threads) {
    nk_similarity_job job = {nk_kernels_in_use(), rows, targets, stride, target_stride, m, columns, products,
                             product_stride};
    nk_parallel_for(n, sources_per_task, threads, similarities, &job);
}

typedef struct {
    const nk_kernels *kernels;
    const float *rows;
    size_t stride, n, columns;
    float margin;
    float *energy;
} nk_energy_job;

static void energies(size_t begin, size_t end, void *context) {
    const nk_energy_job *job = context;
    float products[energy_rows * NK_PANEL];
    for (size_t row = begin; row < end; row++) job->energy[row] = 0;
    for (size_t first = begin; first < end; first += energy_rows) {
        const size_t rows = nk_minimum(energy_rows, end - first);
        for (size_t other = 0; other < job->n; other += NK_PANEL) {
            const size_t others = nk_minimum(NK_PANEL, job->n - other);
            nk_similarity_job tile = {job->kernels, job->rows + first * job->stride, job->rows + other * job->stride,
                                      job->stride, job->stride, others, job->columns, products, NK_PANEL};
            similarities(0, rows, &tile);
            for (size_t r = 0; r < rows; r++) {
                float sum = 0; /* without the token itself: two tokens then have exactly the same */
                for (size_t j = 0; j < others; j++) {
                    if (other + j == first + r) continue;
                    const float x = products[r * NK_PANEL + j] - job->margin;
                    sum += x >= 0 ? x : expm1f(x);
                }
                job->energy[first + r] += sum / (float)(job->n - 1);
            }
        }
    }
}

void nk_merge_energy(const float *rows, size_t stride, size_t n, size_t columns, float margin, float *energy,
                     int threads) {
    nk_energy_job job = {nk_kernels_in_use(), rows, stride, n, columns, margin, energy};
    nk_parallel_for(n, sources_per_task, threads, energies, &job);
}

typedef struct {
    const float *weights, *input;
    float *output;
    size_t weight_stride, input_stride, output_stride;
    size_t rows, inputs, columns;
} nk_mix_job;

/* Strips of 32 columns: the input's become a panel, which the rows of weights are multiplied by. */
static void mix_strips(size_t begin, size_t end, void *context) {
    _Alignas(64) float sums[most_tile_rows * NK_PANEL];
    const nk_mix_job *job = context;
    float *panel = nk_scratch(nk_maximum(1, job->inputs) * NK_PANEL * sizeof(float));
    const nk_kernels *kernels = nk_kernels_in_use();
    for (size_t strip = begin; strip < end; strip++) {
        const size_t first = strip * NK_PANEL, columns = nk_minimum(NK_PANEL, job->columns - first);
        for (size_t i = 0; i < job->inputs; i++) {
            float *row = panel + i * NK_PANEL;
            memcpy(row, job->input + i * job->input_stride + first, columns * sizeof(float));
            memset(row + columns, 0, (NK_PANEL - columns) * sizeof(float));
        }
        for (size_t row = 0; row < job->rows; row += kernels->tile_rows) {
            const size_t rows = nk_minimum(kernels->tile_rows, job->rows - row);
            kernels->tile_f32(job->weights + row * job->weight_stride, job->weight_stride, rows, panel, 0, 1, job->inputs,
                              sums, NK_PANEL, NULL);
            for (size_t r = 0; r < rows; r++)
                memcpy(job->output + (row + r) * job->output_stride + first, sums + r * NK_PANEL,
                       columns * sizeof(float));
        }
    }
}

void nk_mix_rows(const float *weights, size_t weight_stride, size_t rows, size_t inputs, const float *input,
                 size_t input_stride, size_t columns, float *output, size_t output_stride, int threads) {
    nk_mix_job job = {weights, input, output, weight_stride, input_stride, output_stride, rows, inputs, columns};
    nk_parallel_for(nk_ceiling(columns, NK_PANEL), 1, threads, mix_strips, &job);
}
