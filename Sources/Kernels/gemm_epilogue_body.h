/* gemm_epilogue_body.h: what happens to finished sums, for any vector width. No vector load or store touches what lies
 * beyond `columns`. */

VECTOR_INLINE void epilogue_rows(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                                 const nk_epilogue_f32 *e, const nk_activation activation) {
    for (size_t row = 0; row < rows; row++) {
        const float *source = sums + row * sums_stride;
        const float *multiply = e->multiply ? e->multiply + row * e->multiply_stride : NULL;
        const float *residual = e->residual ? e->residual + row * e->residual_stride : NULL;
        float *output = e->output + row * e->output_stride;
        EACH_VECTOR(i, columns, {
            vec sum = v_load(source + i);
            if (e->bias) sum = v_add(sum, v_load_part(whole, mask, e->bias + i));
            sum = v_activation(sum, activation);
            if (multiply) sum = v_mul(v_load_part(whole, mask, multiply + i), sum);
            if (residual) sum = v_add(v_load_part(whole, mask, residual + i), sum);
            v_store_part(whole, mask, output + i, sum);
        });
    }
}

static void epilogue_f32(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                         const nk_epilogue_f32 *epilogue) {
    WITH_ACTIVATION(epilogue->activation, epilogue_rows(sums, sums_stride, rows, columns, epilogue, activation))
}
