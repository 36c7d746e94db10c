/* quantized_row.h: the form in which int8 and int4 products read a row of the input.
 *
 * A row is quantized symmetrically as a whole, over the inputs in use: x[i] ~ scale * q[i], scale = max |x| / 127, q[i] =
 * x[i] * (127 / max |x|) to the nearest whole number, ties to even. A row whose greatest magnitude is below 2^-100 counts
 * as zero (scale 0); a row that holds an infinity or NaN has scale NaN, so that all its results are NaN.
 *
 *     word 0        scale, a float32
 *     word 1 ...    -128 times the sum of q over each span of inputs, an int32
 *     then, from a multiple of 16 words on, q as int8, followed by zeros up to a multiple of 64
 *
 * Weights are stored unsigned, 128 added, because the instructions multiply unsigned by signed bytes. Sums that start at
 * words 1 ... take that back: sum w q = sum (w + 128) q - 128 sum q.
 */
#ifndef NESTLING_QUANTIZED_ROW_H
#define NESTLING_QUANTIZED_ROW_H

#include <math.h>
#include <string.h>

#include "kernels_internal.h"

/* int8: as many products of at most 127^2 as an int32 can certainly hold. int4: the inputs that share a scale. */
enum { nk_i8_span = 1 << 17, nk_i4_group = 32 };

static inline size_t nk_quantized_header_words(size_t inputs, size_t span) {
    return nk_round_up(1 + nk_ceiling(inputs, span), 16);
}

static inline float nk_float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t nk_bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The low byte as a signed number of 16 bits. */
static inline uint32_t nk_widened(uint32_t byte) { return (uint16_t)(int16_t)(int8_t)byte; }

/* Scale of numbers whose greatest magnitude has these bits, and what they are multiplied with to become whole. */
static inline float nk_quantization_scale(uint32_t greatest_bits, float *inverse) {
    const float greatest = nk_float_of(greatest_bits);
    *inverse = 0;
    if (greatest_bits >= 0x7f800000) return NAN;
    if (greatest < 0x1p-100f) return 0;
    *inverse = 127 / greatest;
    return greatest / 127;
}

#endif
