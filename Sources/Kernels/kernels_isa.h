/* kernels_isa.h: target attributes, and the kernels of one instruction set that live in different files. */
#ifndef NESTLING_KERNELS_ISA_H
#define NESTLING_KERNELS_ISA_H

#include "kernels_internal.h"

/* A contraction that the compiler chooses could differ between the main part and the tail of a loop. */
#pragma STDC FP_CONTRACT OFF

#define NK_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define NK_TARGET_AVX512VNNI                                                                                         \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define NK_TARGET_AVX512BF16                                                                                         \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")))
#define NK_TARGET_AVX2VNNI __attribute__((target("avxvnni,avx2,fma,f16c")))
#define NK_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))

#define NK_TILE_F32_PARAMETERS                                                                                       \
    const float *a, size_t a_stride, size_t rows, const float *panels, size_t panel_stride, size_t panel_count,      \
        size_t inputs, float *c, size_t c_stride, const float *start_scale
#define NK_EPILOGUE_F32_PARAMETERS                                                                                   \
    const float *sums, size_t sums_stride, size_t rows, size_t columns, const nk_epilogue_f32 *epilogue
#define NK_TRANSPOSE_PANEL_PARAMETERS                                                                                \
    const float *rows, size_t stride, size_t lanes, size_t inputs, float *panel
#define NK_PACK_QUERIES_PARAMETERS const float *rows, size_t stride, size_t count, size_t size, nk_word *words
#define NK_PACK_KEYS_PARAMETERS const float *rows, size_t stride, size_t keys, size_t size, nk_word *panels
#define NK_PACK_VALUES_PARAMETERS                                                                                    \
    const float *rows, size_t stride, size_t keys, size_t columns, nk_word *panels, size_t panel_stride
#define NK_PRODUCTS_PARAMETERS                                                                                       \
    const nk_word *queries, size_t query_stride, size_t rows, const nk_word *panels, size_t steps, size_t keys,      \
        float *scores, size_t score_stride
#define NK_SOFTMAX_PARAMETERS                                                                                        \
    float *scores, size_t stride, size_t rows, const nk_key_range *ranges, const int32_t *positions,                 \
        const nk_softmax_rule *rule, float *maximum, float *sum, float *kept
#define NK_WEIGH_PARAMETERS                                                                                          \
    const nk_word *weights, size_t weight_stride, size_t rows, const nk_word *panels, size_t panel_stride,           \
        size_t steps, const nk_weighing *w
#define NK_ROPE_ANGLES_PARAMETERS                                                                                    \
    int32_t position, const float *inverse_frequency, size_t count, float magnitude, float *cosine, float *sine
#define NK_ROPE_ROTATE_PARAMETERS float *head, size_t half, const float *cosine, const float *sine, int interleaved

#define NK_DECLARE_KERNELS(isa)                                                                                      \
    void nk_tile_f32_##isa(NK_TILE_F32_PARAMETERS);                                                                  \
    void nk_epilogue_f32_##isa(NK_EPILOGUE_F32_PARAMETERS);                                                          \
    void nk_attention_products_##isa(NK_PRODUCTS_PARAMETERS);                                                        \
    void nk_attention_weigh_##isa(NK_WEIGH_PARAMETERS);                                                              \
    extern const nk_attention_kernels nk_attention_f32_##isa, nk_attention_bf16_##isa;

extern const nk_attention_kernels nk_attention_f32_portable, nk_attention_bf16_portable;
extern const nk_attention_kernels nk_attention_bf16_avx512bf16;
NK_DECLARE_KERNELS(avx2)
NK_DECLARE_KERNELS(avx512)

#endif
