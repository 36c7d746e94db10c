/* codec_i4.h: where things are in a panel of int4.
 *
 *     byte 0         codes + 128, 16 bytes; zeros up to byte 64
 *     then for each group
 *         byte 0     32 scales in bf16, by lane
 *         byte 64    indices: at 64 (i / 4) + 4 (lane % 16) + i % 4, in the low half those of lanes 0 ..< 16
 *
 * The sums behind the panels are of the weights as they come back from codes and scales, in float32.
 */
#ifndef NESTLING_CODEC_I4_H
#define NESTLING_CODEC_I4_H

#include "quantized_row.h"

enum {
    nk_i4_header = 64,
    nk_i4_scales = 2 * NK_PANEL,
    nk_i4_group_bytes = nk_i4_scales + nk_i4_group * NK_PANEL / 2,
};

static inline size_t nk_i4_panel_bytes(size_t inputs) {
    return nk_i4_header + nk_ceiling(inputs, nk_i4_group) * nk_i4_group_bytes;
}

#endif
