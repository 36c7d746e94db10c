/* gemm_f32_avx2.c: products on AVX2: up to 6 rows x 16 outputs (half a panel) in 12 of the 16 registers. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX2, apply_to = function)
#include "vector_avx2.h"

#include "vector_math.h"

#include "gemm_f32_body.h"

DEFINE_TILE(1, 2) DEFINE_TILE(1, 4)
DEFINE_TILE(2, 2)
DEFINE_TILE(3, 1) DEFINE_TILE(4, 1) DEFINE_TILE(5, 1) DEFINE_TILE(6, 1)

static const tile_function functions[7] = {NULL, tile_1x2, tile_2x2, tile_3x1, tile_4x1, tile_5x1, tile_6x1};
static const size_t strips_at_once[7] = {0, 2, 2, 1, 1, 1, 1};

void nk_tile_f32_avx2(NK_TILE_F32_PARAMETERS) {
    const size_t strips = panel_count * strips_per_panel;
    size_t strip = 0;
    if (rows == 1)
        for (; strip + 4 <= strips; strip += 4)
            tile_1x4(a, a_stride, panels, panel_stride, strip, inputs, c, c_stride, start_scale);
    for (; strip < strips; strip += strips_at_once[rows])
        functions[rows](a, a_stride, panels, panel_stride, strip, inputs, c, c_stride, start_scale);
}

void nk_epilogue_f32_avx2(NK_EPILOGUE_F32_PARAMETERS) { epilogue_f32(sums, sums_stride, rows, columns, epilogue); }

#pragma clang attribute pop
#endif
