/* codec_bf16_body.h: rows and panels in bf16, in plain C that the compiler turns into vectors. */
#include <string.h>

#include "codec_bf16_rounding.h"

/* A row of pairs, the lower half the first; an odd last input is followed by a zero. */
static size_t pair_words(size_t inputs) { return nk_ceiling(inputs, 2); }

/* A row of float32 that bf16 can hold, of even length. */
static size_t rounded_words(size_t inputs) { return nk_round_up(inputs, 2); }

static void round_row(const float *input, size_t inputs, nk_word *row) {
    for (size_t i = 0; i < inputs; i++) {
        uint32_t bits;
        memcpy(&bits, input + i, sizeof bits);
        row[i] = nk_bf16_from_bits(bits) << 16;
    }
    if (inputs % 2) row[inputs] = 0;
}

static void pack_panel_bf16(const float *columns, size_t inputs, void *panel, char *no_sums, size_t sums_stride) {
    static const float zeros[NK_PANEL];
    uint32_t *words = panel;
    for (size_t i = 0; i < inputs; i += 2) {
        uint32_t first[NK_PANEL], second[NK_PANEL];
        memcpy(first, columns + i * NK_PANEL, sizeof first);
        memcpy(second, i + 1 < inputs ? columns + (i + 1) * NK_PANEL : zeros, sizeof second);
        for (int lane = 0; lane < NK_PANEL; lane++)
            words[i / 2 * NK_PANEL + (size_t)lane] = nk_bf16_from_bits(first[lane]) | nk_bf16_from_bits(second[lane]) << 16;
    }
}

static void unpack_panel_bf16(const void *panel, size_t inputs, float *columns) {
    const uint32_t *words = panel;
    for (size_t i = 0; i < inputs; i++) {
        uint32_t bits[NK_PANEL];
        for (size_t lane = 0; lane < NK_PANEL; lane++)
            bits[lane] = i % 2 ? words[i / 2 * NK_PANEL + lane] & 0xffff0000 : words[i / 2 * NK_PANEL + lane] << 16;
        memcpy(columns + i * NK_PANEL, bits, sizeof bits);
    }
}
