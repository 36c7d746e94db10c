/* streams.c: rows in which several streams lie side by side, [rows, streams * columns] (AltUp). */
#include <math.h>

#include "kernels_internal.h"

static size_t grain(size_t columns) { return 1 + 8192 / (columns + 1); }

typedef struct {
    const nk_kernels *kernels;
    const float *input, *router, *weights;
    size_t input_stride, columns, streams, outputs;
    float *output;
} nk_route_job;

static void route_rows(size_t begin, size_t end, void *context) {
    const nk_route_job *job = context;
    float routed[NK_MOST_STREAMS];
    for (size_t row = begin; row < end; row++) {
        const float *input = job->input + row * job->input_stride;
        for (size_t i = 0; i < job->streams; i++)
            routed[i] = tanhf(job->kernels->dot(input, job->router + i * job->columns, job->columns) /
                              (float)job->columns);
        for (size_t j = 0; j < job->outputs; j++) {
            float sum = 0;
            for (size_t i = 0; i < job->streams; i++) sum += job->weights[j * job->streams + i] * routed[i];
            job->output[row * job->outputs + j] = sum;
        }
    }
}

void nk_route_streams(const float *input, size_t input_stride, size_t rows, size_t columns, const float *router,
                      size_t streams, const float *weights, size_t outputs, float *output, int threads) {
    nk_route_job job = {.kernels = nk_kernels_in_use(), .input = input, .router = router, .weights = weights,
                        .input_stride = input_stride, .columns = columns, .streams = streams, .outputs = outputs,
                        .output = output};
    nk_parallel_for(rows, grain(columns), threads, route_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    float *values;
    const float *coefficients, *change;
    size_t stride, streams, columns, change_stride;
} nk_streams_job;

static void mix_rows(size_t begin, size_t end, void *context) {
    const nk_streams_job *job = context;
    enum { block = 64 };
    float before[NK_MOST_STREAMS][block];
    for (size_t row = begin; row < end; row++) {
        const float *coefficients = job->coefficients + row * job->streams * job->streams;
        for (size_t column = 0; column < job->columns; column += block) {
            const size_t count = nk_minimum(block, job->columns - column);
            float *values = job->values + row * job->stride + column;
            for (size_t i = 0; i < job->streams; i++)
                job->kernels->scale_row(values + i * job->columns, count, 1, 0, before[i]);
            for (size_t j = 0; j < job->streams; j++)
                for (size_t i = 0; i < job->streams; i++)
                    job->kernels->scale_row(before[i], count, coefficients[j * job->streams + i], 1,
                                            values + j * job->columns);
        }
    }
}

void nk_mix_streams(float *values, size_t stride, size_t rows, size_t streams, size_t columns,
                    const float *coefficients, int threads) {
    nk_streams_job job = {.kernels = nk_kernels_in_use(), .values = values, .coefficients = coefficients,
                          .stride = stride, .streams = streams, .columns = columns};
    nk_parallel_for(rows, grain(streams * columns), threads, mix_rows, &job);
}

static void correct_rows(size_t begin, size_t end, void *context) {
    const nk_streams_job *job = context;
    for (size_t row = begin; row < end; row++)
        for (size_t j = 0; j < job->streams; j++)
            job->kernels->scale_row(job->change + row * job->change_stride, job->columns,
                                    1 + job->coefficients[row * job->streams + j], 1,
                                    job->values + row * job->stride + j * job->columns);
}

void nk_correct_streams(float *values, size_t stride, size_t rows, size_t streams, size_t columns,
                        const float *coefficients, const float *change, size_t change_stride, int threads) {
    nk_streams_job job = {.kernels = nk_kernels_in_use(), .values = values, .coefficients = coefficients,
                          .change = change, .stride = stride, .streams = streams, .columns = columns,
                          .change_stride = change_stride};
    nk_parallel_for(rows, grain(streams * columns), threads, correct_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    const float *input;
    size_t input_stride, columns;
    float factor;
    int accumulate;
    float *output;
    size_t output_stride;
} nk_rows_job;

static void match_rows(size_t begin, size_t end, void *context) {
    const nk_rows_job *job = context;
    const float count = (float)job->columns;
    for (size_t row = begin; row < end; row++) {
        const float *reference = job->input + row * job->input_stride;
        float *values = job->output + row * job->output_stride;
        const float wanted = sqrtf(job->kernels->sum_of_squares(reference, job->columns) / count);
        const float found = job->kernels->sum_of_squares(values, job->columns) / count;
        job->kernels->scale_row(values, job->columns, wanted / sqrtf(found < 1e-5f ? 1e-5f : found), 0, values);
    }
}

void nk_match_magnitudes(float *values, size_t stride, size_t rows, size_t columns, const float *reference,
                         size_t reference_stride, int threads) {
    nk_rows_job job = {.kernels = nk_kernels_in_use(), .input = reference, .input_stride = reference_stride,
                       .columns = columns, .output = values, .output_stride = stride};
    nk_parallel_for(rows, grain(columns), threads, match_rows, &job);
}

static void scaled_rows(size_t begin, size_t end, void *context) {
    const nk_rows_job *job = context;
    for (size_t row = begin; row < end; row++)
        job->kernels->scale_row(job->input + row * job->input_stride, job->columns, job->factor, job->accumulate,
                                job->output + row * job->output_stride);
}

void nk_scale_rows(const float *input, size_t input_stride, size_t rows, size_t columns, float factor, int accumulate,
                   float *output, size_t output_stride, int threads) {
    nk_rows_job job = {.kernels = nk_kernels_in_use(), .input = input, .input_stride = input_stride,
                       .columns = columns, .factor = factor, .accumulate = accumulate, .output = output,
                       .output_stride = output_stride};
    nk_parallel_for(rows, grain(columns), threads, scaled_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    float *values;
    size_t stride, columns;
    float deviations;
} nk_sparsity_job;

static void keep_largest_rows(size_t begin, size_t end, void *context) {
    const nk_sparsity_job *job = context;
    for (size_t row = begin; row < end; row++)
        job->kernels->keep_above(job->values + row * job->stride, job->columns, job->deviations);
}

void nk_keep_above(float *values, size_t stride, size_t rows, size_t columns, float deviations, int threads) {
    nk_sparsity_job job = {nk_kernels_in_use(), values, stride, columns, deviations};
    nk_parallel_for(rows, grain(columns), threads, keep_largest_rows, &job);
}
