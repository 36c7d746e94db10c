/* quantized_row.h: the form in which int8 and int4 products read a row of the input.
 *
 * A row is quantized symmetrically as a whole, over the inputs in use: x[i] ~ scale * q[i], scale = max |x| / 127, q[i] =
 * x[i] * (127 / max |x|) to the nearest whole number, ties to even. A row whose greatest magnitude is below 2^-100 counts
 * as zero (scale 0); a row that holds an infinity or NaN has scale NaN, so that all its results are NaN.
 *
 * int8:  word 0 is the scale; word 1 ... the start of each span of nk_i8_span inputs (below); then, from a multiple of 16
 *        words on, q as int8.
 * int4:  word 0 is the scale; from word 16 on, for each group of 32 inputs its start, then q as int8.
 *
 * Weights are stored unsigned, 128 added, because the instructions multiply unsigned by signed bytes. Sums that start at
 * -128 sum q take that back: sum w q = sum (w + 128) q - 128 sum q. What follows the last input, up to a multiple of 4
 * (int8) or 32 (int4), is zero.
 */
#ifndef NESTLING_QUANTIZED_ROW_H
#define NESTLING_QUANTIZED_ROW_H

#include <math.h>
#include <string.h>

#include "kernels_internal.h"

/* int8: as many products of at most 127^2 as an int32 can certainly hold. int4: the inputs that share a scale. */
enum { nk_i8_span = 1 << 17, nk_i4_group = 32 };

enum { nk_i4_row_header = 16, nk_i4_start_words = 1 };

static inline size_t nk_i8_row_header(size_t inputs) { return nk_round_up(1 + nk_ceiling(inputs, nk_i8_span), 16); }

/* Where the parts of a row go. */
typedef struct {
    size_t span; /* a multiple of 32 */
    nk_word *starts;
    size_t start_stride;
    int8_t *values;
    size_t value_stride; /* bytes from one span to the next */
} nk_quantized_layout;

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

/* Scale of numbers whose greatest magnitude has these bits, and what they are multiplied with to become whole. */
static inline float nk_quantization_scale(uint32_t greatest_bits, float *inverse) {
    const float greatest = nk_float_of(greatest_bits);
    *inverse = 0;
    if (greatest_bits >= 0x7f800000) return NAN;
    if (greatest < 0x1p-100f) return 0;
    *inverse = 127 / greatest;
    return greatest / 127;
}

/* The low byte as a signed number of 16 bits. */
static inline uint32_t nk_widened(uint32_t byte) { return (uint16_t)(int16_t)(int8_t)byte; }

/* Of each quad (q0, q1, q2, q3) the pairs (q0, q2) and (q1, q3) of 16-bit numbers, as those are what a word of a panel
 * gives by masking and shifting. The quads lie in the second half of words[2 * quads], so that writing does not overtake
 * reading. */
static inline void nk_widen_quads(nk_word *words, size_t quads) {
    for (size_t i = 0; i < quads; i++) {
        const uint32_t quad = words[quads + i];
        words[2 * i] = nk_widened(quad) | nk_widened(quad >> 16) << 16;
        words[2 * i + 1] = nk_widened(quad >> 8) | nk_widened(quad >> 24) << 16;
    }
}

#endif
