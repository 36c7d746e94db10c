/* gemm_tile_shapes.h: instances of `tile` for every number of rows, and the choice among them. Few rows take several
 * strips at once, because about eight chains of sums hide the latency of multiply-adds. */

typedef void (*tile_function)(const nk_tile *t, size_t first_strip);

#define DEFINE_TILE(rows, strips)                                                                                    \
    static __attribute__((noinline)) void tile_##rows##x##strips(const nk_tile *t, size_t first_strip) {             \
        tile(rows, strips, t, first_strip);                                                                          \
    }

#if NK_VECTOR_BYTES == 64

#ifndef NK_ONE_ROW_STRIPS
#define NK_ONE_ROW_STRIPS 4
#endif

DEFINE_TILE(1, 1) DEFINE_TILE(1, 4)
DEFINE_TILE(2, 1) DEFINE_TILE(2, 2)
DEFINE_TILE(3, 1) DEFINE_TILE(3, 2)
DEFINE_TILE(4, 1) DEFINE_TILE(4, 2)
DEFINE_TILE(5, 1) DEFINE_TILE(5, 2)
DEFINE_TILE(6, 1) DEFINE_TILE(7, 1) DEFINE_TILE(8, 1) DEFINE_TILE(9, 1)
DEFINE_TILE(10, 1) DEFINE_TILE(11, 1) DEFINE_TILE(12, 1) DEFINE_TILE(13, 1) DEFINE_TILE(14, 1)

static const tile_function narrow[15] = {NULL,     tile_1x1,  tile_2x1,  tile_3x1,  tile_4x1,
                                         tile_5x1, tile_6x1,  tile_7x1,  tile_8x1,  tile_9x1,
                                         tile_10x1, tile_11x1, tile_12x1, tile_13x1, tile_14x1};
enum { wide_rows = 5 };
static const tile_function wide[wide_rows + 1] = {
    NULL, NK_ONE_ROW_STRIPS == 1 ? tile_1x1 : tile_1x4, tile_2x2, tile_3x2, tile_4x2, tile_5x2,
};
static const size_t wide_strips[wide_rows + 1] = {0, NK_ONE_ROW_STRIPS, 2, 2, 2, 2};

static void multiply_tile(const nk_tile *t) {
    const size_t strips = t->panel_count * strips_per_panel, rows = t->row_count;
    size_t strip = 0;
    if (rows <= wide_rows)
        for (; strip + wide_strips[rows] <= strips; strip += wide_strips[rows]) wide[rows](t, strip);
    for (; strip < strips; strip++) narrow[rows](t, strip);
}

#else

DEFINE_TILE(1, 2) DEFINE_TILE(1, 4)
DEFINE_TILE(2, 2)
DEFINE_TILE(3, 1) DEFINE_TILE(4, 1) DEFINE_TILE(5, 1) DEFINE_TILE(6, 1)

enum { wide_rows = 3 };
static const tile_function functions[7] = {NULL, tile_1x2, tile_2x2, tile_3x1, tile_4x1, tile_5x1, tile_6x1};
static const size_t strips_at_once[7] = {0, 2, 2, 1, 1, 1, 1};

static void multiply_tile(const nk_tile *t) {
    const size_t strips = t->panel_count * strips_per_panel;
    size_t strip = 0;
    if (t->row_count == 1)
        for (; strip + 4 <= strips; strip += 4) tile_1x4(t, strip);
    for (; strip < strips; strip += strips_at_once[t->row_count]) functions[t->row_count](t, strip);
}

#endif
