/* portable_products.c: products with every codec in plain C, and the reference for the others. */
#include <string.h>

#include "kernels_isa.h"

static void tile_f32(const nk_tile *t) {
    nk_kernels_portable.tile_f32((const float *)t->rows, t->row_stride, t->row_count, (const float *)t->panels,
                                 t->panel_bytes / sizeof(float), t->panel_count, t->inputs, t->sums, t->sums_stride,
                                 t->start_scale);
}

const nk_product nk_product_f32_portable = {.tile_rows = 8, .wide_rows = 3, .tile = tile_f32};

#include "codec_bf16_body.h"

enum { widened_inputs = 128 };

/* Some inputs of each panel at a time become float32, which all rows then use. */
static void tile_bf16(const nk_tile *t) {
    float columns[widened_inputs * NK_PANEL], ones[8];
    for (int row = 0; row < 8; row++) ones[row] = 1;
    for (size_t panel = 0; panel < t->panel_count; panel++)
        for (size_t begin = 0; begin == 0 || begin < t->inputs; begin += widened_inputs) {
            const size_t count = nk_minimum(widened_inputs, t->inputs - begin);
            unpack_panel_bf16(t->panels + panel * t->panel_bytes + begin * NK_PANEL * 2, count, columns);
            nk_kernels_portable.tile_f32((const float *)t->rows + begin, t->row_stride, t->row_count, columns, 0, 1,
                                         count, t->sums + panel * NK_PANEL, t->sums_stride, begin ? ones : NULL);
        }
}

const nk_product nk_product_bf16_portable = {
    .tile_rows = 8, .wide_rows = 3, .row_words = rounded_words, .prepare_row = round_row, .tile = tile_bf16,
    .pack_panel = pack_panel_bf16, .unpack_panel = unpack_panel_bf16};
