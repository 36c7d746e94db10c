/* gemm_i8_avx512vnni.c: products in int8 with AVX-512 VNNI: VPDPBUSD adds the four products of a quad. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512VNNI, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

#include "gemm_i8_rows_body.h"

enum { tile_parts = 1 };

VECTOR_INLINE veci tile_part(const int p, veci words) { return words; }
VECTOR_INLINE veci tile_multiply(veci words, veci x, veci sums) { return _mm512_dpbusd_epi32(sums, words, x); }

#define NK_ONE_ROW_STRIPS 1 /* memory is read fastest in order, and VPDPBUSD is quick enough for it */
#include "gemm_i8_body.h"
#pragma clang attribute pop

const nk_product nk_product_i8_avx512vnni = NK_PRODUCT_I8(quad_words, quad_row);
#endif
