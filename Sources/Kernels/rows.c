/* rows.c: norms, activations, gathers and rotary positions over many rows. */
#include "kernels_internal.h"

/* Rows per claim: about `elements` of work. */
static size_t grain_for(size_t columns, size_t elements) { return 1 + elements / (columns + 1); }

typedef struct {
    const nk_kernels *kernels;
    const float *input, *residual, *weight, *bias;
    size_t input_stride, residual_stride, columns, output_stride;
    float weight_offset, epsilon;
    float *output;
} nk_norm_job;

static void layer_norm_rows(size_t begin, size_t end, void *context) {
    const nk_norm_job *job = context;
    for (size_t row = begin; row < end; row++)
        job->kernels->layer_norm_row(job->input + row * job->input_stride,
                                     job->residual ? job->residual + row * job->residual_stride : NULL, job->columns,
                                     job->weight, job->bias, job->epsilon, job->output + row * job->output_stride);
}

void nk_layer_norm(const float *input, size_t input_stride, const float *residual, size_t residual_stride, size_t rows,
                   size_t columns, const float *weight, const float *bias, float epsilon, float *output,
                   size_t output_stride, int threads) {
    nk_norm_job job = {.kernels = nk_kernels_in_use(), .input = input, .residual = residual, .weight = weight,
                       .bias = bias, .input_stride = input_stride, .residual_stride = residual_stride,
                       .columns = columns, .output_stride = output_stride, .epsilon = epsilon, .output = output};
    nk_parallel_for(rows, grain_for(columns, 16384), threads, layer_norm_rows, &job);
}

static void rms_norm_rows(size_t begin, size_t end, void *context) {
    const nk_norm_job *job = context;
    for (size_t row = begin; row < end; row++)
        job->kernels->rms_norm_row(job->input + row * job->input_stride, job->columns, job->weight, job->weight_offset,
                                   job->epsilon, job->output + row * job->output_stride);
}

void nk_rms_norm(const float *input, size_t input_stride, size_t rows, size_t columns, const float *weight,
                 float weight_offset, float epsilon, float *output, size_t output_stride, int threads) {
    nk_norm_job job = {.kernels = nk_kernels_in_use(), .input = input, .weight = weight, .input_stride = input_stride,
                       .columns = columns, .output_stride = output_stride, .weight_offset = weight_offset,
                       .epsilon = epsilon, .output = output};
    nk_parallel_for(rows, grain_for(columns, 16384), threads, rms_norm_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    float *values;
    size_t stride, columns;
    nk_activation activation;
} nk_activate_job;

static void activate_rows(size_t begin, size_t end, void *context) {
    const nk_activate_job *job = context;
    for (size_t row = begin; row < end; row++)
        job->kernels->activate(job->values + row * job->stride, job->columns, job->activation);
}

void nk_activate(float *values, size_t stride, size_t rows, size_t columns, nk_activation activation, int threads) {
    if (activation == NK_IDENTITY) return;
    nk_activate_job job = {nk_kernels_in_use(), values, stride, columns, activation};
    nk_parallel_for(rows, grain_for(columns, 8192), threads, activate_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    const char *table;
    nk_dtype dtype;
    size_t columns;
    const int32_t *ids;
    float scale;
    int accumulate;
    float *output;
    size_t output_stride;
} nk_gather_job;

static void gather_rows(size_t begin, size_t end, void *context) {
    const nk_gather_job *job = context;
    enum { block = 256 };
    float values[block];
    const size_t row_bytes = nk_dtype_bytes(job->dtype, job->columns);
    for (size_t row = begin; row < end; row++) {
        const char *source = job->table + (size_t)job->ids[row] * row_bytes;
        float *output = job->output + row * job->output_stride;
        for (size_t column = 0; column < job->columns; column += block) {
            const size_t count = nk_minimum(block, job->columns - column);
            nk_to_f32(source + nk_dtype_bytes(job->dtype, column), job->dtype, count, values);
            job->kernels->scale_row(values, count, job->scale, job->accumulate, output + column);
        }
    }
}

void nk_gather(const void *table, nk_dtype dtype, size_t columns, const int32_t *ids, size_t rows, float scale,
               int accumulate, float *output, size_t output_stride, int threads) {
    nk_gather_job job = {nk_kernels_in_use(), table, dtype, columns, ids, scale, accumulate, output, output_stride};
    nk_parallel_for(rows, grain_for(columns, 16384), threads, gather_rows, &job);
}

typedef struct {
    const nk_kernels *kernels;
    float *values;
    size_t stride, heads, head_size, rotary;
    const float *inverse_frequency;
    float magnitude;
    int interleaved;
    const int32_t *positions;
} nk_rope_job;

static void rope_rows(size_t begin, size_t end, void *context) {
    const nk_rope_job *job = context;
    const size_t half = job->rotary / 2;
    float *cosine = nk_scratch(2 * (half + NK_PANEL) * sizeof(float)), *sine = cosine + half + NK_PANEL;
    for (size_t row = begin; row < end; row++) {
        job->kernels->rope_angles(job->positions[row], job->inverse_frequency, half, job->magnitude, cosine, sine);
        float *head = job->values + row * job->stride;
        for (size_t h = 0; h < job->heads; h++, head += job->head_size)
            job->kernels->rope_rotate(head, half, cosine, sine, job->interleaved);
    }
}

void nk_rope(float *values, size_t stride, size_t rows, size_t heads, size_t head_size, size_t rotary,
             const float *inverse_frequency, float magnitude, int interleaved, const int32_t *positions, int threads) {
    nk_rope_job job = {nk_kernels_in_use(), values, stride, heads, head_size, rotary, inverse_frequency, magnitude,
                       interleaved, positions};
    nk_parallel_for(rows, grain_for(heads * rotary + 8 * rotary, 16384), threads, rope_rows, &job);
}
