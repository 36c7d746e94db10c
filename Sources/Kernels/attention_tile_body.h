/* attention_tile_body.h: the products of attention, for any vector width.
 *
 * The register tile is that of the linears (rows x two vectors), with what attention needs around it: a last strip of one
 * vector where few keys are left, sums that continue those of earlier blocks of keys, and a store that divides by the sum
 * of the weights and writes heads of any size. Each output has one chain of sums in rising order, whatever the tile's
 * shape. All operands are words of 32 bits: a float32 or a pair of bf16.
 *
 * The file that includes this one defines tile_word (a vector of words), tile_load, tile_broadcast, tile_multiply and, if
 * the registers allow it, ATTENTION_TILE_ROWS_14.
 */

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
VECTOR_INLINE void tile_step(const int rows, const int vectors, const int i, const nk_word *const group[], size_t a_stride,
                             const nk_word *panel, vec sums[14][2]) {
    tile_word b[2];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) b[v] = tile_load(panel + i * NK_PANEL + v * VW);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const tile_word x = tile_broadcast(group[r / 3] + (size_t)(r % 3) * a_stride + i);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[r][v] = tile_multiply(x, b[v], sums[r][v]);
    }
}

VECTOR_INLINE void attention_tile(const int rows, const int vectors, const nk_word *a, size_t a_stride, const nk_word *panel,
                                  size_t steps, const tile_ends *ends) {
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
    const nk_word *group[(14 + 2) / 3];
#pragma clang loop unroll(full)
    for (int g = 0; 3 * g < rows; g++) {
        group[g] = a + (size_t)(3 * g) * a_stride;
        __asm__("" : "+r"(group[g]));
    }
    size_t left = steps;
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
    static __attribute__((noinline)) void tile_##rows(const nk_word *a, size_t a_stride, const nk_word *panel,           \
                                                      size_t steps, const tile_ends *ends) {                        \
        attention_tile(rows, 2, a, a_stride, panel, steps, ends);                                                   \
    }                                                                                                                \
    static __attribute__((noinline)) void half_tile_##rows(const nk_word *a, size_t a_stride, const nk_word *panel,      \
                                                           size_t steps, const tile_ends *ends) {                   \
        attention_tile(rows, 1, a, a_stride, panel, steps, ends);                                                   \
    }

typedef void (*attention_tile_function)(const nk_word *, size_t, const nk_word *, size_t, const tile_ends *);

DEFINE_ATTENTION_TILE(1)
DEFINE_ATTENTION_TILE(2)
DEFINE_ATTENTION_TILE(3)
DEFINE_ATTENTION_TILE(4)
DEFINE_ATTENTION_TILE(5)
DEFINE_ATTENTION_TILE(6)
/* With AVX2 6 rows x 2 vectors take 12 of the 16 registers, with AVX-512 14 x 2 take 28 of 32. Written for the
 * preprocessor, which does not know VW. */
#if defined(ATTENTION_TILE_ROWS_14)
enum { attention_tile_rows = 14 };
DEFINE_ATTENTION_TILE(7)
DEFINE_ATTENTION_TILE(8)
DEFINE_ATTENTION_TILE(9)
DEFINE_ATTENTION_TILE(10)
DEFINE_ATTENTION_TILE(11)
DEFINE_ATTENTION_TILE(12)
DEFINE_ATTENTION_TILE(13)
DEFINE_ATTENTION_TILE(14)
static const attention_tile_function whole_tiles[15] = {NULL,   tile_1, tile_2,  tile_3,  tile_4,  tile_5,  tile_6, tile_7,
                                                        tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14};
static const attention_tile_function half_tiles[15] = {
    NULL,        half_tile_1, half_tile_2,  half_tile_3,  half_tile_4,  half_tile_5,  half_tile_6, half_tile_7,
    half_tile_8, half_tile_9, half_tile_10, half_tile_11, half_tile_12, half_tile_13, half_tile_14};
#else
enum { attention_tile_rows = 6 };
static const attention_tile_function whole_tiles[7] = {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};
static const attention_tile_function half_tiles[7] = {NULL,        half_tile_1, half_tile_2, half_tile_3,
                                                      half_tile_4, half_tile_5, half_tile_6};
#endif

/* Over all columns of panels, the last strip no wider than it must be. */
VECTOR_INLINE void all_strips(const nk_word *a, size_t a_stride, size_t rows, const nk_word *panels, size_t panel_stride,
                              size_t steps, tile_ends ends) {
    const attention_tile_function tile = whole_tiles[rows];
    for (size_t column = 0, left = ends.columns; left > 0; column += 2 * VW) {
        const nk_word *panel = panels + column / NK_PANEL * panel_stride + column % NK_PANEL;
        ends.columns = left;
        (left > VW ? tile : half_tiles[rows])(a, a_stride, panel, steps, &ends);
        ends.output += 2 * VW;
        if (ends.start) ends.start += 2 * VW;
        left -= left < 2 * VW ? left : 2 * VW;
    }
}

VECTOR_INLINE void products_of_words(NK_PRODUCTS_PARAMETERS) {
    all_strips(queries, query_stride, rows, panels, NK_PANEL * steps, steps,
               (tile_ends){.output = scores, .output_stride = score_stride, .columns = (keys + VW - 1) / VW * VW});
}

VECTOR_INLINE void weigh_words(NK_WEIGH_PARAMETERS) {
    all_strips(weights, weight_stride, rows, panels, panel_stride, steps,
               (tile_ends){.start = w->sums, .start_stride = w->sums_stride, .start_scale = w->kept, .end_scale = w->shares,
                           .output = w->output, .output_stride = w->output_stride, .columns = w->columns});
}
