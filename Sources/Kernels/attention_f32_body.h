/* attention_f32_body.h: the float32 products of attention, for any vector width.
 *
 * The register tile is that of the linears (rows x two vectors), with what attention needs around it: a last strip of one
 * vector where few keys are left, sums that continue those of earlier blocks of keys, and a store that divides by the sum
 * of the weights and writes heads of any size. Each output has one chain of multiply-adds in rising order, whatever the
 * tile's shape.
 */

static void pack_keys(NK_PACK_KEYS_PARAMETERS) {
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

static void pack_values(NK_PACK_VALUES_PARAMETERS) {
    for (size_t first = 0; first < columns; first += NK_PANEL, panels += panel_stride) {
        for (size_t lane = 0; lane < NK_PANEL; lane += VW) {
            const float *source = rows + first + lane;
            const size_t width = first + lane < columns ? columns - first - lane : 0;
            float *target = panels + lane;
            if (width >= VW) {
                for (size_t j = 0; j < keys; j++) v_store(target + j * NK_PANEL, v_load(source + j * stride));
            } else {
                const vmask mask = v_first(width);
                for (size_t j = 0; j < keys; j++) v_store(target + j * NK_PANEL, v_load_masked(mask, source + j * stride));
            }
        }
    }
}

/* What becomes of the sums of a tile. */
typedef struct {
    const float *start;       /* NULL: 0; or earlier sums (padded to panels), which are scaled by start_scale[r] */
    size_t start_stride;
    const float *start_scale;
    const float *end_scale;   /* NULL: 1 */
    float *output;
    size_t output_stride;
    size_t columns;           /* written; more than a tile's width: all of it */
} tile_ends;

/* sums += a[:, i] * panel[i, :] */
VECTOR_INLINE void tile_step(const int rows, const int vectors, const int i, const float *const group[], size_t a_stride,
                             const float *panel, vec sums[14][2]) {
    vec b[2];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) b[v] = v_load(panel + i * NK_PANEL + v * VW);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const vec x = v_set(group[r / 3][(size_t)(r % 3) * a_stride + (size_t)i]);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[r][v] = v_fma(x, b[v], sums[r][v]);
    }
}

VECTOR_INLINE void attention_tile(const int rows, const int vectors, const float *a, size_t a_stride, const float *panel,
                                  size_t inputs, const tile_ends *ends) {
    vec sums[14][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[r][v] = v_set(0.0f);
    if (ends->start) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec scale = v_set(ends->start_scale[r]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++)
                sums[r][v] = v_mul(scale, v_load(ends->start + (size_t)r * ends->start_stride + v * VW));
        }
    }
    /* One pointer per three rows: x86 addresses base + stride and base + 2 stride by itself. Kept in registers of their
     * own: left to itself, the compiler derives each row's address from the last one's, and these chains cost an eighth
     * of the time. */
    const float *group[(14 + 2) / 3];
#pragma clang loop unroll(full)
    for (int g = 0; 3 * g < rows; g++) {
        group[g] = a + (size_t)(3 * g) * a_stride;
        __asm__("" : "+r"(group[g]));
    }
    size_t left = inputs;
    for (; left >= 2; left -= 2) {
        tile_step(rows, vectors, 0, group, a_stride, panel, sums);
        tile_step(rows, vectors, 1, group, a_stride, panel, sums);
        panel += 2 * NK_PANEL;
#pragma clang loop unroll(full)
        for (int g = 0; 3 * g < rows; g++) {
            group[g] += 2;
            __asm__("" : "+r"(group[g]));
        }
    }
    if (left > 0) tile_step(rows, vectors, 0, group, a_stride, panel, sums);

    if (ends->end_scale) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vec scale = v_set(ends->end_scale[r]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sums[r][v] = v_mul(scale, sums[r][v]);
        }
    }
    if (ends->columns >= (size_t)vectors * VW) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++)
                v_store(ends->output + (size_t)r * ends->output_stride + v * VW, sums[r][v]);
    } else {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++)
                if (ends->columns > (size_t)v * VW)
                    v_store_masked(ends->output + (size_t)r * ends->output_stride + v * VW,
                                   v_first(ends->columns - (size_t)v * VW), sums[r][v]);
    }
}

#define DEFINE_ATTENTION_TILE(rows)                                                                                  \
    static __attribute__((noinline)) void tile_##rows(const float *a, size_t a_stride, const float *panel,           \
                                                      size_t inputs, const tile_ends *ends) {                        \
        attention_tile(rows, 2, a, a_stride, panel, inputs, ends);                                                   \
    }                                                                                                                \
    static __attribute__((noinline)) void half_tile_##rows(const float *a, size_t a_stride, const float *panel,      \
                                                           size_t inputs, const tile_ends *ends) {                   \
        attention_tile(rows, 1, a, a_stride, panel, inputs, ends);                                                   \
    }

typedef void (*attention_tile_function)(const float *, size_t, const float *, size_t, const tile_ends *);

/* By rows; defined by the file that includes this one, with as many as its registers hold. */
static const attention_tile_function tiles[], half_tiles[];

/* Over all columns of panels, the last strip no wider than it must be. */
VECTOR_INLINE void all_strips(const float *a, size_t a_stride, size_t rows, const float *panels, size_t panel_stride,
                              size_t inputs, tile_ends ends) {
    const attention_tile_function tile = tiles[rows];
    for (size_t column = 0, left = ends.columns; left > 0; column += 2 * VW) {
        const float *panel = panels + column / NK_PANEL * panel_stride + column % NK_PANEL;
        ends.columns = left;
        (left > VW ? tile : half_tiles[rows])(a, a_stride, panel, inputs, &ends);
        ends.output += 2 * VW;
        if (ends.start) ends.start += 2 * VW;
        left -= left < 2 * VW ? left : 2 * VW;
    }
}

static void products(NK_PRODUCTS_PARAMETERS) {
    all_strips(queries, query_stride, rows, panels, NK_PANEL * size, size,
               (tile_ends){.output = scores, .output_stride = score_stride, .columns = (keys + VW - 1) / VW * VW});
}

static void weigh(NK_WEIGH_PARAMETERS) {
    all_strips(weights, weight_stride, rows, panels, panel_stride, keys,
               (tile_ends){.start = w->sums, .start_stride = w->sums_stride, .start_scale = w->kept, .end_scale = w->shares,
                           .output = w->output, .output_stride = w->output_stride, .columns = w->columns});
}
