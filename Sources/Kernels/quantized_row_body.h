/* quantized_row_body.h: quantizes a row of the input, for any vector width. */
#include "quantized_row.h"

/* Least and greatest number, 0 included, of all but the last inputs a vector at a time. */
VECTOR_INLINE nk_quantization row_quantization(const float *input, size_t inputs) {
    const vec none = v_set(0);
    vec least[2] = {none, none}, greatest[2] = {none, none};
    vec not_finite[2] = {none, none}; /* NaN once there was an infinity or NaN */
    size_t done = 0;
    for (; done + 2 * VW <= inputs; done += 2 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 2; k++) {
            const vec x = v_load(input + done + (size_t)(k * VW));
            least[k] = v_min(x, least[k]);
            greatest[k] = v_max(x, greatest[k]);
            not_finite[k] = v_fma(x, none, not_finite[k]);
        }
    EACH_VECTOR(i, inputs - done, {
        const vec x = v_load_part(whole, mask, input + done + i);
        least[0] = v_min(x, least[0]);
        greatest[0] = v_max(x, greatest[0]);
        not_finite[0] = v_fma(x, none, not_finite[0]);
    });
    const float lowest = -v_greatest(v_sub(none, v_min(least[0], least[1])));
    const float highest = v_greatest(v_max(greatest[0], greatest[1]));
    return nk_row_quantization(lowest, highest, v_sum(v_add(not_finite[0], not_finite[1])) == 0, inputs);
}

VECTOR_INLINE void quantize_row(const float *input, size_t inputs, nk_word *row, const nk_quantized_layout *layout) {
    const nk_quantization quantization = row_quantization(input, inputs);
    row[0] = nk_bits_of(quantization.scale);
    row[1] = (nk_word)quantization.zero;
    const vec inverse = v_set(quantization.inverse);
    const veci zero = vi_set(quantization.zero);
    const size_t padded = nk_round_up(inputs, NK_SUM_INPUTS);
    nk_word *start = layout->starts;
    int8_t *values = layout->values;
    for (size_t begin = 0; begin < padded; begin += layout->span) {
        const size_t count = begin < inputs ? nk_minimum(layout->span, inputs - begin) : 0;
        const size_t padded_count = nk_minimum(layout->span, padded - begin);
        memset(values + count, quantization.zero, padded_count - count);
        veci sum = vi_set(0);
        /* Where the factor is 0, the row may hold infinities, of which this makes nothing. */
        if (quantization.inverse == 0) {
            memset(values, 0, count);
        } else {
            size_t first = 0;
            for (; first + 4 * VW <= count; first += 4 * VW) {
                veci q[4];
#pragma clang loop unroll(full)
                for (int k = 0; k < 4; k++) {
                    q[k] = vi_rounded(v_mul(v_load(input + begin + first + (size_t)(k * VW)), inverse));
                    sum = vi_add(sum, q[k]);
                    q[k] = vi_add(q[k], zero);
                }
                vi_store_all_bytes(values + first, q[0], q[1], q[2], q[3]);
            }
            for (; first + VW <= count; first += VW) {
                const veci q = vi_rounded(v_mul(v_load(input + begin + first), inverse));
                vi_store_bytes(values + first, vi_add(q, zero));
                sum = vi_add(sum, q);
            }
            if (first < count) {
                const vec x = v_load_part(0, v_first(count - first), input + begin + first);
                const veci q = vi_rounded(v_mul(x, inverse)); /* 0 beyond the row, which so becomes zero */
                vi_store_bytes(values + first, vi_add(q, zero));
                sum = vi_add(sum, q);
            }
        }
        *start = (nk_word)(-128 * (vi_sum(sum) + layout->start_zeros * quantization.zero));
        start += layout->start_stride;
        values += layout->value_stride;
    }
}
