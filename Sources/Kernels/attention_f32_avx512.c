/* attention_f32_avx512.c: softmax and rotary positions with AVX-512. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#include "attention_f32_body.h"

void nk_transpose_panel_avx512(NK_TRANSPOSE_PANEL_PARAMETERS) { transpose_panel(rows, stride, lanes, inputs, panel); }

void nk_softmax_rows_avx512(NK_SOFTMAX_ROWS_PARAMETERS) {
    softmax_rows(scores, stride, rows, ranges, positions, rule, maximum, sum, kept);
}

void nk_rope_angles_avx512(NK_ROPE_ANGLES_PARAMETERS) {
    rope_angles(position, inverse_frequency, count, magnitude, cosine, sine);
}

void nk_rope_rotate_avx512(NK_ROPE_ROTATE_PARAMETERS) { rope_rotate(head, half, cosine, sine, interleaved); }

#pragma clang attribute pop
#endif
