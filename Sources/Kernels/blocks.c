/* blocks.c: weights in the blocks of ggml, as GGUF files hold them, to float32. A block is a run of a row that shares scales
 * of 16 bits (d, and m or a scale of minima), which are little-endian; of values in nibbles the lower ones come first.
 * Layouts: ggml-common.h of ggml-org/llama.cpp. What is multiplied is exact in float32 but for Q6_K's products, which are
 * rounded once, so results do not depend on the instruction set. */
#include <string.h>

#include "kernels_internal.h"

enum { small = 32, large = 256 };

size_t nk_dtype_block(nk_dtype dtype) {
    switch (dtype) {
    case NK_F32: case NK_F16: case NK_BF16: return 1;
    case NK_Q4_0: case NK_Q4_1: case NK_Q5_0: case NK_Q5_1: case NK_Q8_0: case NK_IQ4_NL: case NK_MXFP4:
        return small;
    case NK_Q4_K: case NK_Q5_K: case NK_Q6_K: case NK_Q2_K: case NK_Q3_K: case NK_IQ4_XS: case NK_TQ1_0: case NK_TQ2_0:
        return large;
    }
    return 1;
}

static size_t block_bytes(nk_dtype dtype) {
    switch (dtype) {
    case NK_F32: return 4;
    case NK_F16: case NK_BF16: return 2;
    case NK_Q4_0: return 2 + small / 2;
    case NK_Q4_1: return 4 + small / 2;
    case NK_Q5_0: return 2 + small / 8 + small / 2;
    case NK_Q5_1: return 4 + small / 8 + small / 2;
    case NK_Q8_0: return 2 + small;
    case NK_Q4_K: return 4 + 12 + large / 2;
    case NK_Q5_K: return 4 + 12 + large / 8 + large / 2;
    case NK_Q6_K: return large / 2 + large / 4 + large / 16 + 2;
    case NK_Q2_K: return large / 16 + large / 4 + 4;
    case NK_Q3_K: return large / 8 + large / 4 + 12 + 2;
    case NK_IQ4_NL: return 2 + small / 2;
    case NK_IQ4_XS: return 2 + 2 + large / 64 + large / 2;
    case NK_MXFP4: return 1 + small / 2;
    case NK_TQ1_0: return 48 + 4 + 2;
    case NK_TQ2_0: return large / 4 + 2;
    }
    return 4;
}

size_t nk_dtype_bytes(nk_dtype dtype, size_t count) { return count / nk_dtype_block(dtype) * block_bytes(dtype); }

static float half(const uint8_t *bytes) {
    float value;
    nk_kernels_in_use()->to_f32(bytes, NK_F16, 1, &value);
    return value;
}

/* x = d (q - 8), or with a minimum x = d q + m; q of 4 bits: the lower halves of 16 bytes, then the upper ones. */
static void decode_4(const uint8_t *block, int has_minimum, float *values) {
    const float d = half(block), m = has_minimum ? half(block + 2) : 0;
    const uint8_t *nibbles = block + (has_minimum ? 4 : 2);
    for (int i = 0; i < small; i++) {
        const int q = i < small / 2 ? nibbles[i] & 15 : nibbles[i - small / 2] >> 4;
        values[i] = has_minimum ? d * (float)q + m : d * (float)(q - 8);
    }
}

/* x = d (q - 16), or x = d q + m; the fifth bits are a word of 32 bits. */
static void decode_5(const uint8_t *block, int has_minimum, float *values) {
    const float d = half(block), m = has_minimum ? half(block + 2) : 0;
    const uint8_t *fifth = block + (has_minimum ? 4 : 2), *nibbles = fifth + small / 8;
    for (int i = 0; i < small; i++) {
        const int low = i < small / 2 ? nibbles[i] & 15 : nibbles[i - small / 2] >> 4;
        const int q = low | (fifth[i / 8] >> i % 8 & 1) << 4;
        values[i] = has_minimum ? d * (float)q + m : d * (float)(q - 16);
    }
}

static void decode_8(const uint8_t *block, float *values) {
    const float d = half(block);
    for (int i = 0; i < small; i++) values[i] = d * (float)(int8_t)block[2 + i];
}

/* Scale and minimum of run j of 8, 6 bits each in 12 bytes: bytes 0 to 3 and 4 to 7 hold those of runs 0 to 3 in their lower 6
 * bits, and in their upper 2 the upper bits of runs 4 to 7, whose lower 4 are the halves of bytes 8 to 11. */
static void scale_and_minimum(const uint8_t *packed, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | packed[j - 4] >> 6 << 4;
        *minimum = packed[j + 4] >> 4 | packed[j] >> 6 << 4;
    }
}

/* x = d scale q - dmin minimum in runs of 32; a pair of runs is the lower and the upper halves of 32 bytes. With 5 bits, run
 * j's fifth are bits j of 32 bytes before them. */
static void decode_k(const uint8_t *block, int has_fifth, float *values) {
    const float d = half(block), d_minimum = half(block + 2);
    const uint8_t *fifth = block + 16, *nibbles = fifth + (has_fifth ? large / 8 : 0);
    for (int j = 0; j < large / small; j++) {
        int scale, minimum;
        scale_and_minimum(block + 4, j, &scale, &minimum);
        const float factor = d * (float)scale, offset = d_minimum * (float)minimum;
        const uint8_t *run = nibbles + j / 2 * small;
        for (int i = 0; i < small; i++) {
            const int low = j % 2 ? run[i] >> 4 : run[i] & 15;
            const int q = has_fifth ? low | (fifth[i] >> j & 1) << 4 : low;
            values[j * small + i] = factor * (float)q - offset;
        }
    }
}

/* x = d scale (q - 32) in runs of 16, each with a scale of 8 bits. Of each half of the block, 64 bytes have the lower 4 bits (32
 * of them two runs of 32), and 32 bytes the upper 2 of four runs of 32. */
static void decode_6(const uint8_t *block, float *values) {
    const uint8_t *low = block, *high = block + large / 2, *scales = high + large / 4;
    const float d = half(scales + large / 16);
    for (int i = 0; i < large; i++) {
        const int part = i / 128, run = i % 128 / 32, lane = i % 32;
        const uint8_t nibbles = low[part * 64 + run % 2 * 32 + lane];
        const int q = (run < 2 ? nibbles & 15 : nibbles >> 4) | (high[part * 32 + lane] >> 2 * run & 3) << 4;
        values[i] = d * (float)(int8_t)scales[i / 16] * (float)(q - 32);
    }
}

/* Number i of 256 with 2 bits each: each half of the block has 32 bytes, and each byte a number of four runs of 32. */
static int two_bits(const uint8_t *packed, int i) { return packed[i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3; }

/* x = d scale q - dmin minimum in runs of 16, whose scales and minima are the lower and the upper halves of 16 bytes. */
static void decode_2(const uint8_t *block, float *values) {
    const uint8_t *packed = block + large / 16, *factors = packed + large / 4;
    const float d = half(factors), d_minimum = half(factors + 2);
    for (int i = 0; i < large; i++) {
        const float factor = d * (float)(block[i / 16] & 15), offset = d_minimum * (float)(block[i / 16] >> 4);
        values[i] = factor * (float)two_bits(packed, i) - offset;
    }
}

/* x = d (scale - 32) (q - 4) in runs of 16; the third bits of run j of 32 are bits j of the first 32 bytes. Scales have 6 bits:
 * the lower 4 are the lower halves of 8 bytes, then the upper ones; the upper 2 are in 4 bytes, a number of four runs in each. */
static void decode_3(const uint8_t *block, float *values) {
    const uint8_t *third = block, *packed = third + large / 8, *scales = packed + large / 4;
    const float d = half(scales + 12);
    for (int i = 0; i < large; i++) {
        const int j = i / 16, low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
        const int scale = low | (scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4;
        const int q = two_bits(packed, i) | (third[i % 32] >> i / 32 & 1) << 2;
        values[i] = d * (float)(scale - 32) * (float)(q - 4);
    }
}

/* What the 4 bits of IQ4_NL and IQ4_XS mean, and twice what those of MXFP4 (1 sign, 2 exponent, 1 mantissa) do. */
static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static const int8_t floats[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* x = factor table[q]: the lower halves of 16 bytes, then the upper ones. */
static void look_up(const uint8_t *nibbles, const int8_t *table, float factor, float *values) {
    for (int i = 0; i < small; i++)
        values[i] = factor * (float)table[i < small / 2 ? nibbles[i] & 15 : nibbles[i - small / 2] >> 4];
}

/* Runs of 32, whose scales have 6 bits: the upper 2 are in a word of 16 bits, the lower 4 in 4 bytes. */
static void decode_iq4_xs(const uint8_t *block, float *values) {
    const float d = half(block);
    const int high = block[2] | block[3] << 8;
    for (int j = 0; j < large / small; j++) {
        const int scale = (block[4 + j / 2] >> 4 * (j % 2) & 15) | (high >> 2 * j & 3) << 4;
        look_up(block + 8 + j * small / 2, nonlinear, d * (float)(scale - 32), values + j * small);
    }
}

/* The scale is 2 to the power of a byte less 127, halved because the table is doubled; the two smallest are subnormal. */
static void decode_mxfp4(const uint8_t *block, float *values) {
    const uint32_t exponent = block[0];
    const uint32_t bits = exponent < 2 ? (uint32_t)0x00200000 << exponent : (exponent - 1) << 23;
    float factor;
    memcpy(&factor, &bits, sizeof factor);
    look_up(block + 1, floats, factor, values);
}

/* x = d (q - 1); five numbers of 3 values are a byte, b = ceil(256 n / 243): number k is the k-th digit of b / 256 to the base 3.
 * 32 bytes have 160 numbers, the next 16 have 80, and 4 the last 16, four in each. */
static void decode_tq1(const uint8_t *block, float *values) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    const float d = half(block + 52);
    for (int i = 0; i < large; i++) {
        const int first = i < 160 ? 0 : i < 240 ? 160 : 240, width = i < 160 ? 32 : i < 240 ? 16 : 4;
        const uint8_t *bytes = block + first / 5;
        const uint8_t rest = (uint8_t)(bytes[(i - first) % width] * powers[(i - first) / width]);
        values[i] = d * (float)((rest * 3 >> 8) - 1);
    }
}

static void decode_tq2(const uint8_t *block, float *values) {
    const float d = half(block + large / 4);
    for (int i = 0; i < large; i++) values[i] = d * (float)(two_bits(block, i) - 1);
}

static void decode(const uint8_t *block, nk_dtype dtype, float *values) {
    switch (dtype) {
    case NK_F32: case NK_F16: case NK_BF16: return;
    case NK_Q4_0: decode_4(block, 0, values); return;
    case NK_Q4_1: decode_4(block, 1, values); return;
    case NK_Q5_0: decode_5(block, 0, values); return;
    case NK_Q5_1: decode_5(block, 1, values); return;
    case NK_Q8_0: decode_8(block, values); return;
    case NK_Q4_K: decode_k(block, 0, values); return;
    case NK_Q5_K: decode_k(block, 1, values); return;
    case NK_Q6_K: decode_6(block, values); return;
    case NK_Q2_K: decode_2(block, values); return;
    case NK_Q3_K: decode_3(block, values); return;
    case NK_IQ4_NL: look_up(block + 2, nonlinear, half(block), values); return;
    case NK_IQ4_XS: decode_iq4_xs(block, values); return;
    case NK_MXFP4: decode_mxfp4(block, values); return;
    case NK_TQ1_0: decode_tq1(block, values); return;
    case NK_TQ2_0: decode_tq2(block, values); return;
    }
}

void nk_to_f32(const void *source, nk_dtype dtype, size_t count, float *destination) {
    const size_t elements = nk_dtype_block(dtype), bytes = block_bytes(dtype);
    if (elements == 1) {
        nk_kernels_in_use()->to_f32(source, dtype, count, destination);
        return;
    }
    for (size_t i = 0; i < count / elements; i++)
        decode((const uint8_t *)source + i * bytes, dtype, destination + i * elements);
}
