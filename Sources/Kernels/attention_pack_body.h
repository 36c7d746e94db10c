/* attention_pack_body.h: keys and values into panels of float32, for any vector width; rounded to bf16 if asked. */

VECTOR_INLINE vec v_perhaps_rounded(const int rounded, vec x) { return rounded ? v_round_to_bf16(x) : x; }

VECTOR_INLINE void pack_keys_as(const int rounded, const float *rows, size_t stride, size_t keys, size_t size,
                                float *panels) {
    for (size_t first = 0; first < keys; first += VW) {
        float *panel = panels + first / NK_PANEL * NK_PANEL * size + first % NK_PANEL;
        for (size_t element = 0; element < size; element += VW) {
            const size_t width = size - element;
            const vmask mask = v_first(width);
            vec block[VW];
#pragma clang loop unroll(full)
            for (int r = 0; r < VW; r++) {
                const float *row = rows + (first + (size_t)r) * stride + element;
                block[r] = first + (size_t)r >= keys ? v_set(0.0f) : v_load_part(width >= VW, mask, row);
                block[r] = v_perhaps_rounded(rounded, block[r]);
            }
            v_transpose(block);
            float *target = panel + element * NK_PANEL;
            if (width >= VW) {
#pragma clang loop unroll(full)
                for (int i = 0; i < VW; i++) v_store(target + i * NK_PANEL, block[i]);
            } else {
                for (size_t i = 0; i < width; i++) v_store(target + i * NK_PANEL, block[i]);
            }
        }
    }
}

VECTOR_INLINE void pack_values_as(const int rounded, const float *rows, size_t stride, size_t keys, size_t columns,
                                  float *panels, size_t panel_stride) {
    for (size_t first = 0; first < columns; first += NK_PANEL, panels += panel_stride) {
        for (size_t lane = 0; lane < NK_PANEL; lane += VW) {
            const float *source = rows + first + lane;
            const size_t width = first + lane < columns ? columns - first - lane : 0;
            float *target = panels + lane;
            if (width >= VW) {
                for (size_t j = 0; j < keys; j++)
                    v_store(target + j * NK_PANEL, v_perhaps_rounded(rounded, v_load(source + j * stride)));
            } else {
                const vmask mask = v_first(width);
                for (size_t j = 0; j < keys; j++)
                    v_store(target + j * NK_PANEL, v_perhaps_rounded(rounded, v_load_masked(mask, source + j * stride)));
            }
        }
    }
}
