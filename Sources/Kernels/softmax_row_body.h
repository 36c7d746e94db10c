/* softmax_row_body.h: softmax of one long row, for any vector width.
 *
 * Three passes: greatest value; exponentials and their sum; division. Two passes (Dukhan and Ablavatski, "Two-Pass Softmax
 * Algorithm", arXiv 2001.04438): exponentials are pairs m 2^n that cannot overflow, so their sum needs no greatest value
 * first; the second pass computes them again and divides. Two passes read and write a third less and compute twice as
 * much. Sums run in four chains of whole vectors, then over chains and lanes in a fixed tree.
 */

/* exp(x) = m 2^n, n whole, m in [0.7, 1.42): error within 1 ulp for |x| <= 2^20. m is 0 below, for -infinity too. */
VECTOR_INLINE vec v_exp_pair(vec x, vec *n) {
    const vec least = v_set(-0x1p20f);
    const vmask nothing = v_less(x, least);
    x = v_max(least, x);
    *n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fnma(*n, v_set(0x1.62e4p-1f), x);
    r = v_fnma(*n, v_set(0x1.7f7d1cp-20f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set(1.0f));
    return v_select(nothing, v_set(0.0f), p);
}

/* a 2^n for whole n <= 0, as small as may be. */
VECTOR_INLINE vec v_scale_down(vec a, vec n) { return v_scale_by_normal_power(a, v_max(v_set(v_least_exponent), n)); }

typedef struct {
    vec mantissa, exponent;
} nk_pair_sum;

VECTOR_INLINE void add_pair(nk_pair_sum *sum, vec mantissa, vec exponent) {
    const vec greatest = v_max(sum->exponent, exponent);
    sum->mantissa = v_add(v_scale_down(sum->mantissa, v_sub(sum->exponent, greatest)),
                          v_scale_down(mantissa, v_sub(exponent, greatest)));
    sum->exponent = greatest;
}

static void softmax_row_in_two_passes(const float *input, size_t count, float scale, int logarithm, float *output) {
    const vec factor = v_set(scale);
    nk_pair_sum sums[4];
    for (int k = 0; k < 4; k++) sums[k] = (nk_pair_sum){v_set(0.0f), v_set(-0x1p22f)};
    size_t i = 0;
    for (; i + 4 * VW <= count; i += 4 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 4; k++) {
            vec n;
            const vec m = v_exp_pair(v_mul(v_load(input + i + k * VW), factor), &n);
            add_pair(&sums[k], m, n);
        }
    for (; i < count; i += VW) {
        const vmask mask = v_first(count - i);
        const vec x = v_select(mask, v_mul(v_load_masked(mask, input + i), factor), v_set(-__builtin_inff()));
        vec n;
        const vec m = v_exp_pair(x, &n);
        add_pair(&sums[0], m, n);
    }
    add_pair(&sums[0], sums[1].mantissa, sums[1].exponent);
    add_pair(&sums[2], sums[3].mantissa, sums[3].exponent);
    add_pair(&sums[0], sums[2].mantissa, sums[2].exponent);
    const float exponent = v_greatest(sums[0].exponent);
    const float total = v_sum(v_scale_down(sums[0].mantissa, v_sub(sums[0].exponent, v_set(exponent))));

    if (logarithm) {
        /* log(total 2^exponent) in double precision, then in two parts: the row's greatest values may be close to it. */
        const double sum = __builtin_log((double)total) + (double)exponent * 0.69314718055994530942;
        const vec high = v_set((float)sum), low = v_set((float)(sum - (double)(float)sum));
        EACH_VECTOR(j, count, {
            const vec x = v_mul(v_load_part(whole, mask, input + j), factor);
            v_store_part(whole, mask, output + j, v_sub(v_sub(x, high), low));
        });
        return;
    }
    const vec share = v_set(1 / total), shift = v_set(exponent);
    EACH_VECTOR(j, count, {
        vec n;
        const vec m = v_exp_pair(v_mul(v_load_part(whole, mask, input + j), factor), &n);
        v_store_part(whole, mask, output + j, v_scale_down(v_mul(m, share), v_sub(n, shift)));
    });
}

static void softmax_row_in_three_passes(const float *input, size_t count, float scale, int logarithm, float *output) {
    const vec factor = v_set(scale), lowest = v_set(-__builtin_inff());
    vec greatest[4], sums[4];
    for (int k = 0; k < 4; k++) greatest[k] = lowest;
    size_t i = 0;
    for (; i + 4 * VW <= count; i += 4 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 4; k++) greatest[k] = v_max(greatest[k], v_mul(v_load(input + i + k * VW), factor));
    for (; i < count; i += VW) {
        const vmask mask = v_first(count - i);
        greatest[0] = v_max(greatest[0], v_select(mask, v_mul(v_load_masked(mask, input + i), factor), lowest));
    }
    const float most = v_greatest(v_max(v_max(greatest[0], greatest[1]), v_max(greatest[2], greatest[3])));

    const vec shift = v_set(most);
    for (int k = 0; k < 4; k++) sums[k] = v_set(0.0f);
    for (i = 0; i + 4 * VW <= count; i += 4 * VW)
#pragma clang loop unroll(full)
        for (int k = 0; k < 4; k++) {
            const vec y = v_exp(v_sub(v_mul(v_load(input + i + k * VW), factor), shift));
            if (!logarithm) v_store(output + i + k * VW, y);
            sums[k] = v_add(sums[k], y);
        }
    for (; i < count; i += VW) {
        const vmask mask = v_first(count - i);
        const vec y = v_exp(v_sub(v_mul(v_load_masked(mask, input + i), factor), shift));
        if (!logarithm) v_store_masked(output + i, mask, y);
        sums[0] = v_add(sums[0], v_select(mask, y, v_set(0.0f)));
    }
    const float total = v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));

    if (logarithm) {
        const double sum = __builtin_log((double)total) + (double)most;
        const vec high = v_set((float)sum), low = v_set((float)(sum - (double)(float)sum));
        EACH_VECTOR(j, count, {
            const vec x = v_mul(v_load_part(whole, mask, input + j), factor);
            v_store_part(whole, mask, output + j, v_sub(v_sub(x, high), low));
        });
        return;
    }
    const vec share = v_set(1 / total);
    EACH_VECTOR(j, count, {
        v_store_part(whole, mask, output + j, v_mul(v_load_part(whole, mask, output + j), share));
    });
}
