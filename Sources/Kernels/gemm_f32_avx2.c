/* gemm_f32_avx2.c: products in float32 on AVX2. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX2, apply_to = function)
#include "vector_avx2.h"

#include "vector_math.h"

#include "gemm_epilogue_body.h"

#include "gemm_f32_body.h"

void nk_tile_f32_avx2(NK_TILE_F32_PARAMETERS) {
    multiply_rows(a, a_stride, rows, panels, panel_stride, panel_count, inputs, c, c_stride, start_scale);
}

void nk_epilogue_f32_avx2(NK_EPILOGUE_F32_PARAMETERS) { epilogue_f32(sums, sums_stride, rows, columns, epilogue); }

#pragma clang attribute pop

const nk_product nk_product_f32_avx2 = {
    .tile_rows = most_tile_rows, .wide_rows = wide_rows, .tile = multiply_tile, .takes_epilogue = 1};
#endif
