/* pool_rows.c: one vector per sequence, and rows of length 1. */
#include <math.h>

#include "kernels_internal.h"

typedef struct {
    const nk_kernels *kernels;
    const float *rows;
    size_t stride;
    const size_t *offsets;
    size_t columns;
    nk_pooling pooling;
    const float *sizes;
    float *output;
    size_t output_stride;
} nk_pool_job;

static void pool_sequence(const nk_pool_job *job, size_t begin, size_t end, float *output) {
    const nk_kernels *kernels = job->kernels;
    if (begin == end) {
        for (size_t i = 0; i < job->columns; i++) output[i] = 0;
        return;
    }
    switch (job->pooling) {
    case NK_POOL_CLS: kernels->scale_row(job->rows + begin * job->stride, job->columns, 1, 0, output); return;
    case NK_POOL_LAST: kernels->scale_row(job->rows + (end - 1) * job->stride, job->columns, 1, 0, output); return;
    case NK_POOL_MAX:
        kernels->scale_row(job->rows + begin * job->stride, job->columns, 1, 0, output);
        for (size_t row = begin + 1; row < end; row++)
            kernels->maximum_row(job->rows + row * job->stride, job->columns, output);
        return;
    case NK_POOL_MEAN:
    case NK_POOL_WEIGHTED_MEAN:
    case NK_POOL_MEAN_SQRT_LENGTH: break;
    }
    double total = 0;
    for (size_t row = begin; row < end; row++) {
        double weight = job->sizes ? (double)job->sizes[row] : 1;
        if (job->pooling == NK_POOL_WEIGHTED_MEAN) weight *= (double)(row - begin + 1);
        total += weight;
        kernels->scale_row(job->rows + row * job->stride, job->columns, (float)weight, row > begin, output);
    }
    if (job->pooling == NK_POOL_MEAN_SQRT_LENGTH) total = sqrt(total);
    kernels->scale_row(output, job->columns, (float)(1 / total), 0, output);
}

static void pool_sequences(size_t begin, size_t end, void *context) {
    const nk_pool_job *job = context;
    for (size_t s = begin; s < end; s++)
        pool_sequence(job, job->offsets[s], job->offsets[s + 1], job->output + s * job->output_stride);
}

void nk_pool(const float *rows, size_t stride, const size_t *offsets, size_t sequences, size_t columns,
             nk_pooling pooling, const float *sizes, float *output, size_t output_stride, int threads) {
    nk_pool_job job = {nk_kernels_in_use(), rows, stride, offsets, columns, pooling, sizes, output, output_stride};
    if (sequences == 0) return;
    const size_t length = 1 + (offsets[sequences] - offsets[0]) / sequences;
    nk_parallel_for(sequences, 1 + 32768 / (length * columns + 1), threads, pool_sequences, &job);
}

void nk_normalize_rows(float *rows, size_t stride, size_t count, size_t columns) {
    const nk_kernels *kernels = nk_kernels_in_use();
    for (size_t row = 0; row < count; row++) {
        float *values = rows + row * stride;
        const float length = sqrtf(kernels->sum_of_squares(values, columns));
        kernels->scale_row(values, columns, 1 / (length < 1e-12f ? 1e-12f : length), 0, values);
    }
}
