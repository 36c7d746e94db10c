/* gemm_i4_body.h: products in int4, for any vector width. Bytes with two indices become vectors of codes, which are
 * multiplied as int8 is; the exact sum of each group of 32 inputs, times the scales of its group, is added to sums in
 * float32, group by group.
 *
 * Few rows look up the codes of each panel as they go. For more, some groups at a time are looked up once into a buffer that
 * stays in the first-level cache, laid out like int8, for all rows.
 *
 * The file that includes this one defines tile_parts, tile_part and tile_multiply as gemm_i8_body.h needs them. */
#include "codec_i4_body.h"
#include "quantized_row_body.h"

enum {
    /* With AVX-512 whole numbers and sums of 7 rows x 32 outputs fill 28 of the 32 registers. With AVX2 the whole numbers
     * of 6 rows x 16 outputs fill 12 of 16, and the sums are in memory between groups. (More rows and sums in memory with
     * AVX-512 were a quarter slower: the stores of so many sums at the end of each group come too fast.) */
    most_tile_rows = NK_VECTOR_BYTES == 64 ? 7 : 6,
    most_rows = 16 * 7, /* of one call */
    most_direct_rows = 3,
    strip_width = 2 * VW,
    group_steps = nk_i4_group / 4,
    group_words = nk_i4_start_words + group_steps * tile_parts, /* of a row */
    buffer_groups = 8,
    prefetch_bytes = 10 * nk_i4_group_bytes,
};

VECTOR_INLINE size_t groups_of(const nk_tile *t) {
    return nk_ceiling(nk_summed_inputs(t->inputs, t->packed_inputs), nk_i4_group);
}

/* ---- few rows ---- */

/* One panel at a time: memory is read fastest in order. A strip is the two halves of the same bytes: VW outputs, and those
 * 16 further on. */
VECTOR_INLINE void direct(const int rows, const nk_tile *operands, size_t panel) {
    const nk_tile copy = *operands, *const t = &copy; /* which stores of sums cannot change */
    enum { strips = 16 / VW };
    const size_t groups = groups_of(t);
    const char *source = t->panels + panel * t->panel_bytes;
    const veci codes = vi_table(source);
    float *sums = t->sums + panel * NK_PANEL;
    const nk_word *words[most_direct_rows];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) words[r] = t->rows + (size_t)r * t->row_stride + nk_i4_row_header;
    source += nk_i4_header;
#pragma clang loop unroll(full)
    for (int byte = 0; byte < NK_SUM_BYTES; byte += 64)
        __builtin_prefetch(t->weight_sums + panel * NK_SUM_BYTES + byte, 0, 3);
    for (size_t group = 0; group < groups; group++, source += nk_i4_group_bytes) {
        veci whole[most_direct_rows][strips][2];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (int s = 0; s < strips; s++)
                whole[r][s][0] = whole[r][s][1] = vi_set((int32_t)words[r][group * group_words]);
        for (size_t i = 0; i < group_steps; i++) {
            const char *bytes = source + nk_i4_scales + i * 64;
            veci low[strips], high[strips];
            __builtin_prefetch(bytes + prefetch_bytes, 0, 3);
#pragma clang loop unroll(full)
            for (int s = 0; s < strips; s++) {
                const veci pairs = vi_load((const int32_t *)(bytes + 4 * VW * s));
                low[s] = vi_lookup(codes, vi_low_halves(pairs));
                high[s] = vi_lookup(codes, vi_high_halves(pairs));
            }
#pragma clang loop unroll(full)
            for (int p = 0; p < tile_parts; p++)
#pragma clang loop unroll(full)
                for (int r = 0; r < rows; r++) {
                    const veci x =
                        vi_set((int32_t)words[r][group * group_words + nk_i4_start_words + i * tile_parts + (size_t)p]);
#pragma clang loop unroll(full)
                    for (int s = 0; s < strips; s++) {
                        whole[r][s][0] = tile_multiply(tile_part(p, low[s]), x, whole[r][s][0]);
                        whole[r][s][1] = tile_multiply(tile_part(p, high[s]), x, whole[r][s][1]);
                    }
                }
        }
        __builtin_prefetch(source + prefetch_bytes, 0, 3);
#pragma clang loop unroll(full)
        for (int s = 0; s < strips; s++) {
            const vec scale0 = v_from_bf16(source + 2 * VW * s), scale1 = v_from_bf16(source + 32 + 2 * VW * s);
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) {
                float *sum = sums + (size_t)r * t->sums_stride + VW * s;
                v_store(sum, v_fma(vi_to_float(whole[r][s][0]), scale0, v_load(sum)));
                v_store(sum + 16, v_fma(vi_to_float(whole[r][s][1]), scale1, v_load(sum + 16)));
            }
        }
    }
}

static void multiply_few_rows(const nk_tile *t) {
    for (size_t panel = 0; panel < t->panel_count; panel++) {
        if (t->row_count == 1) direct(1, t, panel);
        if (t->row_count == 2) direct(2, t, panel);
        if (t->row_count == 3) direct(3, t, panel);
    }
}

/* ---- many rows ---- */

/* A group of a panel as the products read it. */
typedef struct {
    _Alignas(64) uint8_t codes[group_steps][NK_PANEL][4];
    float scales[NK_PANEL];
} nk_i4_looked_up;

static void look_up(const char *panel, size_t first, size_t count, nk_i4_looked_up *buffer) {
    const veci codes = vi_table(panel);
    const char *source = panel + nk_i4_header + first * nk_i4_group_bytes;
    for (size_t group = 0; group < count; group++, source += nk_i4_group_bytes) {
#pragma clang loop unroll(full)
        for (int lane = 0; lane < NK_PANEL; lane += VW)
            v_store(buffer[group].scales + lane, v_from_bf16(source + 2 * lane));
        for (int i = 0; i < group_steps; i++)
#pragma clang loop unroll(full)
            for (int lane = 0; lane < 16; lane += VW) {
                const veci pairs = vi_load((const int32_t *)(source + nk_i4_scales + i * 64 + lane * 4));
                vi_store(buffer[group].codes[i][lane], vi_lookup(codes, vi_low_halves(pairs)));
                vi_store(buffer[group].codes[i][16 + lane], vi_lookup(codes, vi_high_halves(pairs)));
                __builtin_prefetch(source + buffer_groups * nk_i4_group_bytes + i * 64 + lane * 4, 0, 2);
            }
        __builtin_prefetch(source + buffer_groups * nk_i4_group_bytes + nk_i4_group_bytes - 64, 0, 2);
    }
}

/* sums: 32 apart, from the tile's first row. */
VECTOR_INLINE void tile(const int rows, const nk_word *row, size_t row_stride, size_t groups, const int lane,
                        const nk_i4_looked_up *group, float *sums) {
    /* One pointer per three rows: x86 addresses base + stride and base + 2 stride by itself. */
    enum { row_groups = (most_tile_rows + 2) / 3 };
    const nk_word *words[row_groups];
#pragma clang loop unroll(full)
    for (int g = 0; g < row_groups; g++) words[g] = row + (3 * g < rows ? (size_t)(3 * g) * row_stride : 0);
    vec totals[most_tile_rows][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        totals[r][0] = v_load(sums + r * NK_PANEL);
        totals[r][1] = v_load(sums + r * NK_PANEL + VW);
    }
    for (const nk_i4_looked_up *end = group + groups; group < end; group++) {
        veci whole[most_tile_rows][2];
#pragma clang loop unroll(full)
        for (int g = 0; g < row_groups; g++) __asm__("" : "+r"(words[g])); /* or the compiler chains addresses */
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
            whole[r][0] = whole[r][1] = vi_set((int32_t)words[r / 3][(size_t)(r % 3) * row_stride]);
#pragma clang loop unroll(full)
        for (int i = 0; i < group_steps; i++) {
            const veci low = vi_load((const int32_t *)group->codes[i][lane]);
            const veci high = vi_load((const int32_t *)group->codes[i][lane + VW]);
#pragma clang loop unroll(full)
            for (int p = 0; p < tile_parts; p++)
#pragma clang loop unroll(full)
                for (int r = 0; r < rows; r++) {
                    const veci x = vi_set(
                        (int32_t)words[r / 3][(size_t)(r % 3) * row_stride + nk_i4_start_words + i * tile_parts + p]);
                    whole[r][0] = tile_multiply(tile_part(p, low), x, whole[r][0]);
                    whole[r][1] = tile_multiply(tile_part(p, high), x, whole[r][1]);
                }
        }
        const vec scale0 = v_load(group->scales + lane), scale1 = v_load(group->scales + lane + VW);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            totals[r][0] = v_fma(vi_to_float(whole[r][0]), scale0, totals[r][0]);
            totals[r][1] = v_fma(vi_to_float(whole[r][1]), scale1, totals[r][1]);
        }
#pragma clang loop unroll(full)
        for (int g = 0; g < row_groups; g++) words[g] += group_words;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        v_store(sums + r * NK_PANEL, totals[r][0]);
        v_store(sums + r * NK_PANEL + VW, totals[r][1]);
    }
}

typedef void (*tile_function)(const nk_word *row, size_t row_stride, size_t groups, const nk_i4_looked_up *group,
                              float *sums);
#define DEFINE_TILE(rows)                                                                                            \
    static __attribute__((noinline)) void tile_##rows(const nk_word *row, size_t row_stride, size_t groups,          \
                                                      const nk_i4_looked_up *group, float *sums) {                   \
        for (int lane = 0; lane < NK_PANEL; lane += strip_width)                                                     \
            tile(rows, row, row_stride, groups, lane, group, sums + lane);                                           \
    }
/* Rows are split evenly, so that AVX-512 meets no fewer than four at a time, and AVX2 no fewer than three. */
DEFINE_TILE(3) DEFINE_TILE(4) DEFINE_TILE(5) DEFINE_TILE(6) DEFINE_TILE(7)
static const tile_function tiles[8] = {NULL, NULL, NULL, tile_3, tile_4, tile_5, tile_6, tile_7};

/* One panel: sums are 32 apart. */
static void multiply_many_rows(const nk_tile *t) {
    nk_i4_looked_up buffer[buffer_groups];
    const size_t groups = groups_of(t), parts = nk_ceiling(t->row_count, most_tile_rows);
    for (size_t first = 0; first < groups; first += buffer_groups) {
        const size_t count = nk_minimum(buffer_groups, groups - first);
        look_up(t->panels, first, count, buffer);
        for (size_t part = 0; part < parts; part++) {
            const size_t row = t->row_count * part / parts, end = t->row_count * (part + 1) / parts;
            tiles[end - row](t->rows + row * t->row_stride + nk_i4_row_header + first * group_words, t->row_stride, count,
                             buffer, t->sums + row * NK_PANEL);
        }
    }
}

static void multiply_rows(const nk_tile *t) {
    for (size_t row = 0; row < t->row_count; row++)
        memset(t->sums + row * t->sums_stride, 0, t->panel_count * NK_PANEL * sizeof(float));
    if (t->row_count <= most_direct_rows)
        multiply_few_rows(t);
    else
        multiply_many_rows(t);
    if (t->inputs == 0) return;
    for (size_t row = 0; row < t->row_count; row++) {
        const nk_word *words = t->rows + row * t->row_stride;
        const vec scale = v_set(nk_float_of(words[0])), zero = v_set((float)(int32_t)words[1]);
        for (size_t panel = 0; panel < t->panel_count; panel++) {
            const float *of_weights = (const float *)(t->weight_sums + panel * NK_SUM_BYTES);
            float *sums = t->sums + row * t->sums_stride + panel * NK_PANEL;
            for (size_t lane = 0; lane < NK_PANEL; lane += VW) {
                const vec weights = v_load(of_weights + lane);
                v_store(sums + lane, v_mul(v_fnma(zero, weights, v_load(sums + lane)), scale));
            }
        }
    }
}

static size_t row_words(size_t inputs) {
    return nk_i4_row_header + nk_round_up(inputs, NK_SUM_INPUTS) / nk_i4_group * group_words;
}

static void prepare_row(const float *input, size_t inputs, nk_word *row) {
    nk_word *first = row + nk_i4_row_header;
    const size_t groups = nk_round_up(inputs, NK_SUM_INPUTS) / nk_i4_group, skipped = (tile_parts - 1) * group_steps;
    const nk_quantized_layout layout = {
        .span = nk_i4_group, .start_zeros = nk_i4_group, .starts = first, .start_stride = group_words,
        .values = (int8_t *)(first + nk_i4_start_words + skipped), .value_stride = group_words * sizeof(nk_word)};
    quantize_row(input, inputs, row, &layout);
    for (size_t group = 0; tile_parts == 2 && group < groups; group++)
        nk_widen_quads(first + group * group_words + nk_i4_start_words, group_steps);
}

#define NK_PRODUCT_I4                                                                                                \
    {.tile_rows = most_rows, .wide_rows = most_direct_rows, .row_words = row_words, .prepare_row = prepare_row,      \
     .tile = multiply_rows, .pack_panel = pack_panel_i4, .unpack_panel = unpack_panel_i4}
