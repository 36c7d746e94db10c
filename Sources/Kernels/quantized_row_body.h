/* quantized_row_body.h: quantizes a row of the input, for any vector width. */
#include "quantized_row.h"

VECTOR_INLINE void quantize_row(const float *input, size_t inputs, size_t span, nk_word *row, int8_t *values) {
    veci greatest = vi_set(0);
    EACH_VECTOR(i, inputs, { /* as whole numbers, magnitudes are in order, with infinity and NaN above all */
        greatest = vi_max(greatest, vi_from_bits(v_abs(v_load_part(whole, mask, input + i))));
    });
    float factor;
    row[0] = nk_bits_of(nk_quantization_scale((uint32_t)vi_greatest(greatest), &factor));
    if (factor == 0) {
        memset(row + 1, 0, nk_ceiling(nk_maximum(inputs, 1), span) * sizeof(nk_word));
        memset(values, 0, nk_round_up(inputs, 64));
        return;
    }
    memset(values + inputs / 64 * 64, 0, inputs % 64 ? 64 : 0);
    const vec inverse = v_set(factor);
    for (size_t begin = 0; begin < inputs; begin += span) {
        veci sum = vi_set(0);
        EACH_VECTOR(i, nk_minimum(span, inputs - begin), {
            const veci q = vi_rounded(v_mul(v_load_part(whole, mask, input + begin + i), inverse));
            vi_store_bytes(values + begin + i, q);
            sum = vi_add(sum, q);
        });
        row[1 + begin / span] = (nk_word)(-128 * vi_sum(sum));
    }
}
