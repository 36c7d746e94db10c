/* gemm_bf16_avx512.c: products in bf16 on AVX-512 without BF16. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX512, apply_to = function)
#include "vector_avx512.h"

#include "gemm_bf16_body.h"
#pragma clang attribute pop

const nk_product nk_product_bf16_avx512 = NK_PRODUCT_BF16_WIDENED;
#endif
