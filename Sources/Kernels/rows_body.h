/* rows_body.h: kernels on one row, for any vector width. A sum runs in four chains of whole vectors, then over the
 * chains and the lanes in a fixed tree, so its order depends on the row's length alone.
 */

VECTOR_INLINE void activate_all(float *values, size_t count, const nk_activation activation) {
    EACH_VECTOR(i, count, {
        v_store_part(whole, mask, values + i, v_activation(v_load_part(whole, mask, values + i), activation));
    });
}

static void activate(float *values, size_t count, nk_activation chosen) {
    WITH_ACTIVATION(chosen, activate_all(values, count, activation))
}

/* Sum of input, or of (input - mean)^2. */
VECTOR_INLINE float row_sum(const float *input, size_t count, const int squares, float mean) {
    vec sums[4];
    const vec shift = v_set(mean);
    for (int k = 0; k < 4; k++) sums[k] = v_set(0.0f);
    size_t i = 0;
    for (; i + 4 * VW <= count; i += 4 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 4; k++) {
            const vec x = v_load(input + i + k * VW), difference = v_sub(x, shift);
            sums[k] = squares ? v_fma(difference, difference, sums[k]) : v_add(sums[k], x);
        }
    for (; i < count; i += VW) {
        const vmask mask = v_first(count - i);
        const vec x = v_load_masked(mask, input + i), difference = v_select(mask, v_sub(x, shift), v_set(0.0f));
        sums[0] = squares ? v_fma(difference, difference, sums[0]) : v_add(sums[0], x);
    }
    return v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
}

static void layer_norm_row(const float *input, const float *residual, size_t columns, const float *weight,
                           const float *bias, float epsilon, float *output) {
    if (residual) {
        EACH_VECTOR(i, columns, {
            const vec x = v_add(v_load_part(whole, mask, input + i), v_load_part(whole, mask, residual + i));
            v_store_part(whole, mask, output + i, x);
        });
        input = output;
    }
    const float average = row_sum(input, columns, 0, 0) / (float)columns;
    const float variance = row_sum(input, columns, 1, average) / (float)columns;
    const vec mean = v_set(average), factor = v_set(1.0f / __builtin_sqrtf(variance + epsilon));
    EACH_VECTOR(i, columns, {
        vec x = v_mul(v_sub(v_load_part(whole, mask, input + i), mean), factor);
        if (weight) x = v_mul(x, v_load_part(whole, mask, weight + i));
        if (bias) x = v_add(x, v_load_part(whole, mask, bias + i));
        v_store_part(whole, mask, output + i, x);
    });
}

static float sum_of_squares(const float *input, size_t count) { return row_sum(input, count, 1, 0); }

static float dot(const float *first, const float *second, size_t count) {
    vec sums[4];
    for (int k = 0; k < 4; k++) sums[k] = v_set(0.0f);
    size_t i = 0;
    for (; i + 4 * VW <= count; i += 4 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 4; k++) sums[k] = v_fma(v_load(first + i + k * VW), v_load(second + i + k * VW), sums[k]);
    for (; i < count; i += VW) {
        const vmask mask = v_first(count - i);
        sums[0] = v_fma(v_load_masked(mask, first + i), v_load_masked(mask, second + i), sums[0]);
    }
    return v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
}

static void keep_above(float *values, size_t count, float deviations) {
    const float mean = row_sum(values, count, 0, 0) / (float)count;
    const float deviation = __builtin_sqrtf(row_sum(values, count, 1, mean) / (float)count);
    const vec least = v_set(mean + deviations * deviation), zero = v_set(0.0f);
    EACH_VECTOR(i, count, {
        v_store_part(whole, mask, values + i, v_max(zero, v_sub(v_load_part(whole, mask, values + i), least)));
    });
}

static void rms_norm_row(const float *input, size_t columns, const float *weight, float weight_offset, float epsilon,
                         float *output) {
    const vec factor = v_set(1.0f / __builtin_sqrtf(sum_of_squares(input, columns) / (float)columns + epsilon));
    const vec offset = v_set(weight_offset);
    EACH_VECTOR(i, columns, {
        vec x = v_mul(v_load_part(whole, mask, input + i), factor);
        if (weight) x = v_mul(x, v_add(v_load_part(whole, mask, weight + i), offset));
        v_store_part(whole, mask, output + i, x);
    });
}

VECTOR_INLINE vec v_convert(const void *source, const nk_dtype dtype) {
    if (dtype == NK_F16) return v_from_f16(source);
    if (dtype == NK_BF16) return v_from_bf16(source);
    return v_load(source);
}

VECTOR_INLINE void convert_all(const char *source, const nk_dtype dtype, size_t count, float *destination) {
    const size_t size = dtype == NK_F32 ? 4 : 2;
    size_t i = 0;
    for (; i + VW <= count; i += VW) v_store(destination + i, v_convert(source + i * size, dtype));
    if (i < count) {
        char tail[VW * 4] = {0};
        __builtin_memcpy(tail, source + i * size, (count - i) * size);
        v_store_masked(destination + i, v_first(count - i), v_convert(tail, dtype));
    }
}

static void to_f32(const void *source, nk_dtype dtype, size_t count, float *destination) {
    switch (dtype) {
    case NK_F32: __builtin_memmove(destination, source, count * sizeof(float)); return;
    case NK_F16: convert_all(source, NK_F16, count, destination); return;
    case NK_BF16: convert_all(source, NK_BF16, count, destination); return;
    default: return; /* blocks: nk_to_f32 */
    }
}

static void scale_row(const float *input, size_t count, float factor, int accumulate, float *output) {
    const vec scale = v_set(factor);
    EACH_VECTOR(i, count, {
        vec x = v_mul(scale, v_load_part(whole, mask, input + i));
        if (accumulate) x = v_add(v_load_part(whole, mask, output + i), x);
        v_store_part(whole, mask, output + i, x);
    });
}

/* NaN wins on either side. */
static void maximum_row(const float *input, size_t count, float *output) {
    EACH_VECTOR(i, count, {
        const vec old = v_load_part(whole, mask, output + i), x = v_load_part(whole, mask, input + i);
        const vec greater = v_max(old, x); /* x where either is NaN */
        v_store_part(whole, mask, output + i, v_select(v_is_nan(old), old, greater));
    });
}
