/* vector_avx512.h: the vocabulary of the *_body.h files for AVX-512. Include inside the target attribute region. */
#include <immintrin.h>

#define VECTOR_INLINE static inline __attribute__((always_inline))

typedef __m512 vec;
typedef __m512i veci;
typedef __mmask16 vmask;
enum { VW = 16 };
#define NK_VECTOR_BYTES 64

VECTOR_INLINE vec v_set(float x) { return _mm512_set1_ps(x); }
VECTOR_INLINE vec v_load(const float *p) { return _mm512_loadu_ps(p); }
VECTOR_INLINE void v_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
/* The first n lanes, n >= VW: all. */
VECTOR_INLINE vmask v_first(size_t n) { return n >= VW ? (vmask)0xffff : (vmask)((1u << n) - 1); }
VECTOR_INLINE vec v_load_masked(vmask m, const float *p) { return _mm512_maskz_loadu_ps(m, p); }
VECTOR_INLINE void v_store_masked(float *p, vmask m, vec x) { _mm512_mask_storeu_ps(p, m, x); }
VECTOR_INLINE vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
VECTOR_INLINE vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
VECTOR_INLINE vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
VECTOR_INLINE vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
VECTOR_INLINE vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
VECTOR_INLINE vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
/* The second operand where either is NaN. */
VECTOR_INLINE vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); }
VECTOR_INLINE vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
VECTOR_INLINE vec v_round(vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
VECTOR_INLINE vec v_scale_by_power(vec a, vec n) { return _mm512_scalef_ps(a, n); }
/* a 2^n for whole n in v_least_exponent...127; 0 (or a tiny remainder) below -126. NaN in a stays. */
static const float v_least_exponent = -160;
VECTOR_INLINE vec v_scale_by_normal_power(vec a, vec n) { return _mm512_scalef_ps(a, n); }
/* Relative error at most 2^-14. */
VECTOR_INLINE vec v_rough_reciprocal(vec a) { return _mm512_rcp14_ps(a); }
VECTOR_INLINE vec v_abs(vec a) { return _mm512_abs_ps(a); }
VECTOR_INLINE vec v_copysign(vec magnitude, vec sign) {
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_set1_epi32((int)0x80000000), _mm512_castps_si512(sign),
                                                         _mm512_castps_si512(magnitude), 0xca));
}
VECTOR_INLINE vmask v_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
VECTOR_INLINE vmask v_is_nan(vec a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
VECTOR_INLINE vmask v_and(vmask a, vmask b) { return a & b; }
/* m ? a : b */
VECTOR_INLINE vec v_select(vmask m, vec a, vec b) { return _mm512_mask_blend_ps(m, b, a); }
VECTOR_INLINE float v_sum(vec a) { return _mm512_reduce_add_ps(a); }
VECTOR_INLINE float v_greatest(vec a) { return _mm512_reduce_max_ps(a); }
VECTOR_INLINE float v_lane0(vec a) { return _mm512_cvtss_f32(a); }

VECTOR_INLINE veci vi_set(int32_t x) { return _mm512_set1_epi32(x); }
VECTOR_INLINE veci vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
VECTOR_INLINE void vi_store(void *p, veci a) { _mm512_storeu_si512(p, a); }
VECTOR_INLINE veci vi_add(veci a, veci b) { return _mm512_add_epi32(a, b); }
VECTOR_INLINE veci vi_sub(veci a, veci b) { return _mm512_sub_epi32(a, b); }
VECTOR_INLINE veci vi_mul(veci a, veci b) { return _mm512_mullo_epi32(a, b); }
VECTOR_INLINE veci vi_abs(veci a) { return _mm512_abs_epi32(a); }
VECTOR_INLINE veci vi_min(veci a, veci b) { return _mm512_min_epi32(a, b); }
VECTOR_INLINE veci vi_max(veci a, veci b) { return _mm512_max_epi32(a, b); }
VECTOR_INLINE vmask vi_at_most(veci a, veci b) { return _mm512_cmple_epi32_mask(a, b); }
VECTOR_INLINE int32_t vi_sum(veci a) { return _mm512_reduce_add_epi32(a); }
VECTOR_INLINE int32_t vi_greatest(veci a) { return _mm512_reduce_max_epi32(a); }
VECTOR_INLINE veci vi_from_bits(vec a) { return _mm512_castps_si512(a); }
VECTOR_INLINE veci vi_rounded(vec a) { return _mm512_cvtps_epi32(a); }
/* The lanes, which a byte can hold, as bytes. */
VECTOR_INLINE void vi_store_bytes(int8_t *p, veci a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a)); }
VECTOR_INLINE void vi_store_all_bytes(int8_t *p, veci a, veci b, veci c, veci d) {
    const veci mixed = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    const veci order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, mixed));
}
/* sums + the products of two signed numbers of 16 bits each. The compiler must not add products up first: it would run out of
 * registers for them. */
VECTOR_INLINE veci vi_multiply_pairs_add(veci a, veci b, veci sums) {
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(a, b));
    __asm__("" : "+v"(sums));
    return sums;
}
/* Of four unsigned bytes, the even and the odd ones as numbers of 16 bits. */
VECTOR_INLINE veci vi_even_bytes(veci a) { return _mm512_and_si512(a, _mm512_set1_epi32(0x00ff00ff)); }
VECTOR_INLINE veci vi_odd_bytes(veci a) { return _mm512_srli_epi16(a, 8); }
/* A table of 16 bytes, and the bytes that bytes below 16 choose from it. */
VECTOR_INLINE veci vi_table(const void *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p)); }
VECTOR_INLINE veci vi_lookup(veci table, veci index) { return _mm512_shuffle_epi8(table, index); }
/* The lower and the upper four bits of each byte. */
VECTOR_INLINE veci vi_low_halves(veci a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
VECTOR_INLINE veci vi_high_halves(veci a) { return vi_low_halves(_mm512_srli_epi16(a, 4)); }
VECTOR_INLINE vec vi_to_float(veci a) { return _mm512_cvtepi32_ps(a); }
VECTOR_INLINE vec v_lookup(const float *table, veci index) { return _mm512_i32gather_ps(index, table, 4); }

VECTOR_INLINE vec v_from_f16(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
VECTOR_INLINE vec v_from_bf16(const void *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
/* The nearest number that bf16 holds, ties to even. NaN stays NaN. */
VECTOR_INLINE vec v_round_to_bf16(vec a) {
    const __m512i bits = _mm512_castps_si512(a), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const vec rounded = _mm512_castsi512_ps(_mm512_and_si512(sum, _mm512_set1_epi32((int)0xffff0000)));
    return v_select(v_is_nan(a), a, rounded);
}
/* The first and the second number of each pair of bf16. */
VECTOR_INLINE vec v_bf16_first(vec pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16));
}
VECTOR_INLINE vec v_bf16_second(vec pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32((int)0xffff0000)));
}

/* angle = quadrant * pi/2 + rest, |rest| <= pi/4, in double precision: the product with pi/2 is off by less than
 * 1e-11 for angles up to 1e5. */
VECTOR_INLINE vec v_reduce_angle(vec angle, veci *quadrant) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(angle));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(angle, 1));
    const __m512d inverse = _mm512_set1_pd(0x1.45f306dc9c883p-1), step = _mm512_set1_pd(0x1.921fb54442d18p+0);
    const __m512d n = _mm512_roundscale_pd(_mm512_mul_pd(low, inverse), 8);
    const __m512d m = _mm512_roundscale_pd(_mm512_mul_pd(high, inverse), 8);
    *quadrant = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtpd_epi32(n)), _mm512_cvtpd_epi32(m), 1);
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_fnmadd_pd(n, step, low))),
                              _mm512_cvtpd_ps(_mm512_fnmadd_pd(m, step, high)), 1);
}
/* Lanes whose integer has the given bit. */
VECTOR_INLINE vmask vi_has_bit(veci a, int32_t bit) { return _mm512_test_epi32_mask(a, _mm512_set1_epi32(bit)); }
/* (x1, x0, x3, x2, ...) */
VECTOR_INLINE vec v_swap_pairs(vec a) { return _mm512_permute_ps(a, 0xb1); }
/* (x0, x0, x1, x1, ...) of the lower half, of the upper half. */
VECTOR_INLINE vec v_double_low(vec a) {
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), a);
}
VECTOR_INLINE vec v_double_high(vec a) {
    return _mm512_permutexvar_ps(_mm512_setr_epi32(8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15), a);
}
/* (-x0, x1, -x2, x3, ...) */
VECTOR_INLINE vec v_negate_even(vec a) {
    return _mm512_xor_ps(a, _mm512_castsi512_ps(_mm512_set1_epi64(0x80000000)));
}

/* Transposes VW x VW in place. */
VECTOR_INLINE void v_transpose(vec r[VW]) {
    vec t[VW];
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i += 4) {
#define PAIR(low, a, b)                                                                                              \
    _mm512_castpd_ps(low ? _mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))                              \
                         : _mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
        r[i] = PAIR(1, t[i], t[i + 2]);
        r[i + 1] = PAIR(0, t[i], t[i + 2]);
        r[i + 2] = PAIR(1, t[i + 1], t[i + 3]);
        r[i + 3] = PAIR(0, t[i + 1], t[i + 3]);
#undef PAIR
    }
    /* r[4 g + k] holds, per 128-bit lane l, column 4 l + k of rows 4 g ... 4 g + 3. */
#pragma clang loop unroll(full)
    for (int k = 0; k < 4; k++) {
        const vec a = _mm512_shuffle_f32x4(r[k], r[4 + k], 0x88), b = _mm512_shuffle_f32x4(r[k], r[4 + k], 0xdd);
        const vec c = _mm512_shuffle_f32x4(r[8 + k], r[12 + k], 0x88);
        const vec d = _mm512_shuffle_f32x4(r[8 + k], r[12 + k], 0xdd);
        t[k] = _mm512_shuffle_f32x4(a, c, 0x88);
        t[4 + k] = _mm512_shuffle_f32x4(b, d, 0x88);
        t[8 + k] = _mm512_shuffle_f32x4(a, c, 0xdd);
        t[12 + k] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++) r[i] = t[i];
}
