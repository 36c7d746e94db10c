/* portable.c: every kernel in plain C, and the reference for the others. */
#include <math.h>
#include <string.h>

#include "kernels_isa.h"

static float activated(float x, nk_activation activation) {
    switch (activation) {
    case NK_IDENTITY: return x;
    case NK_RELU: return x < 0 ? 0 : x;
    case NK_ROUGH_GELU:
    case NK_GELU: return 0.5f * x * (1 + erff(x * 0.707106781f));
    case NK_ROUGH_GELU_TANH:
    case NK_GELU_TANH: return x / (1 + expf(-2 * 0.7978845608f * (x + 0.044715f * x * x * x)));
    case NK_ROUGH_SILU:
    case NK_SILU: return x / (1 + expf(-x));
    case NK_TANH: return tanhf(x);
    case NK_SIGMOID: return 1 / (1 + expf(-x));
    case NK_RELU_SQUARED: return x < 0 ? 0 : x * x;
    case NK_ROUGH_QUICK_GELU:
    case NK_QUICK_GELU: return x / (1 + expf(-1.702f * x));
    }
    return x;
}

static void tile_f32(NK_TILE_F32_PARAMETERS) {
    for (size_t panel = 0; panel < panel_count; panel++)
        for (size_t row = 0; row < rows; row++) {
            float *out = c + row * c_stride + panel * NK_PANEL;
            const float *weights = panels + panel * panel_stride;
            float sums[NK_PANEL];
            for (int lane = 0; lane < NK_PANEL; lane++) sums[lane] = start_scale ? start_scale[row] * out[lane] : 0;
            for (size_t i = 0; i < inputs; i++) {
                const float x = a[row * a_stride + i];
                for (int lane = 0; lane < NK_PANEL; lane++) sums[lane] += x * weights[i * NK_PANEL + (size_t)lane];
            }
            memcpy(out, sums, sizeof sums);
        }
}

static void epilogue_f32(NK_EPILOGUE_F32_PARAMETERS) {
    const nk_epilogue_f32 *e = epilogue;
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++) {
            float sum = sums[row * sums_stride + column];
            if (e->bias) sum += e->bias[column];
            sum = activated(sum, e->activation);
            if (e->multiply) sum = e->multiply[row * e->multiply_stride + column] * sum;
            if (e->residual) sum = e->residual[row * e->residual_stride + column] + sum;
            e->output[row * e->output_stride + column] = sum;
        }
}

static void activate(float *values, size_t count, nk_activation activation) {
    for (size_t i = 0; i < count; i++) values[i] = activated(values[i], activation);
}

static void layer_norm_row(const float *input, const float *residual, size_t columns, const float *weight,
                           const float *bias, float epsilon, float *output) {
    float sum = 0, squares = 0;
    for (size_t i = 0; i < columns; i++) {
        const float x = residual ? input[i] + residual[i] : input[i];
        if (residual) output[i] = x;
        sum += x;
    }
    if (residual) input = output;
    const float mean = sum / (float)columns;
    for (size_t i = 0; i < columns; i++) squares += (input[i] - mean) * (input[i] - mean);
    const float factor = 1 / sqrtf(squares / (float)columns + epsilon);
    for (size_t i = 0; i < columns; i++) {
        float x = (input[i] - mean) * factor;
        if (weight) x *= weight[i];
        if (bias) x += bias[i];
        output[i] = x;
    }
}

static float sum_of_squares(const float *input, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += input[i] * input[i];
    return sum;
}

static float dot(const float *first, const float *second, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += first[i] * second[i];
    return sum;
}

static void keep_above(float *values, size_t count, float deviations) {
    float sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    const float mean = sum / (float)count;
    for (size_t i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    const float least = mean + deviations * sqrtf(squares / (float)count);
    for (size_t i = 0; i < count; i++) values[i] = values[i] - least < 0 ? 0 : values[i] - least;
}

static void rms_norm_row(const float *input, size_t columns, const float *weight, float weight_offset, float epsilon,
                         float *output) {
    const float factor = 1 / sqrtf(sum_of_squares(input, columns) / (float)columns + epsilon);
    for (size_t i = 0; i < columns; i++) output[i] = input[i] * factor * (weight ? weight[i] + weight_offset : 1);
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_f16(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
    if (rest >= 0x7c00) return from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13 | (rest > 0x7c00 ? 0x400000 : 0));
    if (rest >= 0x0400) return from_bits(sign | ((rest << 13) + 0x38000000));
    return from_bits(sign | 0x3f800000) * ((float)rest * 0x1p-24f); /* subnormal: exact in float32 */
}

static void to_f32(const void *source, nk_dtype dtype, size_t count, float *destination) {
    if (dtype == NK_F32) {
        memmove(destination, source, count * sizeof(float));
        return;
    }
    const char *bytes = source;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        destination[i] = dtype == NK_F16 ? from_f16(bits) : from_bits((uint32_t)bits << 16);
    }
}

static void transpose_panel(NK_TRANSPOSE_PANEL_PARAMETERS) {
    for (size_t i = 0; i < inputs; i++)
        for (size_t lane = 0; lane < NK_PANEL; lane++)
            panel[i * NK_PANEL + lane] = lane < lanes ? rows[lane * stride + i] : 0;
}

/* In double precision; portable has one algorithm. */
static void softmax_row(const float *input, size_t count, float scale, int logarithm, float *output) {
    float most = -INFINITY;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, input[i] * scale);
    double total = 0;
    for (size_t i = 0; i < count; i++) total += exp((double)(input[i] * scale) - (double)most);
    for (size_t i = 0; i < count; i++) {
        const double x = (double)(input[i] * scale) - (double)most;
        output[i] = (float)(logarithm ? x - log(total) : exp(x) / total);
    }
}

static void scale_row(const float *input, size_t count, float factor, int accumulate, float *output) {
    for (size_t i = 0; i < count; i++) output[i] = accumulate ? output[i] + factor * input[i] : factor * input[i];
}

static void maximum_row(const float *input, size_t count, float *output) {
    for (size_t i = 0; i < count; i++)
        if (!(input[i] <= output[i]) && output[i] == output[i]) output[i] = input[i];
}

static void rope_angles(NK_ROPE_ANGLES_PARAMETERS) {
    for (size_t j = 0; j < count; j++) {
        const float angle = (float)position * inverse_frequency[j];
        cosine[j] = cosf(angle) * magnitude;
        sine[j] = sinf(angle) * magnitude;
    }
}

static void rope_rotate(NK_ROPE_ROTATE_PARAMETERS) {
    const size_t step = interleaved ? 2 : 1, distance = interleaved ? 1 : half;
    for (size_t j = 0; j < half; j++) {
        float *first = head + j * step, *second = first + distance;
        const float a = *first, b = *second;
        *first = a * cosine[j] - b * sine[j];
        *second = b * cosine[j] + a * sine[j];
    }
}

const nk_kernels nk_kernels_portable = {
    .tile_rows = 8,
    .tile_f32 = tile_f32,
    .epilogue_f32 = epilogue_f32,
    .activate = activate,
    .layer_norm_row = layer_norm_row,
    .rms_norm_row = rms_norm_row,
    .to_f32 = to_f32,
    .transpose_panel = transpose_panel,
    .scale_row = scale_row,
    .maximum_row = maximum_row,
    .sum_of_squares = sum_of_squares,
    .dot = dot,
    .keep_above = keep_above,
    .rope_angles = rope_angles,
    .rope_rotate = rope_rotate,
    .softmax_row_in_two_passes = softmax_row,
    .softmax_row_in_three_passes = softmax_row,
    .attention_f32 = &nk_attention_f32_portable,
    .attention_bf16 = &nk_attention_bf16_portable,
};
