/* quantized_row_body.h: quantizes a row of the input, for any vector width. */
#include "quantized_row.h"

/* Returns the scale's bits. */
VECTOR_INLINE nk_word quantize_row(const float *input, size_t inputs, const nk_quantized_layout *layout) {
    veci greatest = vi_set(0);
    EACH_VECTOR(i, inputs, { /* as whole numbers, magnitudes are in order, with infinity and NaN above all */
        greatest = vi_max(greatest, vi_from_bits(v_abs(v_load_part(whole, mask, input + i))));
    });
    float factor;
    const nk_word scale = nk_bits_of(nk_quantization_scale((uint32_t)vi_greatest(greatest), &factor));
    const vec inverse = v_set(factor);
    nk_word *start = layout->starts;
    int8_t *values = layout->values;
    for (size_t begin = 0; begin < inputs; begin += layout->span) {
        const size_t count = nk_minimum(layout->span, inputs - begin);
        veci sum = vi_set(0);
        if (count % nk_i4_group) memset(values + count / nk_i4_group * nk_i4_group, 0, nk_i4_group);
        EACH_VECTOR(i, count, {
            /* Where the factor is 0, the row may hold infinities, of which this makes nothing. */
            const veci q = factor == 0 ? vi_set(0) : vi_rounded(v_mul(v_load_part(whole, mask, input + begin + i), inverse));
            vi_store_bytes(values + i, q);
            sum = vi_add(sum, q);
        });
        *start = (nk_word)(-128 * vi_sum(sum));
        start += layout->start_stride;
        values += layout->value_stride;
    }
    return scale;
}
