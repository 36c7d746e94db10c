/* codec_i8_body.h: panels in int8, in plain C that the compiler turns into vectors. */
#include "quantized_row.h"

/* The numbers that quantization gives are below 2^22, where adding 1.5 * 2^23 leaves no fraction. */
static inline int32_t rounded_weight(float x) { return (int32_t)(nk_bits_of(x + 0x1.8p23f) - 0x4b400000); }

static void pack_panel_i8(const float *columns, size_t inputs, void *panel, char *sums_place, size_t sums_stride) {
    uint32_t greatest[NK_PANEL] = {0};
    float inverse[NK_PANEL], scales[NK_PANEL];
    for (size_t i = 0; i < inputs; i++)
        for (int lane = 0; lane < NK_PANEL; lane++) {
            const uint32_t magnitude = nk_bits_of(columns[i * NK_PANEL + (size_t)lane]) & 0x7fffffff;
            greatest[lane] = greatest[lane] > magnitude ? greatest[lane] : magnitude;
        }
    for (int lane = 0; lane < NK_PANEL; lane++) scales[lane] = nk_quantization_scale(greatest[lane], &inverse[lane]);
    memcpy(panel, scales, sizeof scales);
    uint32_t *words = (uint32_t *)panel + NK_PANEL, sums[NK_PANEL] = {0};
    memset(sums_place, 0, sizeof sums); /* of no inputs */
    for (size_t i = 0; i < inputs; i += 4) {
        uint32_t quads[NK_PANEL] = {0};
        for (size_t j = 0; j < 4; j++)
            for (int lane = 0; lane < NK_PANEL; lane++) {
                const float x = i + j < inputs ? columns[(i + j) * NK_PANEL + (size_t)lane] : 0;
                const int32_t q = inverse[lane] == 0 ? 0 : rounded_weight(x * inverse[lane]);
                quads[lane] |= (uint32_t)(q + 128) << 8 * j;
                sums[lane] += (uint32_t)(q + 128);
            }
        memcpy(words + i / 4 * NK_PANEL, quads, sizeof quads);
        if ((i + 4) % NK_SUM_INPUTS == 0 || i + 4 >= inputs) {
            memcpy(sums_place, sums, sizeof sums);
            sums_place += sums_stride;
        }
    }
}

static void unpack_panel_i8(const void *panel, size_t inputs, float *columns) {
    const float *scales = panel;
    const uint32_t *words = (const uint32_t *)panel + NK_PANEL;
    for (size_t i = 0; i < inputs; i++)
        for (size_t lane = 0; lane < NK_PANEL; lane++) {
            const int32_t q = (int32_t)(words[i / 4 * NK_PANEL + lane] >> 8 * (i % 4) & 0xff) - 128;
            columns[i * NK_PANEL + lane] = (float)q * scales[lane];
        }
}
