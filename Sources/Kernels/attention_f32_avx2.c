/* attention_f32_avx2.c: attention with AVX2: up to 6 queries x 16 keys (half a panel) in 12 of the 16 registers. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX2, apply_to = function)
#include "vector_avx2.h"

#include "vector_math.h"

#include "attention_f32_body.h"
#include "attention_softmax_body.h"

DEFINE_ATTENTION_TILE(1)
DEFINE_ATTENTION_TILE(2)
DEFINE_ATTENTION_TILE(3)
DEFINE_ATTENTION_TILE(4)
DEFINE_ATTENTION_TILE(5)
DEFINE_ATTENTION_TILE(6)

static const attention_tile_function tiles[7] = {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};
static const attention_tile_function half_tiles[7] = {NULL,        half_tile_1, half_tile_2, half_tile_3,
                                                      half_tile_4, half_tile_5, half_tile_6};
#pragma clang attribute pop

const nk_attention_kernels nk_attention_f32_avx2 = {6, pack_keys, pack_values, products, softmax_tile, weigh};
#endif
