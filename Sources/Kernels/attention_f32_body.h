/* attention_f32_body.h: what attention needs beside the register tile, for any vector width. */

VECTOR_INLINE void transpose_panel(const float *rows, size_t stride, size_t lanes, size_t inputs, float *panel) {
    for (size_t lane = 0; lane < NK_PANEL; lane += VW) {
        for (size_t input = 0; input < inputs; input += VW) {
            const size_t width = inputs - input;
            const vmask mask = v_first(width);
            vec block[VW];
#pragma clang loop unroll(full)
            for (int r = 0; r < VW; r++) {
                const float *row = rows + (lane + (size_t)r) * stride + input;
                block[r] = lane + (size_t)r >= lanes ? v_set(0.0f) : v_load_part(width >= VW, mask, row);
            }
            v_transpose(block);
            float *target = panel + input * NK_PANEL + lane;
            if (width >= VW) {
#pragma clang loop unroll(full)
                for (int i = 0; i < VW; i++) v_store(target + i * NK_PANEL, block[i]);
            } else {
                for (size_t i = 0; i < width; i++) v_store(target + i * NK_PANEL, block[i]);
            }
        }
    }
}

/* The scores of VW keys with all that the rule adds to them. */
VECTOR_INLINE vec ruled_scores(vec product, size_t key, vmask valid, const nk_softmax_rule *rule) {
    vec score = v_mul(product, v_set(rule->scale));
    if (rule->softcap > 0) score = v_mul(v_set(rule->softcap), v_tanh(v_div(score, v_set(rule->softcap))));
    if (rule->key_bias) score = v_add(score, v_load_masked(valid, rule->key_bias + key));
    if (rule->key_positions) {
        const veci distance = vi_sub(vi_load(rule->key_positions + key), vi_set(rule->position));
        if (rule->alibi_slope != 0) score = v_fnma(v_set(rule->alibi_slope), vi_to_float(vi_abs(distance)), score);
        if (rule->relative_bias) {
            const veci radius = vi_set(rule->relative_radius);
            const veci clamped = vi_max(vi_min(distance, radius), vi_sub(vi_set(0), radius));
            score = v_add(score, v_lookup(rule->relative_bias, vi_add(clamped, radius)));
        }
    }
    return v_select(valid, score, v_set(-__builtin_inff()));
}

/* In three sweeps over the rows, so that the sums over lanes of one row hide behind the others'. */
VECTOR_INLINE void softmax_rows(float *scores, size_t stride, size_t rows, const nk_key_range *ranges,
                                const int32_t *positions, const nk_softmax_rule *rule, float *maximum, float *sum,
                                float *kept) {
    const float infinity = __builtin_inff(), to_log2 = 1.44269504f;
    const vec lowest = v_set(-infinity);
    /* Nothing but a positive scale: the greatest product has the greatest score, and the scale goes into the exponent.
     * The maximum is then one of products. */
    const int plain = !rule->key_bias && !rule->key_positions && rule->softcap == 0 && rule->scale > 0;
    const vec factor = v_set(plain ? rule->scale * to_log2 : to_log2);
    float shift[nk_most_softmax_rows];

    for (size_t row = 0; row < rows; row++) {
        float *products = scores + row * stride + ranges[row].begin;
        const size_t keys = ranges[row].end - ranges[row].begin;
        vec greatest = lowest;
        if (plain) {
            EACH_VECTOR(key, keys, {
                const vec product = v_load(products + key);
                greatest = v_max(greatest, whole ? product : v_select(mask, product, lowest));
            });
        } else {
            nk_softmax_rule own = *rule;
            own.position = positions[row];
            if (own.key_positions) own.key_positions += ranges[row].begin;
            if (own.key_bias) own.key_bias += ranges[row].begin;
            EACH_VECTOR(key, keys, {
                const vec score = ruled_scores(v_load(products + key), key, mask, &own);
                v_store_part(whole, mask, products + key, score);
                greatest = v_max(greatest, score);
            });
        }
        const float block = v_greatest(greatest);
        shift[row] = block > maximum[row] ? block : maximum[row];
    }
    EACH_VECTOR(row, rows, {
        const vec old = v_load_part(whole, mask, maximum + row), new = v_load_part(whole, mask, shift + row);
        v_store_part(whole, mask, maximum + row, new);
        /* Nothing met yet: any finite number keeps exp(-infinity - shift) at 0. */
        const vec finite = v_max(v_set(-3e38f), new);
        v_store_part(whole, mask, shift + row, finite);
        /* The difference first: it is exact where it matters, however great the scores are. */
        v_store_part(whole, mask, kept + row, v_exp2(v_mul(v_sub(old, finite), factor)));
    });
    for (size_t row = 0; row < rows; row++) {
        float *products = scores + row * stride + ranges[row].begin;
        const vec shifts = v_set(shift[row]);
        vec total = v_set(0.0f);
        EACH_VECTOR(key, ranges[row].end - ranges[row].begin, {
            vec weight = v_exp2(v_mul(v_sub(v_load(products + key), shifts), factor));
            if (!whole) weight = v_select(mask, weight, v_set(0.0f));
            v_store_part(whole, mask, products + key, weight);
            total = v_add(total, weight);
        });
        sum[row] = sum[row] * kept[row] + v_sum(total);
    }
}

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
