/* codec_bf16_rounding.h: float32 to bf16. */
#ifndef NESTLING_CODEC_BF16_ROUNDING_H
#define NESTLING_CODEC_BF16_ROUNDING_H

#include <stdint.h>

/* To nearest, ties to even; NaN stays NaN. */
static inline uint32_t nk_bf16_from_bits(uint32_t bits) {
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded;
}

#endif
