/* gemm_tile_body.h: the register tile of a product over packed panels, for any vector width and every codec whose panels
 * hold one 32-bit word per step and output: a float32, a pair of bf16, a quad of int8.
 *
 * A strip is two vectors of outputs: a whole panel with AVX-512, half of one with AVX2. A tile of `rows` x `strips`
 * keeps all its sums in registers over the whole reduction, so each output has one chain of sums in rising order of the
 * inputs, whatever the tile's shape.
 *
 * The file that includes this one defines:
 *     tile_parts                              words of a row per word of a panel
 *     tile_panel_header(t), tile_row_header(t)   words before the first step's
 *     tile_steps(t)
 *     tile_sums                               type of a vector of sums
 *     tile_word                               type of a vector of words
 *     tile_word tile_part(p, words)           what part p multiplies, of a vector of the panel
 *     tile_sums tile_multiply(words, x, sums) x: the address of the row's word
 *     tile_sums tile_start(t, r)
 *     tile_continues(t), tile_sums tile_continue(t, r, c)   to start from what is already stored at c
 *     vec tile_finish(t, r, panel, column, sums)   column: the first output's, from the first panel's first on
 */

enum { strip_width = 2 * VW, strips_per_panel = NK_PANEL / strip_width, most_strips = 4, prefetch_distance = 64 };
/* With AVX-512 up to 14 rows x 32 outputs in 28 of the 32 registers, with AVX2 up to 6 rows x 16 outputs in 12 of 16. */
enum { most_tile_rows = VW == 16 ? 14 : 6 };
/* Fewer rows are one tile, whose panels are read in one stream: asking for more at a time makes that slower. */
enum { least_rows_ahead = VW == 16 ? 6 : 4 };

/* Stores a value made of each vector of results. */
#define FINISH_TILE(address, value)                                                                                  \
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++)                                                \
        _Pragma("clang loop unroll(full)") for (int s = 0; s < 2 * strips; s++) {                                    \
            const size_t index = first_strip + (size_t)(s / 2);                                                      \
            const size_t column = index * strip_width + (size_t)(s % 2 * VW);                                        \
            const vec result = tile_finish(t, r, panel[s / 2], column, sums[r][s / 2][s % 2]);                       \
            v_store(address, value);                                                                                 \
        }

VECTOR_INLINE void tile(const int rows, const int strips, const nk_tile *operands, size_t first_strip) {
    /* Copies, because stores of results could change what a pointer points to, as far as the compiler knows. */
    const nk_tile copy = *operands, *const t = &copy;
    /* Of constant size: an array of variable size in a loop would live in memory. */
    tile_sums sums[most_tile_rows][most_strips][2];
    const nk_word *panel[most_strips], *strip[most_strips];
    const size_t row_stride = t->row_stride, sums_stride = t->sums_stride, steps = tile_steps(t);
    float *c = t->sums + first_strip * strip_width;
#pragma clang loop unroll(full)
    for (int s = 0; s < strips; s++) {
        const size_t index = first_strip + (size_t)s;
        panel[s] = (const nk_word *)(t->panels + index / strips_per_panel * t->panel_bytes);
        strip[s] = panel[s] + tile_panel_header(t) + index % strips_per_panel * strip_width;
    }
    if (tile_continues(t)) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (int s = 0; s < 2 * strips; s++)
                sums[r][s / 2][s % 2] = tile_continue(t, r, c + (size_t)r * sums_stride + s * VW);
    } else {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (int s = 0; s < 2 * strips; s++) sums[r][s / 2][s % 2] = tile_start(t, r);
    }
    /* One pointer per three rows: x86 addresses base + stride and base + 2 stride by itself. */
    enum { groups = (most_tile_rows + 2) / 3 };
    const nk_word *group[groups], *first = t->rows + tile_row_header(t);
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
        group[g] = 3 * g < rows ? first + (size_t)(3 * g) * row_stride : first;
        /* Without this the compiler computes each address from the one before. */
        __asm__("" : "+r"(group[g]));
    }

    const char *ahead = t->ahead;
    const size_t ahead_step = t->ahead_step;
    for (size_t i = 0; i < steps; i++) {
        if (rows >= least_rows_ahead) {
            __builtin_prefetch(ahead, 0, 2);
            ahead += ahead_step;
        }
        tile_word words[most_strips][2];
#pragma clang loop unroll(full)
        for (int s = 0; s < strips; s++) {
            words[s][0] = tile_load(strip[s] + i * NK_PANEL);
            words[s][1] = tile_load(strip[s] + i * NK_PANEL + VW);
            /* The hardware's prefetcher stops at each page; a strip crosses one every 32 steps. */
            __builtin_prefetch(strip[s] + (i + prefetch_distance) * NK_PANEL, 0, 3);
            if (VW == 16) __builtin_prefetch(strip[s] + (i + prefetch_distance) * NK_PANEL + VW, 0, 3);
        }
#pragma clang loop unroll(full)
        for (int p = 0; p < tile_parts; p++) {
            tile_word part[most_strips][2];
#pragma clang loop unroll(full)
            for (int s = 0; s < 2 * strips; s++) part[s / 2][s % 2] = tile_part(p, words[s / 2][s % 2]);
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) {
                const tile_word x =
                    tile_broadcast(group[r / 3] + (size_t)(r % 3) * row_stride + i * tile_parts + (size_t)p);
#pragma clang loop unroll(full)
                for (int s = 0; s < 2 * strips; s++)
                    sums[r][s / 2][s % 2] = tile_multiply(part[s / 2][s % 2], x, sums[r][s / 2][s % 2]);
            }
        }
    }
    if (!t->epilogue) {
        FINISH_TILE(c + (size_t)r * sums_stride + s * VW, result)
        return;
    }
    const nk_epilogue_f32 epilogue = *t->epilogue, *const e = &epilogue;
    const size_t column = first_strip * strip_width;
    vec bias[most_strips][2];
#pragma clang loop unroll(full)
    for (int s = 0; s < 2 * strips; s++) /* -0 is what changes no sum */
        bias[s / 2][s % 2] = e->bias ? v_load(e->bias + column + s * VW) : v_set(-0.0f);
    float *output = e->output + column;
    if (e->residual) {
        const float *residual = e->residual + column;
        FINISH_TILE(output + (size_t)r * e->output_stride + s * VW,
                    v_add(v_load(residual + (size_t)r * e->residual_stride + s * VW), v_add(result, bias[s / 2][s % 2])))
    } else {
        FINISH_TILE(output + (size_t)r * e->output_stride + s * VW, v_add(result, bias[s / 2][s % 2]))
    }
}

#include "gemm_tile_shapes.h"
