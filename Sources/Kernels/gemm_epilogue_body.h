/* gemm_epilogue_body.h: what happens to finished sums, for any vector width. No vector load or store touches what lies
 * beyond `columns`. */

/* Rows of two vectors, of which `first` and `second` say what is there. -0 is what changes no sum. */
VECTOR_INLINE void epilogue_pair(const float *sums, size_t sums_stride, size_t rows, const nk_epilogue_f32 *e,
                                 size_t column, const int whole, vmask first, vmask second,
                                 const nk_activation activation) {
    const float *bias = e->bias, *source = sums + column, *multiply = e->multiply, *residual = e->residual;
    const vec bias0 = bias ? v_load_part(whole, first, bias + column) : v_set(-0.0f);
    const vec bias1 = bias ? v_load_part(whole, second, bias + column + VW) : v_set(-0.0f);
    float *output = e->output + column;
    if (multiply) multiply += column;
    if (residual) residual += column;
    for (size_t row = 0; row < rows; row++) {
        vec sum0 = v_activation(v_add(v_load(source), bias0), activation);
        vec sum1 = v_activation(v_add(v_load(source + VW), bias1), activation);
        if (multiply) {
            sum0 = v_mul(v_load_part(whole, first, multiply), sum0);
            sum1 = v_mul(v_load_part(whole, second, multiply + VW), sum1);
            multiply += e->multiply_stride;
        }
        if (residual) {
            sum0 = v_add(v_load_part(whole, first, residual), sum0);
            sum1 = v_add(v_load_part(whole, second, residual + VW), sum1);
            residual += e->residual_stride;
        }
        v_store_part(whole, first, output, sum0);
        v_store_part(whole, second, output + VW, sum1);
        source += sums_stride;
        output += e->output_stride;
    }
}

VECTOR_INLINE void epilogue_rows(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                                 const nk_epilogue_f32 *e, const nk_activation activation) {
    size_t column = 0;
    const vmask all = v_first(VW);
    for (; column + 2 * VW <= columns; column += 2 * VW)
        epilogue_pair(sums, sums_stride, rows, e, column, 1, all, all, activation);
    if (column < columns) {
        const size_t left = columns - column;
        epilogue_pair(sums, sums_stride, rows, e, column, 0, v_first(left), v_first(left > VW ? left - VW : 0),
                      activation);
    }
}

static void epilogue_f32(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                         const nk_epilogue_f32 *epilogue) {
    WITH_ACTIVATION(epilogue->activation, epilogue_rows(sums, sums_stride, rows, columns, epilogue, activation))
}
