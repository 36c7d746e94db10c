/* attention_softmax_body.h: scores of one tile of queries become weights, for any vector width. */

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

/* Replaces `keys` scores or products of a row, from `begin` on, by weights 2^((x - shift) factor); returns sums of them.
 * What is summed is what the values are multiplied by, rounded if that is, so that the shares of a query add up to 1. */
typedef vec (*weights_function)(float *row, size_t begin, size_t keys, vec shift, vec factor);

/* float32 */
VECTOR_INLINE vec whole_weights(float *row, size_t begin, size_t keys, vec shift, vec factor) {
    vec total = v_set(0.0f);
    EACH_VECTOR(key, keys, {
        vec weight = v_exp2_of_weight(v_mul(v_sub(v_load(row + begin + key), shift), factor));
        if (!whole) weight = v_select(mask, weight, v_set(0.0f));
        v_store_part(whole, mask, row + begin + key, weight);
        total = v_add(total, weight);
    });
    return total;
}

/* float32 rounded to bf16 */
VECTOR_INLINE vec rounded_weights(float *row, size_t begin, size_t keys, vec shift, vec factor) {
    vec total = v_set(0.0f);
    EACH_VECTOR(key, keys, {
        vec weight = v_exp2_of_rounded_weight(v_mul(v_sub(v_load(row + begin + key), shift), factor));
        weight = v_round_to_bf16(weight);
        if (!whole) weight = v_select(mask, weight, v_set(0.0f));
        v_store_part(whole, mask, row + begin + key, weight);
        total = v_add(total, weight);
    });
    return total;
}

/* In three sweeps over the rows, so that the sums over lanes of one row hide behind the others'. */
VECTOR_INLINE void softmax_with(const weights_function weights_of, NK_SOFTMAX_PARAMETERS) {
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
        const size_t keys = ranges[row].end - ranges[row].begin;
        const vec total = weights_of(scores + row * stride, ranges[row].begin, keys, v_set(shift[row]), factor);
        sum[row] = sum[row] * kept[row] + v_sum(total);
    }
}
