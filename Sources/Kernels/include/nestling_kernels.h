/* nestling_kernels.h: the arithmetic of the engine, in C with one implementation per instruction set.
 *
 * Internal: only the Swift room Tensors and its tests include this. Sizes are in elements, matrices are row-major with a
 * stride (elements from one row to the next). Pointers need no alignment beyond that of their element, except packed
 * weights (64 bytes). Callers have validated every size; a kernel checks nothing.
 *
 * Same tokens, same bits: every output element has one fixed order of accumulation that depends on the element alone,
 * never on the tile it was computed in, the row count, the batch or the number of threads.
 */
#ifndef NESTLING_KERNELS_H
#define NESTLING_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* ---- instruction sets ---- */

/* The instruction set in use, one of these; each includes those below it of its width:
 *     avx512bf16   AVX-512 with VNNI and BF16
 *     avx512vnni   AVX-512 with VNNI
 *     avx512       AVX-512 F, BW, DQ, VL
 *     avx2vnni     AVX2 with AVX-VNNI
 *     avx2         AVX2, FMA, F16C
 *     portable     plain C
 * Chosen at the first call: the first that the processor and the operating system support, or what NESTLING_ISA names (a
 * name that is unknown or not supported is ignored). */
const char *nk_isa_name(void);

/* Switches to another supported instruction set (for tests; no kernel may be running). Returns 0, or -1 if this machine
 * cannot run it. */
int nk_isa_select(const char *name);

/* ---- threads ---- */

/* Processors that this process may use: affinity mask and cgroup (v1 and v2) quota when it is first asked for, or what the
 * environment variable NESTLING_PROCESSORS says; at least 1. */
int nk_usable_processors(void);

/* Sets what nk_usable_processors returns (for tests; no kernel may be running). 0: it looks again. */
void nk_set_usable_processors(int count);

/* Threads that one parallel_for may use, the caller's included. 0 restores nk_usable_processors(). */
void nk_set_thread_count(int count);
int nk_thread_count(void);

/* Threads that a parallel_for of up to `threads` (0: as set) runs on at most: none that would have to wait for a processor,
 * since what is split among more threads than processors takes longer. */
int nk_running_threads(int threads);

typedef void (*nk_body)(size_t begin, size_t end, void *_Nullable context);

/* Runs body over [0, count) in chunks of `grain` indices (the last may be shorter), on up to nk_running_threads(threads)
 * threads, the caller among them, and returns when all are done. If another thread is using the pool,
 * the caller does the whole work itself: no waiting, no multiplied threads. A body must not depend on which chunk runs
 * where. Nested calls run on the calling thread. */
void nk_parallel_for(size_t count, size_t grain, int threads, nk_body body, void *_Nullable context);

/* ---- element types as files store them ---- */

/* Floating-point numbers, and the blocks of ggml (blocks.c), which can only be read. */
typedef enum {
    NK_F32 = 0,
    NK_F16 = 1,
    NK_BF16 = 2,
    NK_Q4_0 = 3,
    NK_Q4_1 = 4,
    NK_Q5_0 = 5,
    NK_Q5_1 = 6,
    NK_Q8_0 = 7,
    NK_Q4_K = 8,
    NK_Q5_K = 9,
    NK_Q6_K = 10,
    NK_Q2_K = 11,
    NK_Q3_K = 12,
    NK_IQ4_NL = 13,
    NK_IQ4_XS = 14,
    NK_MXFP4 = 15,
    NK_TQ1_0 = 16,
    NK_TQ2_0 = 17
} nk_dtype;

/* Elements of a block; 1 for floating-point numbers. Counts of elements, below, are whole blocks: a row is. */
size_t nk_dtype_block(nk_dtype dtype);
/* Bytes of count elements. */
size_t nk_dtype_bytes(nk_dtype dtype, size_t count);

/* Converts count elements at `source` (any alignment) to float32. */
void nk_to_f32(const void *source, nk_dtype dtype, size_t count, float *destination);

/* Converts count elements at `source` (any alignment) to `to`, float32 or bfloat16 (rounded to nearest even), on up to
 * `threads` threads. */
void nk_convert(const void *source, nk_dtype from, size_t count, void *destination, nk_dtype to, int threads);

/* ---- packed matrices and products ---- */

/* Output rows per panel. A weight [outputs, inputs] is packed as panels of 32 output rows, scales included; inside a panel
 * the weights follow each other along the input. So a prefix of the outputs is fewer panels, and a prefix of the inputs is
 * a shorter run inside each panel. Missing rows of the last panel are zero.
 *
 * Behind all panels of int8 and int4 follow sums of the weights, which products need whose input is not quantized around 0:
 * of every output over the first NK_SUM_INPUTS inputs, then of every output over the first 2 NK_SUM_INPUTS... and in the end
 * over all. NK_SUM_BYTES hold those of a panel. (Inside the panels they would break the stream in which these are read.)
 *
 * The bytes do not depend on the instruction set (little-endian), so packed matrices may be written to files. */
#define NK_PANEL 32
#define NK_SUM_INPUTS 128
#define NK_SUM_BYTES (4 * NK_PANEL)

/* How a packed matrix holds its weights. w[lane][i] is the weight of output `lane` of the panel and input i; q are whole
 * numbers. */
typedef enum {
    /* float32: panel[32 i + lane]. */
    NK_CODEC_F32 = 0,
    /* Brain floating point, rounded to nearest even: panel[64 (i / 2) + 2 lane + i % 2]; an odd last input is followed by
     * a zero. The input is rounded likewise; products are summed in float32. */
    NK_CODEC_BF16 = 1,
    /* int8, symmetric per output: 32 float32 scales s[lane] = max |w[lane]| / 127, then bytes q[lane][i] + 128 at
     * 128 + 128 (i / 4) + 4 lane + i % 4, w ~ s q, padded with q = 0. Sums are of these bytes, as int32. Each row of the
     * input is quantized over the inputs in use, between its least and its greatest number (quantized_row.h); sums of
     * products are exact, then scaled in float32. A row that holds an infinity or NaN gives NaN; rows and weights below
     * 2^-100 count as 0. */
    NK_CODEC_I8 = 2,
    /* Four bits: w ~ s * codes[index], with one of two tables of 16 int8 codes for each panel and a bf16 scale for each
     * output and group of 32 inputs (4.75 bits per weight with the sums); codec_i4.h has the layout. Input as for int8. The
     * whole sums of the groups, times their scales, are added in float32 in rising order. Inputs that end inside a group
     * are as exact as others. */
    NK_CODEC_I4 = 3
} nk_codec;

/* Bytes of one panel, a multiple of 64; how many sums of its weights each output has (0, or at least 1); bytes of a packed
 * [outputs, inputs]; where in it all outputs' sums over the first (index + 1) NK_SUM_INPUTS begin, panel after panel. */
size_t nk_panel_bytes(nk_codec codec, size_t inputs);
size_t nk_panel_sums(nk_codec codec, size_t inputs);
size_t nk_packed_bytes(nk_codec codec, size_t outputs, size_t inputs);
size_t nk_sums_place(nk_codec codec, size_t outputs, size_t inputs, size_t index);

/* Packs weight[o * output_stride + i * input_stride] (strides in elements; elements of `dtype`, any alignment) as the
 * outputs from first_output on, a multiple of NK_PANEL, of a packed [packed_outputs, inputs]: nk_packed_bytes at `packed`,
 * aligned to 64 bytes. On up to `threads` threads. */
void nk_pack(nk_codec codec, const void *weight, nk_dtype dtype, size_t outputs, size_t inputs, size_t output_stride,
             size_t input_stride, void *packed, size_t packed_outputs, size_t first_output, int threads);

/* Writes the leading [outputs, inputs] of a packed matrix, or of its panels from `packed` on, as row-major float32, as the
 * products see them. */
void nk_unpack(nk_codec codec, const void *packed, size_t packed_inputs, size_t outputs, size_t inputs, float *weight);

typedef enum {
    NK_IDENTITY = 0,
    NK_RELU = 1,
    NK_GELU = 2,      /* x/2 (1 + erf(x / sqrt 2))                                          */
    NK_GELU_TANH = 3, /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))                      */
    NK_SILU = 4,      /* x / (1 + exp(-x))                                                  */
    NK_TANH = 5,
    NK_SIGMOID = 6,
    NK_RELU_SQUARED = 7, /* max(x, 0)^2                                                     */
    NK_QUICK_GELU = 8,   /* x sigmoid(1.702 x)                                              */
    /* The same for what is rounded to bf16 or coarser anyway, in half of the time: relative error at most 2^-12 (of 4e-4
     * where the result is less; portable: none). */
    NK_ROUGH_GELU = 9,
    NK_ROUGH_GELU_TANH = 10,
    NK_ROUGH_SILU = 11,
    NK_ROUGH_QUICK_GELU = 12
} nk_activation;

/* One linear layer of a grouped product, with its epilogue:
 *     output[r, o] = residual[r, o] + multiply[r, o] * activation(sum_i input[r, i] * weight[o, i] + bias[o])
 * where absent (NULL) parts are left out. output may be the same memory as residual or multiply.
 * Order of the sum: f32: i = 0 ..< inputs rising, one fused multiply-add each (portable: one multiply, one add).
 * bf16: likewise on rounded input, or with avx512bf16 one VDPBF16PS per pair of inputs. int8: whole numbers.
 * int4: whole numbers in each group; one fused multiply-add per group. */
typedef struct {
    nk_codec codec;
    const void *packed; /* aligned to 64 bytes                                          */
    size_t packed_outputs, packed_inputs; /* of the packed matrix                       */
    size_t outputs, inputs;               /* the prefix used, at most as many           */
    const float *_Nullable bias;
    nk_activation activation;
    const float *_Nullable multiply;
    size_t multiply_stride;
    const float *_Nullable residual;
    size_t residual_stride;
    float *output;
    size_t output_stride;
} nk_linear;

/* Multiplies one input [rows, linears[k].inputs] by several linears (query, key and value, say) that have the same codec
 * and the same inputs. rows may be 0. */
void nk_gemm(const float *input, size_t input_stride, size_t rows, const nk_linear *linears, size_t linear_count,
             int threads);

/* ---- rows ---- */

/* output[r] = (input[r] + residual?[r] - mean) / sqrt(variance + epsilon) * weight? + bias?, variance over n (not n - 1);
 * two passes. output may be input. */
void nk_layer_norm(const float *input, size_t input_stride, const float *_Nullable residual, size_t residual_stride,
                   size_t rows, size_t columns, const float *_Nullable weight, const float *_Nullable bias,
                   float epsilon, float *output, size_t output_stride, int threads);

/* output[r] = input[r] / sqrt(mean(input[r]^2) + epsilon) * (weight + weight_offset)?; weight NULL: 1. */
void nk_rms_norm(const float *input, size_t input_stride, size_t rows, size_t columns, const float *_Nullable weight,
                 float weight_offset, float epsilon, float *output, size_t output_stride, int threads);

/* output[r] = (accumulate ? output[r] : 0) + factor * input[r]. output may be input. */
void nk_scale_rows(const float *input, size_t input_stride, size_t rows, size_t columns, float factor, int accumulate,
                   float *output, size_t output_stride, int threads);

/* In place: each row times sqrt(mean(reference[r]^2) / max(mean(values[r]^2), 1e-5)). */
void nk_match_magnitudes(float *values, size_t stride, size_t rows, size_t columns, const float *reference,
                         size_t reference_stride, int threads);

/* In place: max(x - (mean + deviations * deviation), 0) with mean and deviation (over n, not n - 1) of the row. */
void nk_keep_above(float *values, size_t stride, size_t rows, size_t columns, float deviations, int threads);

/* ---- rows of several streams side by side: values [rows, streams * columns], streams <= NK_MOST_STREAMS ---- */

enum { NK_MOST_STREAMS = 16 };

/* output[r] = weights tanh(router input[r] / columns): router [streams, columns], weights [outputs, streams]. */
void nk_route_streams(const float *input, size_t input_stride, size_t rows, size_t columns, const float *router,
                      size_t streams, const float *weights, size_t outputs, float *output, int threads);

/* Stream j of row r becomes itself + sum_i coefficients[r][j * streams + i] * stream i. */
void nk_mix_streams(float *values, size_t stride, size_t rows, size_t streams, size_t columns,
                    const float *coefficients, int threads);

/* Stream j of row r becomes itself + (1 + coefficients[r][j]) * change[r]. */
void nk_correct_streams(float *values, size_t stride, size_t rows, size_t streams, size_t columns,
                        const float *coefficients, const float *change, size_t change_stride, int threads);

/* In place, element by element. */
void nk_activate(float *values, size_t stride, size_t rows, size_t columns, nk_activation activation, int threads);

/* output[r, :] = (accumulate ? output[r, :] : 0) + scale * table[ids[r], :], the table [*, columns] of `dtype` at any
 * alignment. ids are valid. */
void nk_gather(const void *table, nk_dtype dtype, size_t columns, const int32_t *ids, size_t rows, float scale,
               int accumulate, float *output, size_t output_stride, int threads);

/* Rotates pairs of each head in place (rotary position embedding): for head h, element j < rotary / 2, position p:
 *     angle = p * inverse_frequency[j];  interleaved: pair (2j, 2j + 1), else pair (j, j + rotary / 2)
 *     (a, b) -> (a cos - b sin, b cos + a sin), both times `magnitude`
 * cos and sin are those of float32 angles, as the reference implementations compute them. Elements >= rotary stay. */
void nk_rope(float *values, size_t stride, size_t rows, size_t heads, size_t head_size, size_t rotary,
             const float *inverse_frequency, float magnitude, int interleaved, const int32_t *positions, int threads);

typedef enum {
    NK_SOFTMAX_BY_SIZE = 0,
    NK_SOFTMAX_THREE_PASSES = 1, /* greatest value; exponentials and sum; division */
    NK_SOFTMAX_TWO_PASSES = 2    /* sum of exponentials as mantissas and exponents; exponentials again and division */
} nk_softmax_algorithm;

/* output[r, :] = softmax(scale input[r, :]), or its natural logarithm. -infinity has a share of 0. output may be input. */
void nk_softmax_rows(const float *input, size_t input_stride, size_t rows, size_t columns, float scale, int logarithm,
                     nk_softmax_algorithm algorithm, float *output, size_t output_stride, int threads);

/* ---- attention ---- */

/* Softmax attention over ragged sequences, heads side by side in each row:
 *     score(i, j) = scale * <query_i, key_j> + bias(i, j);  with softcap c > 0 the scaled product s becomes c tanh(s / c)
 *     output_i = sum_j softmax_j(score(i, j)) value_j
 * Sequence s is the rows offsets[s] ..< offsets[s + 1] of query, key, value and output. Scores are never written to
 * memory beyond one block. bias(i, j) is the sum of those present:
 *     key_bias[j]                        log of a merged token's size
 *     -alibi_slopes[h] * |p_i - p_j|     ALiBi, p = position
 *     relative_bias[h * (2 R + 1) + clamp(p_j - p_i, -R, R) + R]
 * Pair (i, j) meets only if |p_i - p_j| <= window (window < 0: no limit) and, if causal, p_j <= p_i. A token always meets
 * itself. Positions never fall within a sequence. Blocks of keys begin at the sequence's first token, so that bits do not
 * depend on the batch. Weights below 2^-126 of the row's greatest count as 0 or next to nothing.
 *
 * With precision NK_BF16 queries, keys, values and weights are rounded to bf16 (to nearest, ties to even) before they are
 * multiplied; sums stay float32. A weight is then off by up to e = 2^-8 + 2^-13.7 of itself. Outputs are divided by the sum
 * of the rounded weights, so one is off by up to 2 e of the greatest value. With avx512bf16 a product is one VDPBF16PS per
 * pair of elements, or of keys; with the others one fused multiply-add per element (portable: one multiply, one add). */
typedef struct {
    const float *query; /* [tokens, heads * head_size]        */
    size_t query_stride;
    const void *key; /* [tokens, key_heads * head_size]; query head h uses key head h / (heads / key_heads) */
    size_t key_stride;
    const void *value;
    size_t value_stride;
    float *output; /* [tokens, heads * head_size]             */
    size_t output_stride;
    size_t heads, key_heads, head_size;
    const size_t *offsets; /* [sequences + 1], in rows        */
    size_t sequences;
    /* Where only some tokens have queries: rows query_offsets[s] ..< query_offsets[s + 1] of query and output are those of the
     * tokens query_tokens[row] of sequence s, which rise. NULL: all have. */
    const size_t *_Nullable query_offsets; /* [sequences + 1] */
    const size_t *_Nullable query_tokens;  /* [query rows]    */
    float scale;
    float softcap;                              /* 0: none    */
    int causal;                                 /* 0 or 1     */
    int32_t window;                             /* < 0: none  */
    const int32_t *_Nullable positions;         /* [tokens]; NULL: position within the sequence */
    const float *_Nullable key_bias;            /* [tokens]   */
    const float *_Nullable alibi_slopes;        /* [heads]    */
    const float *_Nullable relative_bias;       /* [heads, 2 R + 1] */
    int32_t relative_radius;                    /* R          */
    nk_dtype key_type, value_type;              /* elements of key and value; 0: float32 */
    nk_dtype precision;                         /* NK_F32 (0) or NK_BF16                 */
} nk_attention_f32_arguments;

void nk_attention_f32(const nk_attention_f32_arguments *arguments, int threads);

/* How much each key is attended to: received[j] = mean over heads and queries i of softmax_j(score(i, j)), in float32, with
 * the scores of nk_attention_f32 whatever the precision. Queries are all of the key's sequence, or its first
 * `leading_queries` (0: all). `received` is [heads, tokens], rows `stride` apart, addressed by token as the offsets are: each
 * head's own shares pass through it, and the first row receives the result. value and output are not read; key_type is
 * NK_F32. Queries of a head add up in rising order, heads then in rising order. Memory: the keys of one head, and a row of
 * scores for each query of a tile; time about half of nk_attention_f32. All tokens have queries, here and in
 * nk_attention_pooled. */
void nk_attention_received(const nk_attention_f32_arguments *arguments, size_t leading_queries, float *received,
                           size_t stride, int threads);

/* Attention over means of keys: of each sequence, key and value rows length g / G ..< length (g + 1) / G (whole divisions)
 * become one, weighted by `sizes` (NULL: 1 each), for G = `groups` (at most the sequence's tokens); the log of their sizes' sum
 * is added to the score, and the position of group g is that of its middle row. In float32 whatever the precision; key_bias,
 * causal and window are not looked at; key_type and value_type are NK_F32. Memory and time do not depend on the square of the
 * tokens. */
void nk_attention_pooled(const nk_attention_f32_arguments *arguments, size_t groups, const float *_Nullable sizes,
                         int threads);

/* ---- attention over a cache ---- */

/* Tokens of a page. */
#define NK_CACHE_PAGE 64

/* In what a cache keeps keys and values: float32, bf16 (rounded to nearest even), or 8 bits with a scale for each token and
 * head (symmetric). With f32, attention is in float32, with the others as with precision NK_BF16. */
typedef enum { NK_CACHE_F32 = 0, NK_CACHE_BF16 = 1, NK_CACHE_I8 = 2 } nk_cache_type;

/* Bytes of one key head of a page; a multiple of 64. Heads follow each other, so that fewer are a prefix. The bytes do not
 * depend on the instruction set. Pages are aligned to 64 bytes and begin as zeros. */
size_t nk_cache_head_bytes(nk_cache_type type, size_t head_size);

/* One sequence: token t is in slot t % NK_CACHE_PAGE of pages[t / NK_CACHE_PAGE]. Its last `queries` tokens are new: rows
 * first_row ..< first_row + queries of what is handed over. Pages that no query sees may be NULL. */
typedef struct {
    void *_Nullable const *_Nonnull pages;
    size_t tokens;  /* the new ones included, at least `queries` */
    size_t queries; /* at least 1                                */
    size_t first_row;
} nk_cached_sequence;

/* Causal attention as nk_attention_f32 computes it, of new tokens over all tokens of their sequences; the position of a token
 * is its index in the sequence. Bits depend on the sequence's tokens alone, not on how many of them are new. */
typedef struct {
    const float *query; /* [rows, heads * head_size] */
    size_t query_stride;
    float *output; /* [rows, heads * head_size]      */
    size_t output_stride;
    size_t heads, key_heads, head_size;
    nk_cache_type type;
    const nk_cached_sequence *sequences;
    size_t sequence_count;
    float scale;
    float softcap;                        /* 0: none          */
    int32_t window;                       /* < 0: none        */
    const float *_Nullable alibi_slopes;  /* [heads]          */
    const float *_Nullable relative_bias; /* [heads, 2 R + 1] */
    int32_t relative_radius;              /* R                */
} nk_cached_attention;

/* Keys and values of new tokens, [rows, key_heads * head_size], for their pages. */
typedef struct {
    const float *keys;
    size_t key_stride;
    const float *values;
    size_t value_stride;
    size_t key_heads, head_size;
    nk_cache_type type;
    const nk_cached_sequence *sequences;
    size_t sequence_count;
} nk_cached_keys;

/* Writes them. */
void nk_cache_append(const nk_cached_keys *arguments, int threads);

/* `tasks_before` is room for sequence_count + 1 numbers. */
void nk_attention_cached(const nk_cached_attention *arguments, size_t *tasks_before, int threads);

/* ---- pooling ---- */

typedef enum {
    NK_POOL_CLS = 1,
    NK_POOL_MEAN = 2,
    NK_POOL_MAX = 3,
    NK_POOL_LAST = 4,
    NK_POOL_WEIGHTED_MEAN = 5,   /* weight of token t is t + 1                                 */
    NK_POOL_MEAN_SQRT_LENGTH = 6 /* sum / sqrt(sum of sizes)                                   */
} nk_pooling;

/* output[s] = pooled rows offsets[s] ..< offsets[s + 1]. sizes: NULL, or [tokens] weights that merging gave; the mean
 * divides by their sum. With sizes, weighted mean weighs a row by size * (position within the sequence + 1). */
void nk_pool(const float *rows, size_t stride, const size_t *offsets, size_t sequences, size_t columns,
             nk_pooling pooling, const float *_Nullable sizes, float *output, size_t output_stride, int threads);

/* Scales each row to Euclidean length 1: x / max(|x|, 1e-12). */
void nk_normalize_rows(float *rows, size_t stride, size_t count, size_t columns);

/* ---- token merging ---- */

/* metric[t, :] = mean over heads of key[t, h, :], scaled to length 1 (a zero row stays zero). */
void nk_merge_metric(const float *key, size_t key_stride, size_t tokens, size_t key_heads, size_t head_size,
                     float *metric, int threads);

/* For each row a of sources [n, columns], the row b of targets [m, columns] with the greatest dot product; ties go to the
 * lowest b. Rows with source_allowed[a] == 0 or without an allowed target get index -1 and score -infinity. */
void nk_best_match(const float *sources, size_t source_stride, size_t n, const uint8_t *_Nullable source_allowed,
                   const float *targets, size_t target_stride, size_t m, const uint8_t *_Nullable target_allowed,
                   size_t columns, int32_t *best, float *score, int threads);

/* nk_best_match among targets near the source's index: |a - b| < band, and b >= a with `forward_only`. Each product is the sum
 * of 16 partial sums over every 16th column, the same with all instruction sets. */
void nk_best_match_near(const float *sources, size_t source_stride, size_t n, const uint8_t *source_allowed,
                        const float *targets, size_t target_stride, size_t m, const uint8_t *target_allowed,
                        size_t columns, size_t band, int forward_only, int32_t *best, float *score, int threads);

/* energy[a] = mean over the other rows b of elu(<row a, row b> - margin), elu(x) = x where x >= 0 and exp(x) - 1 below. */
void nk_merge_energy(const float *rows, size_t stride, size_t n, size_t columns, float margin, float *energy,
                     int threads);

/* products[a, b] = <row a, target b> for b < m; row a has room for whole panels of 32 (product_stride), what lies past m is
 * 0. */
void nk_similarities(const float *rows, size_t stride, size_t n, const float *targets, size_t target_stride, size_t m,
                     size_t columns, float *products, size_t product_stride, int threads);

/* output[r, :] = sum over i < inputs, rising, of weights[r, i] * input[i, :]. Output overlaps nothing. */
void nk_mix_rows(const float *weights, size_t weight_stride, size_t rows, size_t inputs, const float *input,
                 size_t input_stride, size_t columns, float *output, size_t output_stride, int threads);

/* ---- what the machine can do ---- */

typedef enum {
    NK_PEAK_F32 = 0,  /* float32 multiply-adds, operations per second (two each)                               */
    NK_PEAK_BF16 = 1, /* products of bfloat16 pairs added to float32                                           */
    NK_PEAK_I8 = 2,   /* products of bytes added to int32                                                      */
    NK_PEAK_READ = 3  /* bytes read from memory per second                                                     */
} nk_peak;

/* Measures, for about `seconds`, what `threads` threads (0: as set) reach together with the instruction set in use: at best,
 * of reading as a rule (the median). 0 if there is no memory. */
double nk_measure_peak(nk_peak kind, int threads, double seconds);

#pragma clang assume_nonnull end

#endif /* NESTLING_KERNELS_H */
