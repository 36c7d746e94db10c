/* gemm_bf16_avx2.c: products in bf16 on AVX2. */
#include "kernels_isa.h"

#if defined(__x86_64__)
#pragma clang attribute push(NK_TARGET_AVX2, apply_to = function)
#include "vector_avx2.h"

#include "gemm_bf16_body.h"
#pragma clang attribute pop

const nk_product nk_product_bf16_avx2 = NK_PRODUCT_BF16_WIDENED;
#endif
