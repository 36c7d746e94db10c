/* vector_avx2.h: the vocabulary of the *_body.h files for AVX2 with FMA. Include inside the target attribute region. */
#include <immintrin.h>

#define VECTOR_INLINE static inline __attribute__((always_inline))

typedef __m256 vec;
typedef __m256i veci;
typedef __m256i vmask; /* all bits of a chosen lane */
enum { VW = 8 };
#define NK_VECTOR_BYTES 32

VECTOR_INLINE vec v_set(float x) { return _mm256_set1_ps(x); }
VECTOR_INLINE vec v_load(const float *p) { return _mm256_loadu_ps(p); }
VECTOR_INLINE void v_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
/* The first n lanes, n >= VW: all. */
VECTOR_INLINE vmask v_first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n >= VW ? VW : (int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
VECTOR_INLINE vec v_load_masked(vmask m, const float *p) { return _mm256_maskload_ps(p, m); }
VECTOR_INLINE void v_store_masked(float *p, vmask m, vec x) { _mm256_maskstore_ps(p, m, x); }
VECTOR_INLINE vec v_add(vec a, vec b) { return _mm256_add_ps(a, b); }
VECTOR_INLINE vec v_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
VECTOR_INLINE vec v_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
VECTOR_INLINE vec v_div(vec a, vec b) { return _mm256_div_ps(a, b); }
VECTOR_INLINE vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
VECTOR_INLINE vec v_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
/* The second operand where either is NaN. */
VECTOR_INLINE vec v_min(vec a, vec b) { return _mm256_min_ps(a, b); }
VECTOR_INLINE vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
VECTOR_INLINE vec v_round(vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/* a 2^n for whole |n| <= 252: two steps, because 2^n alone may not be a number. */
VECTOR_INLINE vec v_scale_by_power(vec a, vec n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    const vec first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const vec second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, first), second);
}
/* a 2^n for whole n in v_least_exponent...127; 0 for n = -127: the exponent's bits are then all zero. NaN in a stays. */
static const float v_least_exponent = -127;
VECTOR_INLINE vec v_scale_by_normal_power(vec a, vec n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
/* Relative error at most 2^-14: the instruction's estimate (1.5 * 2^-12) differs between makers, and a step of Newton's
 * would turn infinity into NaN. */
VECTOR_INLINE vec v_rough_reciprocal(vec a) { return _mm256_div_ps(_mm256_set1_ps(1.0f), a); }
VECTOR_INLINE vec v_abs(vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
VECTOR_INLINE vec v_copysign(vec magnitude, vec sign) {
    const vec bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
VECTOR_INLINE vmask v_less(vec a, vec b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
VECTOR_INLINE vmask v_is_nan(vec a) { return _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
VECTOR_INLINE vmask v_and(vmask a, vmask b) { return _mm256_and_si256(a, b); }
/* m ? a : b */
VECTOR_INLINE vec v_select(vmask m, vec a, vec b) { return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m)); }
VECTOR_INLINE float v_sum(vec a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
VECTOR_INLINE float v_greatest(vec a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
VECTOR_INLINE float v_lane0(vec a) { return _mm256_cvtss_f32(a); }

VECTOR_INLINE veci vi_set(int32_t x) { return _mm256_set1_epi32(x); }
VECTOR_INLINE veci vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
VECTOR_INLINE void vi_store(void *p, veci a) { _mm256_storeu_si256(p, a); }
VECTOR_INLINE veci vi_add(veci a, veci b) { return _mm256_add_epi32(a, b); }
VECTOR_INLINE veci vi_sub(veci a, veci b) { return _mm256_sub_epi32(a, b); }
VECTOR_INLINE veci vi_mul(veci a, veci b) { return _mm256_mullo_epi32(a, b); }
VECTOR_INLINE veci vi_abs(veci a) { return _mm256_abs_epi32(a); }
VECTOR_INLINE veci vi_min(veci a, veci b) { return _mm256_min_epi32(a, b); }
VECTOR_INLINE veci vi_max(veci a, veci b) { return _mm256_max_epi32(a, b); }
VECTOR_INLINE vmask vi_at_most(veci a, veci b) {
    return _mm256_xor_si256(_mm256_cmpgt_epi32(a, b), _mm256_set1_epi32(-1));
}
VECTOR_INLINE int32_t vi_sum(veci a) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
VECTOR_INLINE int32_t vi_greatest(veci a) {
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
VECTOR_INLINE veci vi_from_bits(vec a) { return _mm256_castps_si256(a); }
VECTOR_INLINE veci vi_rounded(vec a) { return _mm256_cvtps_epi32(a); }
/* The lanes, which a byte can hold, as bytes. */
VECTOR_INLINE void vi_store_bytes(int8_t *p, veci a) {
    const __m128i x = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(x, x));
}
VECTOR_INLINE void vi_store_all_bytes(int8_t *p, veci a, veci b, veci c, veci d) {
    const veci mixed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    const veci order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32(mixed, order));
}
/* sums + the products of two signed numbers of 16 bits each. The compiler must not add products up first: it would run out of
 * registers for them. */
VECTOR_INLINE veci vi_multiply_pairs_add(veci a, veci b, veci sums) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
    __asm__("" : "+x"(sums));
    return sums;
}
/* Of four unsigned bytes, the even and the odd ones as numbers of 16 bits. */
VECTOR_INLINE veci vi_even_bytes(veci a) { return _mm256_and_si256(a, _mm256_set1_epi32(0x00ff00ff)); }
VECTOR_INLINE veci vi_odd_bytes(veci a) { return _mm256_srli_epi16(a, 8); }
/* A table of 16 bytes, and the bytes that bytes below 16 choose from it. */
VECTOR_INLINE veci vi_table(const void *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)); }
VECTOR_INLINE veci vi_lookup(veci table, veci index) { return _mm256_shuffle_epi8(table, index); }
/* The lower and the upper four bits of each byte. */
VECTOR_INLINE veci vi_low_halves(veci a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
VECTOR_INLINE veci vi_high_halves(veci a) { return vi_low_halves(_mm256_srli_epi16(a, 4)); }
VECTOR_INLINE vec vi_to_float(veci a) { return _mm256_cvtepi32_ps(a); }
VECTOR_INLINE vec v_lookup(const float *table, veci index) { return _mm256_i32gather_ps(table, index, 4); }

VECTOR_INLINE vec v_from_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
VECTOR_INLINE vec v_from_bf16(const void *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
/* The nearest number that bf16 holds, ties to even. NaN stays NaN. */
VECTOR_INLINE vec v_round_to_bf16(vec a) {
    const __m256i bits = _mm256_castps_si256(a), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const vec rounded = _mm256_castsi256_ps(_mm256_and_si256(sum, _mm256_set1_epi32((int)0xffff0000)));
    return v_select(v_is_nan(a), a, rounded);
}
/* The first and the second number of each pair of bf16. */
VECTOR_INLINE vec v_bf16_first(vec pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
}
VECTOR_INLINE vec v_bf16_second(vec pairs) {
    return _mm256_and_ps(pairs, _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000)));
}

/* angle = quadrant * pi/2 + rest, |rest| <= pi/4, in double precision: the product with pi/2 is off by less than
 * 1e-11 for angles up to 1e5. */
VECTOR_INLINE vec v_reduce_angle(vec angle, veci *quadrant) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(angle));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(angle, 1));
    const __m256d inverse = _mm256_set1_pd(0x1.45f306dc9c883p-1), step = _mm256_set1_pd(0x1.921fb54442d18p+0);
    const __m256d n = _mm256_round_pd(_mm256_mul_pd(low, inverse), 8);
    const __m256d m = _mm256_round_pd(_mm256_mul_pd(high, inverse), 8);
    *quadrant = _mm256_set_m128i(_mm256_cvtpd_epi32(m), _mm256_cvtpd_epi32(n));
    return _mm256_set_m128(_mm256_cvtpd_ps(_mm256_fnmadd_pd(m, step, high)),
                           _mm256_cvtpd_ps(_mm256_fnmadd_pd(n, step, low)));
}
/* Lanes whose integer has the given bit. */
VECTOR_INLINE vmask vi_has_bit(veci a, int32_t bit) {
    const __m256i chosen = _mm256_set1_epi32(bit);
    return _mm256_cmpeq_epi32(_mm256_and_si256(a, chosen), chosen);
}
/* (x1, x0, x3, x2, ...) */
VECTOR_INLINE vec v_swap_pairs(vec a) { return _mm256_permute_ps(a, 0xb1); }
/* (x0, x0, x1, x1, ...) of the lower half, of the upper half. */
VECTOR_INLINE vec v_double_low(vec a) {
    return _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
VECTOR_INLINE vec v_double_high(vec a) {
    return _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7));
}
/* (-x0, x1, -x2, x3, ...) */
VECTOR_INLINE vec v_negate_even(vec a) {
    return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi64x(0x80000000)));
}

/* Transposes VW x VW in place. */
VECTOR_INLINE void v_transpose(vec r[VW]) {
    vec t[VW], u[VW];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}
