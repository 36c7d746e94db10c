/* gemm_i4_avx512vnni.c: products in int4 with AVX-512 VNNI: VPDPBUSD adds the four products of a quad. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512VNNI, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

enum { tile_parts = 1 };

VECTOR_INLINE veci tile_part(const int p, veci words) { return words; }
VECTOR_INLINE veci tile_multiply(veci words, veci x, veci sums) { return _mm512_dpbusd_epi32(sums, words, x); }

#include "gemm_i4_body.h"
#pragma clang attribute pop

const nk_product nk_product_i4_avx512vnni = NK_PRODUCT_I4;
#endif
