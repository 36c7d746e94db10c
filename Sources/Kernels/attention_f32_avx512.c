/* attention_f32_avx512.c: attention with AVX-512: up to 14 queries x 32 keys in 28 of the 32 registers. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#include "attention_f32_body.h"
#include "attention_softmax_body.h"

DEFINE_ATTENTION_TILE(1)
DEFINE_ATTENTION_TILE(2)
DEFINE_ATTENTION_TILE(3)
DEFINE_ATTENTION_TILE(4)
DEFINE_ATTENTION_TILE(5)
DEFINE_ATTENTION_TILE(6)
DEFINE_ATTENTION_TILE(7)
DEFINE_ATTENTION_TILE(8)
DEFINE_ATTENTION_TILE(9)
DEFINE_ATTENTION_TILE(10)
DEFINE_ATTENTION_TILE(11)
DEFINE_ATTENTION_TILE(12)
DEFINE_ATTENTION_TILE(13)
DEFINE_ATTENTION_TILE(14)

static const attention_tile_function tiles[15] = {NULL,   tile_1, tile_2, tile_3,  tile_4,  tile_5,  tile_6, tile_7,
                                                  tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14};
static const attention_tile_function half_tiles[15] = {
    NULL,        half_tile_1, half_tile_2,  half_tile_3,  half_tile_4,  half_tile_5,  half_tile_6, half_tile_7,
    half_tile_8, half_tile_9, half_tile_10, half_tile_11, half_tile_12, half_tile_13, half_tile_14};
#pragma clang attribute pop

const nk_attention_kernels nk_attention_f32_avx512 = {14, pack_keys, pack_values, products, softmax_tile, weigh};
#endif
