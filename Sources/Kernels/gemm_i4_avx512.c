/* gemm_i4_avx512.c: products in int4 on AVX-512 without VNNI: bytes are widened and multiplied as numbers of 16 bits. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "vector_math.h"

enum { tile_parts = 2 };

VECTOR_INLINE veci tile_part(const int p, veci words) { return p == 0 ? vi_even_bytes(words) : vi_odd_bytes(words); }
VECTOR_INLINE veci tile_multiply(veci words, veci x, veci sums) { return vi_multiply_pairs_add(words, x, sums); }

#include "gemm_i4_body.h"
#pragma clang attribute pop

const nk_product nk_product_i4_avx512 = NK_PRODUCT_I4;
#endif
