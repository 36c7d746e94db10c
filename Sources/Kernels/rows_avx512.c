/* rows_avx512.c: kernels on rows with AVX-512, and the table of this instruction set. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#include "rope_body.h"
#include "rows_body.h"
#include "softmax_row_body.h"
#include "transpose_body.h"
#pragma clang attribute pop

/* What those with and without BF16 have in common. */
#define KERNELS                                                                                                      \
    .tile_rows = 14, .tile_f32 = nk_tile_f32_avx512, .epilogue_f32 = nk_epilogue_f32_avx512,                         \
    .activate = activate, .layer_norm_row = layer_norm_row, .rms_norm_row = rms_norm_row, .to_f32 = to_f32,          \
    .transpose_panel = transpose_panel, .scale_row = scale_row, .maximum_row = maximum_row,                          \
    .sum_of_squares = sum_of_squares, .dot = dot, .keep_above = keep_above, .rope_angles = rope_angles,              \
    .rope_rotate = rope_rotate,                                                                                      \
    .softmax_row_in_two_passes = softmax_row_in_two_passes,                                                          \
    .softmax_row_in_three_passes = softmax_row_in_three_passes, .attention_f32 = &nk_attention_f32_avx512

const nk_kernels nk_kernels_avx512 = {KERNELS, .attention_bf16 = &nk_attention_bf16_avx512};
const nk_kernels nk_kernels_avx512bf16 = {KERNELS, .attention_bf16 = &nk_attention_bf16_avx512bf16};
#endif
