/* gemm_f32_avx512.c: products on AVX-512: up to 14 rows x 32 outputs in 28 of the 32 registers. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#include "gemm_f32_body.h"

DEFINE_TILE(1, 1) DEFINE_TILE(1, 4)
DEFINE_TILE(2, 1) DEFINE_TILE(2, 2)
DEFINE_TILE(3, 1) DEFINE_TILE(3, 2)
DEFINE_TILE(4, 1) DEFINE_TILE(5, 1) DEFINE_TILE(6, 1) DEFINE_TILE(7, 1) DEFINE_TILE(8, 1) DEFINE_TILE(9, 1)
DEFINE_TILE(10, 1) DEFINE_TILE(11, 1) DEFINE_TILE(12, 1) DEFINE_TILE(13, 1) DEFINE_TILE(14, 1)

static const tile_function narrow[15] = {NULL,     tile_1x1,  tile_2x1,  tile_3x1,  tile_4x1,
                                         tile_5x1, tile_6x1,  tile_7x1,  tile_8x1,  tile_9x1,
                                         tile_10x1, tile_11x1, tile_12x1, tile_13x1, tile_14x1};
static const tile_function wide[4] = {NULL, tile_1x4, tile_2x2, tile_3x2};
static const size_t wide_strips[4] = {0, 4, 2, 2};

void nk_tile_f32_avx512(NK_TILE_F32_PARAMETERS) {
    const size_t strips = panel_count * strips_per_panel;
    size_t strip = 0;
    if (rows < 4)
        for (; strip + wide_strips[rows] <= strips; strip += wide_strips[rows])
            wide[rows](a, a_stride, panels, panel_stride, strip, inputs, c, c_stride, start_scale);
    for (; strip < strips; strip++)
        narrow[rows](a, a_stride, panels, panel_stride, strip, inputs, c, c_stride, start_scale);
}

void nk_epilogue_f32_avx512(NK_EPILOGUE_F32_PARAMETERS) { epilogue_f32(sums, sums_stride, rows, columns, epilogue); }

#pragma clang attribute pop
#endif
