/* vector_math.h: exp, tanh, GELU and the activations on vectors. NaN in, NaN out. */

/* Within 1 ulp, subnormal results included; 0 below -104, infinity above 88.73. exp(x) = 2^n exp(r), n = round(x /
 * ln 2), |r| <= ln(2) / 2, ln 2 in two parts (Cody and Waite); polynomial of Cephes' expf. */
VECTOR_INLINE vec v_exp(vec x) {
    x = v_min(v_set(100.0f), v_max(v_set(-110.0f), x));
    const vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fnma(n, v_set(0x1.62e4p-1f), x);
    r = v_fnma(n, v_set(0x1.7f7d1cp-20f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set(1.0f));
    return v_scale_by_power(p, n);
}

/* Within 1 ulp where the result is normal; below 2^-126 it goes to 0, and is exactly 0 for -infinity. x <= 127.
 * 2^x = 2^n 2^r, |r| <= 1/2; polynomial: weighted minimax, relative error 3e-9. */
VECTOR_INLINE vec v_exp2(vec x) {
    x = v_max(v_set(v_least_exponent), x);
    const vec n = v_round(x), r = v_sub(x, n);
    vec p = v_set(0x1.416b52p-13f);
    p = v_fma(p, r, v_set(0x1.5f082ep-10f));
    p = v_fma(p, r, v_set(0x1.3b2de0p-7f));
    p = v_fma(p, r, v_set(0x1.c6af7cp-5f));
    p = v_fma(p, r, v_set(0x1.ebfbdcp-3f));
    p = v_fma(p, r, v_set(0x1.62e430p-1f));
    p = v_fma(p, r, v_set(1.0f));
    return v_scale_by_normal_power(p, n);
}

/* Likewise within 2 ulp: relative error 9.4e-8 and rounding. Exactly 1 at 0. For weights, which are summed. */
VECTOR_INLINE vec v_exp2_of_weight(vec x) {
    x = v_max(v_set(v_least_exponent), x);
    const vec n = v_round(x), r = v_sub(x, n);
    vec p = v_set(0x1.5bda58p-10f);
    p = v_fma(p, r, v_set(0x1.3ce8aep-7f));
    p = v_fma(p, r, v_set(0x1.c6b6d8p-5f));
    p = v_fma(p, r, v_set(0x1.ebf9c2p-3f));
    p = v_fma(p, r, v_set(0x1.62e42ap-1f));
    p = v_fma(p, r, v_set(1.0f));
    return v_scale_by_normal_power(p, n);
}

/* Relative error 7.5e-5 = 2^-13.7, a 52nd of what rounding to bf16 may add (2^-8). For weights that are rounded to it. */
VECTOR_INLINE vec v_exp2_of_rounded_weight(vec x) {
    x = v_max(v_set(v_least_exponent), x);
    const vec n = v_round(x), r = v_sub(x, n);
    vec p = v_set(0x1.c3f712p-5f);
    p = v_fma(p, r, v_set(0x1.f0de26p-3f));
    p = v_fma(p, r, v_set(0x1.62f31ap-1f));
    p = v_fma(p, r, v_set(0x1.fff692p-1f));
    return v_scale_by_normal_power(p, n);
}

/* GELU = max(x, 0) - |x| Phi(-|x|), with log2 Phi(-t) as a polynomial (minimax under the weight Phi(-t): 1.3e-8), which
 * falls steadily, so the tail ends in 0. Absolute error within 1e-7 max(1, |x|), 10 ulp for x > -2; unlike 1 + erf it
 * cancels nowhere. */
VECTOR_INLINE vec v_gelu(vec x) {
    const vec t = v_min(v_set(20.0f), v_abs(x));
    vec p = v_set(-1.0507617389521329e-06f);
    p = v_fma(p, t, v_set(1.86323668458499e-05f));
    p = v_fma(p, t, v_set(-9.01035382412374e-05f));
    p = v_fma(p, t, v_set(-0.000364599225576967f));
    p = v_fma(p, t, v_set(0.0073580932803452015f));
    p = v_fma(p, t, v_set(-0.05270133540034294f));
    p = v_fma(p, t, v_set(-0.45913857221603394f));
    p = v_fma(p, t, v_set(-1.151113748550415f));
    p = v_fma(p, t, v_set(-1.0f));
    return v_fnma(t, v_exp2_of_weight(p), v_max(v_set(0.0f), x));
}

/* ---- rough activations, for what is rounded to bf16 or coarser (2^-8) anyway: relative error at most 2^-12 ---- */

/* Where |x| < 3.5; beyond, where the result is x or next to nothing, the error is less than 2^-12 of 4e-4. */
VECTOR_INLINE vec v_rough_gelu(vec x) {
    const vec t = v_min(v_set(20.0f), v_abs(x));
    vec p = v_set(-0x1.8a1c36p-12f);
    p = v_fma(p, t, v_set(0x1.9f61d4p-8f));
    p = v_fma(p, t, v_set(-0x1.98869ep-5f));
    p = v_fma(p, t, v_set(-0x1.d91d3ap-2f));
    p = v_fma(p, t, v_set(-0x1.266cfcp+0f));
    p = v_fma(p, t, v_set(-0x1.0003b8p+0f));
    return v_fnma(t, v_exp2_of_rounded_weight(p), v_max(v_set(0.0f), x));
}

/* x / (1 + 2^y); 2^128.4 is infinity. */
VECTOR_INLINE vec v_rough_gate(vec x, vec y) {
    const vec power = v_exp2_of_rounded_weight(v_min(v_set(128.4f), y));
    return v_mul(x, v_rough_reciprocal(v_add(v_set(1.0f), power)));
}

/* Within 2 ulp: near 0 Cephes' odd polynomial, elsewhere 1 - 2 / (exp(2 |x|) + 1). */
VECTOR_INLINE vec v_tanh(vec x) {
    const vec t = v_abs(x), s = v_mul(x, x);
    vec far = v_div(v_set(2.0f), v_add(v_exp(v_add(t, t)), v_set(1.0f)));
    far = v_copysign(v_sub(v_set(1.0f), far), x);
    vec near = v_set(-5.70498872745e-3f);
    near = v_fma(near, s, v_set(2.06390887954e-2f));
    near = v_fma(near, s, v_set(-5.37397155531e-2f));
    near = v_fma(near, s, v_set(1.33314422036e-1f));
    near = v_fma(near, s, v_set(-3.33332819422e-1f));
    near = v_fma(v_mul(near, s), x, x);
    return v_select(v_less(t, v_set(0.625f)), near, far);
}

/* numerator / (1 + exp(-x)) */
VECTOR_INLINE vec v_sigmoid_of(vec numerator, vec x) {
    return v_div(numerator, v_add(v_set(1.0f), v_exp(v_sub(v_set(0.0f), x))));
}

VECTOR_INLINE vec v_activation(vec x, const nk_activation activation) {
    switch (activation) {
    case NK_IDENTITY: return x;
    case NK_RELU: return v_max(v_set(0.0f), x);
    case NK_GELU: return v_gelu(x);
    case NK_GELU_TANH: {
        /* (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)), without cancellation for negative u */
        const vec u = v_mul(x, v_fma(v_mul(x, x), v_set(2 * 0.7978845608f * 0.044715f), v_set(2 * 0.7978845608f)));
        return v_sigmoid_of(x, u);
    }
    case NK_SILU: return v_sigmoid_of(x, x);
    case NK_TANH: return v_tanh(x);
    case NK_SIGMOID: return v_sigmoid_of(v_set(1.0f), x);
    case NK_RELU_SQUARED: {
        const vec positive = v_max(v_set(0.0f), x);
        return v_mul(positive, positive);
    }
    case NK_QUICK_GELU: return v_sigmoid_of(x, v_mul(x, v_set(1.702f)));
    case NK_ROUGH_GELU: return v_rough_gelu(x);
    case NK_ROUGH_GELU_TANH: {
        const float factor = -2 * 0.7978845608f * 1.44269504f;
        return v_rough_gate(x, v_mul(x, v_fma(v_mul(x, x), v_set(factor * 0.044715f), v_set(factor))));
    }
    case NK_ROUGH_SILU: return v_rough_gate(x, v_mul(x, v_set(-1.44269504f)));
    case NK_ROUGH_QUICK_GELU: return v_rough_gate(x, v_mul(x, v_set(-1.702f * 1.44269504f)));
    }
    return x;
}

/* Runs a statement with a constant `activation`, so that its loop holds no branch on it. */
#define WITH_ACTIVATION(chosen, statement)                                                                           \
    switch (chosen) {                                                                                                \
    case NK_IDENTITY: { enum { activation = NK_IDENTITY }; statement; break; }                                       \
    case NK_RELU: { enum { activation = NK_RELU }; statement; break; }                                               \
    case NK_GELU: { enum { activation = NK_GELU }; statement; break; }                                               \
    case NK_GELU_TANH: { enum { activation = NK_GELU_TANH }; statement; break; }                                     \
    case NK_SILU: { enum { activation = NK_SILU }; statement; break; }                                               \
    case NK_TANH: { enum { activation = NK_TANH }; statement; break; }                                               \
    case NK_SIGMOID: { enum { activation = NK_SIGMOID }; statement; break; }                                         \
    case NK_RELU_SQUARED: { enum { activation = NK_RELU_SQUARED }; statement; break; }                               \
    case NK_QUICK_GELU: { enum { activation = NK_QUICK_GELU }; statement; break; }                                   \
    case NK_ROUGH_GELU: { enum { activation = NK_ROUGH_GELU }; statement; break; }                                   \
    case NK_ROUGH_GELU_TANH: { enum { activation = NK_ROUGH_GELU_TANH }; statement; break; }                         \
    case NK_ROUGH_SILU: { enum { activation = NK_ROUGH_SILU }; statement; break; }                                   \
    case NK_ROUGH_QUICK_GELU: { enum { activation = NK_ROUGH_QUICK_GELU }; statement; break; }                       \
    }

/* Runs statements for each vector of [0, count): `whole` is a constant, `mask` matters where it is 0 (the last
 * vector). */
#define EACH_VECTOR(i, count, ...)                                                                                   \
    do {                                                                                                             \
        const size_t each_count = (count);                                                                           \
        const vmask all = v_first(VW);                                                                               \
        size_t i = 0;                                                                                                \
        for (; i + VW <= each_count; i += VW) {                                                                      \
            enum { whole = 1 };                                                                                      \
            const vmask mask = all;                                                                                  \
            __VA_ARGS__                                                                                              \
        }                                                                                                            \
        if (i < each_count) {                                                                                        \
            enum { whole = 0 };                                                                                      \
            const vmask mask = v_first(each_count - i);                                                              \
            __VA_ARGS__                                                                                              \
        }                                                                                                            \
    } while (0)

VECTOR_INLINE vec v_load_part(const int whole, vmask mask, const float *p) {
    return whole ? v_load(p) : v_load_masked(mask, p);
}
VECTOR_INLINE void v_store_part(const int whole, vmask mask, float *p, vec x) {
    if (whole)
        v_store(p, x);
    else
        v_store_masked(p, mask, x);
}
