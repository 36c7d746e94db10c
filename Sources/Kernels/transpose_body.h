/* transpose_body.h: rows into a panel, for any vector width. */

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
