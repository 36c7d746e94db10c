/* kernels_internal.h: what the files of this room share: the table of kernels of one instruction set, scratch
 * memory.
 *
 * A kernel in the table is single-threaded and pure: pointers and sizes in, results out. The files without an
 * instruction set in their name cut the work into tasks and call the table.
 */
#ifndef NESTLING_KERNELS_INTERNAL_H
#define NESTLING_KERNELS_INTERNAL_H

#include "nestling_kernels.h"

/* Half of a linear's work after the sum: everything that happens to a finished accumulator. Pointers are those of the
 * tile's first row and first output. */
typedef struct {
    const float *bias;
    nk_activation activation;
    const float *multiply;
    size_t multiply_stride;
    const float *residual;
    size_t residual_stride;
    float *output;
    size_t output_stride;
} nk_epilogue_f32;

/* What softmax does to the scores of one head. Key arrays are those of the block's first key; all are padded so
 * that whole vectors may be read (NK_SOFTMAX_PADDING elements). */
typedef struct {
    float scale;
    float softcap;
    int32_t position;               /* of the query, set by the kernel from its row */
    const int32_t *key_positions;   /* NULL: nothing needs it */
    const float *key_bias;          /* NULL: none             */
    float alibi_slope;              /* 0: none                */
    const float *relative_bias;     /* this head's row, or NULL */
    int32_t relative_radius;
} nk_softmax_rule;

#define NK_SOFTMAX_PADDING 32

enum { nk_most_softmax_rows = 16 };

typedef struct {
    size_t begin, end;
} nk_key_range;

/* A 32-bit word: a float32, a pair of bf16, a quad of int8... */
typedef uint32_t __attribute__((may_alias)) nk_word;

/* Weighted sums of values. */
typedef struct {
    const float *sums; /* NULL, or those so far (whole panels wide), which are multiplied by kept[r] first */
    size_t sums_stride;
    const float *kept;
    const float *shares; /* NULL, or what the finished sums of row r are multiplied by */
    float *output;       /* `columns` of it are written; may be `sums` */
    size_t output_stride;
    size_t columns;
} nk_weighing;

/* The parts of attention in one precision, on one tile of queries and one block of keys. Operands are words of one or two
 * elements; strides are in words, an odd last element is followed by a zero. */
typedef struct {
    /* The most queries that products, softmax and weigh take at once. */
    size_t tile_rows;
    size_t elements_per_word;

    /* Rows of ceil(size / elements_per_word) words. NULL: the float32 are the words. */
    void (*pack_queries)(const float *rows, size_t stride, size_t count, size_t size, nk_word *words);

    /* Keys become panels of 32, inside a panel by word: panels[(j / 32) * 32 * steps + i * 32 + j % 32] = word i of
     * rows[j * stride...]. Of the last panel only whole vectors that hold keys are written, padded with zeros. */
    void (*pack_keys)(const float *rows, size_t stride, size_t keys, size_t size, nk_word *panels);

    /* Values become panels of 32 columns, inside a panel by word of keys; columns beyond `columns` are 0. */
    void (*pack_values)(const float *rows, size_t stride, size_t keys, size_t columns, nk_word *panels,
                        size_t panel_stride);

    /* scores[r, j] = sum over words i of queries[r, i] * key j's word i, rising. Writes whole vectors. */
    void (*products)(const nk_word *queries, size_t query_stride, size_t rows, const nk_word *panels, size_t steps,
                     size_t keys, float *scores, size_t score_stride);

    /* Products become weights exp(score - maximum) in place, for the keys that each query sees. Updates the running
     * maximum and sum of each row; kept[row] is the factor for what was accumulated before. */
    void (*softmax)(float *scores, size_t stride, size_t rows, const nk_key_range *ranges, const int32_t *positions,
                    const nk_softmax_rule *rule, float *maximum, float *sum, float *kept);

    /* sums[r, :] + sum over words j of weights[r, j] * values' word j, rising. */
    void (*weigh)(const nk_word *weights, size_t weight_stride, size_t rows, const nk_word *panels, size_t panel_stride,
                  size_t steps, const nk_weighing *weighing);
} nk_attention_kernels;

typedef struct {
    /* Rows of the register tile: the most that tile_f32 takes at once. */
    size_t tile_rows;

    /* c[r * c_stride + 32 p + lane] = start + sum_i a[r * a_stride + i] * panels[p * panel_stride + 32 i + lane]
     * for rows <= tile_rows, i = 0 ..< inputs rising, one fused multiply-add each; start is 0, or
     * c * start_scale[r] where start_scale is given. */
    void (*tile_f32)(const float *a, size_t a_stride, size_t rows, const float *panels, size_t panel_stride,
                     size_t panel_count, size_t inputs, float *c, size_t c_stride, const float *start_scale);

    /* Stores sums [rows, columns] through an epilogue. */
    void (*epilogue_f32)(const float *sums, size_t sums_stride, size_t rows, size_t columns,
                         const nk_epilogue_f32 *epilogue);

    void (*activate)(float *values, size_t count, nk_activation activation);
    void (*layer_norm_row)(const float *input, const float *residual, size_t columns, const float *weight,
                           const float *bias, float epsilon, float *output);
    void (*rms_norm_row)(const float *input, size_t columns, const float *weight, float weight_offset, float epsilon,
                         float *output);
    void (*to_f32)(const void *source, nk_dtype dtype, size_t count, float *destination);

    /* panel[i * 32 + lane] = rows[lane * stride + i] for lane < lanes, zero for the others. */
    void (*transpose_panel)(const float *rows, size_t stride, size_t lanes, size_t inputs, float *panel);

    /* output = (accumulate ? output : 0) + factor * input */
    void (*scale_row)(const float *input, size_t count, float factor, int accumulate, float *output);
    void (*maximum_row)(const float *input, size_t count, float *output);
    float (*sum_of_squares)(const float *input, size_t count);
    float (*dot)(const float *first, const float *second, size_t count);
    /* values = max(values - (mean + deviations * deviation), 0), the deviation over n (not n - 1) */
    void (*keep_above)(float *values, size_t count, float deviations);

    /* cosine[j], sine[j] of the float32 angle (float)position * inverse_frequency[j], times magnitude. */
    void (*rope_angles)(int32_t position, const float *inverse_frequency, size_t count, float magnitude, float *cosine,
                        float *sine);
    void (*rope_rotate)(float *head, size_t half, const float *cosine, const float *sine, int interleaved);

    /* output = softmax(scale input), or its logarithm */
    void (*softmax_row_in_two_passes)(const float *input, size_t count, float scale, int logarithm, float *output);
    void (*softmax_row_in_three_passes)(const float *input, size_t count, float scale, int logarithm, float *output);

    const nk_attention_kernels *attention_f32, *attention_bf16;
} nk_kernels;

/* Operands of one register tile. */
typedef struct {
    const nk_word *rows; /* as the codec's prepare_row made them, row_stride words apart */
    size_t row_stride, row_count;
    const char *panels; /* panel_bytes apart */
    size_t panel_bytes, panel_count;
    size_t inputs, packed_inputs; /* in use, and of the panels */
    const char *weight_sums; /* int8, int4: of the first panel's weights over the inputs; NK_SUM_BYTES for each panel */
    float *sums; /* [row_count, 32 panel_count], sums_stride apart */
    size_t sums_stride;
    /* Where the product takes_epilogue: NULL, or where the results go instead of to `sums`: through a bias and a residual,
     * in whole vectors. The operations are those of epilogue_f32, so the bits are the same. */
    const nk_epilogue_f32 *epilogue;
    /* Not of int4: what is read after this, of which each step asks for the next ahead_step bytes. */
    const char *ahead;
    size_t ahead_step;
    size_t span;              /* int8 only: which nk_i8_span of the inputs */
    const float *start_scale; /* f32 only: NULL, or the factor of each row's earlier sums, which are then added to */
} nk_tile;

/* How one instruction set multiplies with one codec. */
typedef struct {
    /* The most rows that `tile` takes at once, and the most with which it takes several panels (at most 4). */
    size_t tile_rows, wide_rows;

    /* Words of a prepared row. NULL (f32): the tile reads the input as it is. */
    size_t (*row_words)(size_t inputs);
    void (*prepare_row)(const float *input, size_t inputs, nk_word *row);

    void (*tile)(const nk_tile *operands);
    int takes_epilogue;

    /* One panel from and to float32 columns [inputs, 32]. NULL (f32): they are the same. The panel's sums, where there are
     * any, lie sums_stride bytes apart. */
    void (*pack_panel)(const float *columns, size_t inputs, void *panel, char *sums, size_t sums_stride);
    void (*unpack_panel)(const void *panel, size_t inputs, float *columns);
} nk_product;

/* The tables in use. */
const nk_kernels *nk_kernels_in_use(void);
const nk_product *nk_product_in_use(nk_codec codec);

extern const nk_kernels nk_kernels_portable;
extern const nk_product nk_product_f32_portable, nk_product_bf16_portable, nk_product_i8_portable,
    nk_product_i4_portable;
#if defined(__x86_64__)
extern const nk_product nk_product_f32_avx2, nk_product_f32_avx512;
extern const nk_product nk_product_bf16_avx2, nk_product_bf16_avx512, nk_product_bf16_avx512bf16;
extern const nk_product nk_product_i8_avx2, nk_product_i8_avx2vnni, nk_product_i8_avx512, nk_product_i8_avx512vnni;
extern const nk_product nk_product_i4_avx2, nk_product_i4_avx2vnni, nk_product_i4_avx512, nk_product_i4_avx512vnni;
extern const nk_kernels nk_kernels_avx2;
extern const nk_kernels nk_kernels_avx512, nk_kernels_avx512bf16;
#endif

/* Memory of the calling thread, 64-byte aligned, valid until its next call on this thread. It grows and is freed
 * with the thread, so the steady state allocates nothing. */
void *nk_scratch(size_t bytes);

static inline size_t nk_minimum(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t nk_maximum(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t nk_round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }
static inline size_t nk_ceiling(size_t value, size_t divisor) { return (value + divisor - 1) / divisor; }

#endif
