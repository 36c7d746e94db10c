/* gemm_f32_body.h: the register tile of a product over packed panels, for any vector width.
 *
 * A strip is two vectors of outputs: a whole panel with AVX-512, half of one with AVX2. A tile of `rows` x `strips`
 * keeps all its sums in registers over the whole reduction, so each output has one chain of multiply-adds in rising
 * order of the inputs, whatever the tile's shape. Few rows take several strips at once: about eight chains hide the
 * latency of FMA.
 */

enum { strip_width = 2 * VW, strips_per_panel = NK_PANEL / strip_width, prefetch_distance = 64 };

VECTOR_INLINE const float *strip_start(const float *panels, size_t panel_stride, size_t strip) {
    return panels + strip / strips_per_panel * panel_stride + strip % strips_per_panel * strip_width;
}

VECTOR_INLINE void tile(const int rows, const int strips, const float *a, size_t a_stride, const float *panels,
                        size_t panel_stride, size_t first_strip, size_t inputs, float *c, size_t c_stride,
                        const float *start_scale) {
    vec sums[rows][strips][2];
    const float *strip[strips];
    c += first_strip * strip_width;
#pragma clang loop unroll(full)
    for (int s = 0; s < strips; s++) strip[s] = strip_start(panels, panel_stride, first_strip + (size_t)s);
    if (start_scale) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec scale = v_set(start_scale[r]);
#pragma clang loop unroll(full)
            for (int s = 0; s < strips; s++) {
                sums[r][s][0] = v_mul(scale, v_load(c + (size_t)r * c_stride + s * strip_width));
                sums[r][s][1] = v_mul(scale, v_load(c + (size_t)r * c_stride + s * strip_width + VW));
            }
        }
    } else {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (int s = 0; s < strips; s++) sums[r][s][0] = sums[r][s][1] = v_set(0.0f);
    }
    /* One pointer per three rows: x86 addresses base + stride and base + 2 stride by itself. */
    enum { groups = (14 + 2) / 3 };
    const float *group[groups];
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) group[g] = 3 * g < rows ? a + (size_t)(3 * g) * a_stride : a;

    for (size_t i = 0; i < inputs; i++) {
        vec b[strips][2];
#pragma clang loop unroll(full)
        for (int s = 0; s < strips; s++) {
            b[s][0] = v_load(strip[s] + i * NK_PANEL);
            b[s][1] = v_load(strip[s] + i * NK_PANEL + VW);
            /* The hardware's prefetcher stops at each page; a strip crosses one every 32 inputs. */
            __builtin_prefetch(strip[s] + (i + prefetch_distance) * NK_PANEL, 0, 3);
            if (VW == 16) __builtin_prefetch(strip[s] + (i + prefetch_distance) * NK_PANEL + VW, 0, 3);
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec x = v_set(group[r / 3][(size_t)(r % 3) * a_stride + i]);
#pragma clang loop unroll(full)
            for (int s = 0; s < strips; s++) {
                sums[r][s][0] = v_fma(x, b[s][0], sums[r][s][0]);
                sums[r][s][1] = v_fma(x, b[s][1], sums[r][s][1]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int s = 0; s < strips; s++) {
            v_store(c + (size_t)r * c_stride + s * strip_width, sums[r][s][0]);
            v_store(c + (size_t)r * c_stride + s * strip_width + VW, sums[r][s][1]);
        }
}

#define TILE_ARGUMENTS                                                                                               \
    const float *a, size_t a_stride, const float *panels, size_t panel_stride, size_t first_strip, size_t inputs,    \
        float *c, size_t c_stride, const float *start_scale
#define DEFINE_TILE(rows, strips)                                                                                    \
    static __attribute__((noinline)) void tile_##rows##x##strips(TILE_ARGUMENTS) {                                   \
        tile(rows, strips, a, a_stride, panels, panel_stride, first_strip, inputs, c, c_stride, start_scale);        \
    }

typedef void (*tile_function)(TILE_ARGUMENTS);

/* No vector load or store touches what lies beyond `columns`. */
VECTOR_INLINE void epilogue_rows(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                                 const nk_epilogue_f32 *e, const nk_activation activation) {
    for (size_t row = 0; row < rows; row++) {
        const float *source = sums + row * sums_stride;
        const float *multiply = e->multiply ? e->multiply + row * e->multiply_stride : NULL;
        const float *residual = e->residual ? e->residual + row * e->residual_stride : NULL;
        float *output = e->output + row * e->output_stride;
        EACH_VECTOR(i, columns, {
            vec sum = v_load(source + i);
            if (e->bias) sum = v_add(sum, v_load_part(whole, mask, e->bias + i));
            sum = v_activation(sum, activation);
            if (multiply) sum = v_mul(v_load_part(whole, mask, multiply + i), sum);
            if (residual) sum = v_add(v_load_part(whole, mask, residual + i), sum);
            v_store_part(whole, mask, output + i, sum);
        });
    }
}

static void epilogue_f32(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                         const nk_epilogue_f32 *epilogue) {
    WITH_ACTIVATION(epilogue->activation, epilogue_rows(sums, sums_stride, rows, columns, epilogue, activation))
}
