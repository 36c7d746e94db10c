/* quantized_row.h: the form in which int8 and int4 products read a row of the input.
 *
 * A row is quantized as a whole, over the inputs in use, on the range from its least to its greatest number, 0 included:
 * what follows an activation or a norm seldom lies evenly around 0. x[i] ~ scale * (q[i] - zero) with
 *     scale = (greatest - least) / 253, zero = -(greatest + least) / (2 scale), q[i] = x[i] / scale + zero,
 * zero and x[i] / scale rounded to whole numbers, ties to even; so |q| <= 127. A row whose greatest magnitude is below
 * 2^-100 counts as zero (scale 0); a row that holds an infinity or NaN has scale NaN, so that all its results are NaN. In
 * rows too long for sums of such products in 32 bits, zero is 0 and scale = max |x| / 127.
 *
 * Word 0 is the scale, word 1 zero as a whole number.
 * int8:  word 2 ... the start of each span of nk_i8_span inputs (below); then, from a multiple of 16 words on, q as int8.
 * int4:  from word 16 on, for each group of 32 inputs its start, then q as int8.
 * After the last input, up to a multiple of NK_SUM_INPUTS, follows zero.
 *
 * Weights are stored unsigned, 128 added, because the instructions multiply unsigned by signed bytes. With W = w + 128:
 *     sum w (q - zero) = sum W q - 128 sum (q - zero) - zero sum W.
 * The second term is where sums start. The third is an output's alone but for the factor: behind its panels a matrix holds
 * the sums of W over the first NK_SUM_INPUTS, the first 2 NK_SUM_INPUTS... and over all inputs. Products run on to such a
 * place, where what follows the inputs in use adds zero W to the first term and to the third alike.
 * int4 starts its groups at -128 sum q instead, and takes back zero times the sums of scale w, in float32.
 */
#ifndef NESTLING_QUANTIZED_ROW_H
#define NESTLING_QUANTIZED_ROW_H

#include <math.h>
#include <string.h>

#include "kernels_internal.h"

/* int8: as many products of at most 127^2 as an int32 can certainly hold. int4: the inputs that share a scale. */
enum { nk_i8_span = 1 << 17, nk_i4_group = 32 };

/* The most inputs with a zero that is not 0: (q - zero) w is at most 254 * 127. */
enum { nk_most_inputs_with_zero = 1 << 16 };

enum { nk_i8_first_start = 2, nk_i4_row_header = 16, nk_i4_start_words = 1 };

static inline size_t nk_i8_row_header(size_t inputs) {
    return nk_round_up(nk_i8_first_start + nk_ceiling(inputs, nk_i8_span), 16);
}

/* To where products run on, of a panel with so many inputs. */
static inline size_t nk_summed_inputs(size_t inputs, size_t packed_inputs) {
    return nk_minimum(nk_round_up(inputs, NK_SUM_INPUTS), packed_inputs);
}

/* Scales, then quads. */
static inline size_t nk_i8_panel_bytes(size_t inputs) {
    return NK_PANEL * sizeof(float) + nk_ceiling(inputs, 4) * NK_PANEL * 4;
}

/* Where the parts of a row go. */
typedef struct {
    size_t span; /* a multiple of 32, and of NK_SUM_INPUTS or its divisor */
    int start_zeros; /* zeros that are in the sums which starts take back, for each span */
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

typedef struct {
    float scale, inverse; /* inverse 0: every number counts as 0, or the scale is NaN */
    int32_t zero;
} nk_quantization;

/* Of a row of `inputs` numbers between least <= 0 and greatest >= 0. */
static inline nk_quantization nk_row_quantization(float least, float greatest, int finite, size_t inputs) {
    nk_quantization result = {.scale = finite ? 0 : NAN};
    const float magnitude = greatest > -least ? greatest : -least;
    if (!finite || magnitude < 0x1p-100f) return result;
    /* Halves, because the difference of two numbers may be infinite. */
    const float half = inputs > nk_most_inputs_with_zero ? magnitude : 0.5f * greatest - 0.5f * least;
    const float levels = inputs > nk_most_inputs_with_zero ? 127 : 126.5f;
    result.scale = half / levels;
    result.inverse = levels / half;
    if (inputs <= nk_most_inputs_with_zero)
        result.zero = -(int32_t)rintf((0.5f * greatest + 0.5f * least) * result.inverse);
    return result;
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
