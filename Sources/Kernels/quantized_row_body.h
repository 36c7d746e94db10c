/* quantized_row_body.h: quantizes a row of the input, for any vector width. */
#include "quantized_row.h"

/* Returns the scale's bits. */
VECTOR_INLINE nk_word quantize_row(const float *input, size_t inputs, const nk_quantized_layout *layout) {
    /* As whole numbers, magnitudes are in order, with infinity and NaN above all. */
    veci maxima[4] = {vi_set(0), vi_set(0), vi_set(0), vi_set(0)};
    size_t done = 0;
    for (; done + 4 * VW <= inputs; done += 4 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 4; k++)
            maxima[k] = vi_max(maxima[k], vi_from_bits(v_abs(v_load(input + done + (size_t)(k * VW)))));
    EACH_VECTOR(i, inputs - done, {
        maxima[0] = vi_max(maxima[0], vi_from_bits(v_abs(v_load_part(whole, mask, input + done + i))));
    });
    const veci greatest = vi_max(vi_max(maxima[0], maxima[1]), vi_max(maxima[2], maxima[3]));
    float factor;
    const nk_word scale = nk_bits_of(nk_quantization_scale((uint32_t)vi_greatest(greatest), &factor));
    const vec inverse = v_set(factor);
    nk_word *start = layout->starts;
    int8_t *values = layout->values;
    for (size_t begin = 0; begin < inputs; begin += layout->span) {
        const size_t count = nk_minimum(layout->span, inputs - begin);
        veci sum = vi_set(0);
        if (count % nk_i4_group) memset(values + count / nk_i4_group * nk_i4_group, 0, nk_i4_group);
        /* Where the factor is 0, the row may hold infinities, of which this makes nothing. */
        if (factor == 0) {
            memset(values, 0, nk_round_up(count, nk_i4_group));
        } else {
            size_t first = 0;
            for (; first + 4 * VW <= count; first += 4 * VW) {
                veci q[4];
#pragma clang loop unroll(full)
                for (int k = 0; k < 4; k++) {
                    q[k] = vi_rounded(v_mul(v_load(input + begin + first + (size_t)(k * VW)), inverse));
                    sum = vi_add(sum, q[k]);
                }
                vi_store_all_bytes(values + first, q[0], q[1], q[2], q[3]);
            }
            EACH_VECTOR(i, count - first, {
                const veci q = vi_rounded(v_mul(v_load_part(whole, mask, input + begin + first + i), inverse));
                vi_store_bytes(values + first + i, q);
                sum = vi_add(sum, q);
            });
        }
        *start = (nk_word)(-128 * vi_sum(sum));
        start += layout->start_stride;
        values += layout->value_stride;
    }
    return scale;
}
