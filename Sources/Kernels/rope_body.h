/* rope_body.h: rotary positions, for any vector width. */

/* sin and cos of the rest by Cephes' polynomials for |r| <= pi/4 (2 ulp), then turned by the quadrant. */
VECTOR_INLINE void v_sine_cosine(vec angle, vec *sine, vec *cosine) {
    veci quadrant;
    const vec r = v_reduce_angle(angle, &quadrant), s = v_mul(r, r);
    vec p = v_fma(v_set(-1.9515295891e-4f), s, v_set(8.3321608736e-3f));
    p = v_fma(p, s, v_set(-1.6666654611e-1f));
    const vec sin = v_fma(v_mul(p, s), r, r);
    vec q = v_fma(v_set(2.443315711809948e-5f), s, v_set(-1.388731625493765e-3f));
    q = v_fma(q, s, v_set(4.166664568298827e-2f));
    const vec cos = v_fma(v_mul(q, s), s, v_fnma(v_set(0.5f), s, v_set(1.0f)));
    const vmask odd = vi_has_bit(quadrant, 1);
    const vec zero = v_set(0.0f), first = v_select(odd, cos, sin), second = v_select(odd, sin, cos);
    *sine = v_select(vi_has_bit(quadrant, 2), v_sub(zero, first), first);
    *cosine = v_select(vi_has_bit(vi_add(quadrant, vi_set(1)), 2), v_sub(zero, second), second);
}

VECTOR_INLINE void rope_angles(int32_t position, const float *inverse_frequency, size_t count, float magnitude,
                               float *cosine, float *sine) {
    const vec p = v_set((float)position), m = v_set(magnitude);
    EACH_VECTOR(j, count, {
        vec s;
        vec c;
        v_sine_cosine(v_mul(p, v_load_part(whole, mask, inverse_frequency + j)), &s, &c);
        v_store_part(whole, mask, cosine + j, v_mul(c, m));
        v_store_part(whole, mask, sine + j, v_mul(s, m));
    });
}

/* a cos - b sin and b cos + a sin, each as one product and one fused multiply-add, in both layouts. */
VECTOR_INLINE void rope_rotate(float *head, size_t half, const float *cosine, const float *sine, int interleaved) {
    if (!interleaved) {
        EACH_VECTOR(j, half, {
            const vec a = v_load_part(whole, mask, head + j), b = v_load_part(whole, mask, head + half + j);
            const vec c = v_load_part(whole, mask, cosine + j), s = v_load_part(whole, mask, sine + j);
            v_store_part(whole, mask, head + j, v_fnma(b, s, v_mul(a, c)));
            v_store_part(whole, mask, head + half + j, v_fma(a, s, v_mul(b, c)));
        });
        return;
    }
    EACH_VECTOR(j, half, {
        const vec c = v_load_part(whole, mask, cosine + j), s = v_load_part(whole, mask, sine + j);
        float *pairs = head + 2 * j;
        const size_t rest = 2 * (half - j);
        const vmask low = v_first(rest), high = v_first(rest > VW ? rest - VW : 0);
        const vec x = v_load_part(whole, low, pairs), y = v_load_part(whole, high, pairs + VW);
        v_store_part(whole, low, pairs,
                     v_fma(v_swap_pairs(x), v_negate_even(v_double_low(s)), v_mul(x, v_double_low(c))));
        v_store_part(whole, high, pairs + VW,
                     v_fma(v_swap_pairs(y), v_negate_even(v_double_high(s)), v_mul(y, v_double_high(c))));
    });
}
