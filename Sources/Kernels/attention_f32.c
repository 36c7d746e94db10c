/* attention_f32.c: softmax attention over ragged sequences (online softmax: Milakov and Gimelshein 2018; blocks as
 * in FlashAttention, Dao et al. 2022).
 *
 * A task is one head of one block of queries. It walks over blocks of keys that begin at the sequence's first token:
 * keys are transposed and values copied into panels, and both products run on the register tile of the linears. Per
 * block and query: scores -> weights exp(score - maximum so far), the sum and the output so far are rescaled, the
 * values added.
 */
#include <math.h>
#include <string.h>

#include "kernels_internal.h"

enum { key_block = 128, tiles_per_task = 10, most_tile_rows = 14 };

typedef struct {
    size_t sequence, first, last; /* rows */
} nk_query_block;

typedef struct {
    const nk_kernels *kernels;
    const nk_attention_f32_arguments *arguments;
    const size_t *first_block; /* [sequences + 1]: blocks of queries before each sequence */
} nk_attention_job;

static size_t query_blocks(size_t length, size_t tile_rows) { return nk_ceiling(length, tile_rows * tiles_per_task); }

typedef struct {
    float *keys, *values, *scores, *sums, *maximum, *total, *factor, *key_bias;
    int32_t *positions;
} nk_attention_scratch;

static nk_attention_scratch scratch_for(size_t head_size, size_t queries) {
    const size_t panels = nk_ceiling(head_size, NK_PANEL);
    const size_t keys = key_block * head_size, values = key_block * panels * NK_PANEL;
    const size_t scores = most_tile_rows * key_block, sums = queries * panels * NK_PANEL;
    const size_t row = nk_round_up(queries, 16), block = key_block + NK_SOFTMAX_PADDING;
    float *memory = nk_scratch((nk_round_up(keys, 16) + values + scores + sums + 3 * row + 2 * block) * sizeof(float));
    nk_attention_scratch scratch;
    scratch.keys = memory;
    scratch.values = scratch.keys + nk_round_up(keys, 16);
    scratch.scores = scratch.values + values;
    scratch.sums = scratch.scores + scores;
    scratch.maximum = scratch.sums + sums;
    scratch.total = scratch.maximum + row;
    scratch.factor = scratch.total + row;
    scratch.key_bias = scratch.factor + row;
    scratch.positions = (int32_t *)(scratch.key_bias + block);
    return scratch;
}

static int32_t position_of(const nk_attention_f32_arguments *a, size_t sequence_start, size_t row) {
    return a->positions ? a->positions[row] : (int32_t)(row - sequence_start);
}

/* How many of the positions are at most `limit`. */
static size_t count_until(const int32_t *positions, size_t count, int64_t limit) {
    size_t begin = 0;
    while (begin < count) {
        const size_t middle = begin + (count - begin) / 2;
        if (positions[middle] <= limit)
            begin = middle + 1;
        else
            count = middle;
    }
    return begin;
}

/* The keys of a block that a query meets: a run, because positions do not fall within a sequence. */
static nk_key_range visible_keys(const nk_attention_f32_arguments *a, const nk_attention_scratch *scratch, size_t keys,
                                 int64_t position) {
    nk_key_range range = {0, keys};
    if (!a->causal && a->window < 0) return range;
    const int64_t latest = position + (a->causal ? 0 : a->window);
    const int64_t earliest = a->window < 0 ? -(INT64_C(1) << 40) : position - a->window;
    range.end = count_until(scratch->positions, keys, latest);
    range.begin = nk_minimum(range.end, count_until(scratch->positions, keys, earliest - 1));
    return range;
}

static void attend(const nk_attention_job *job, size_t sequence, size_t block, size_t blocks, size_t head) {
    const nk_attention_f32_arguments *a = job->arguments;
    const nk_kernels *kernels = job->kernels;
    const size_t start = a->offsets[sequence], end = a->offsets[sequence + 1], length = end - start;
    const size_t first = start + length * block / blocks, last = start + length * (block + 1) / blocks;
    const size_t queries = last - first, size = a->head_size, panels = nk_ceiling(size, NK_PANEL);
    const size_t width = panels * NK_PANEL, tiles = nk_ceiling(queries, kernels->tile_rows);
    const size_t key_head = head / (a->heads / a->key_heads);
    const nk_attention_scratch scratch = scratch_for(size, queries);

    nk_softmax_rule rule = {.scale = a->scale, .softcap = a->softcap};
    if (a->alibi_slopes) rule.alibi_slope = a->alibi_slopes[head];
    if (a->relative_bias) {
        rule.relative_radius = a->relative_radius;
        rule.relative_bias = a->relative_bias + head * (2 * (size_t)a->relative_radius + 1);
    }
    if (a->alibi_slopes || a->relative_bias) rule.key_positions = scratch.positions;
    if (a->key_bias) rule.key_bias = scratch.key_bias;

    for (size_t q = 0; q < queries; q++) {
        scratch.maximum[q] = -INFINITY;
        scratch.total[q] = 0;
    }
    const int32_t first_position = position_of(a, start, first), last_position = position_of(a, start, last - 1);
    unsigned begun = 0; /* a bit per tile: there are sums from earlier blocks */
    for (size_t key = start; key < end; key += key_block) {
        const size_t keys = nk_minimum(key_block, end - key);
        /* Positions do not fall within a sequence, so whole blocks lie before or behind what the queries may see. */
        const int64_t earliest = position_of(a, start, key), latest = position_of(a, start, key + keys - 1);
        if (a->causal && earliest > last_position) break;
        if (a->window >= 0 && earliest > (int64_t)last_position + a->window) break;
        if (a->window >= 0 && latest < (int64_t)first_position - a->window) continue;

        for (size_t j = 0; j < keys; j++) scratch.positions[j] = position_of(a, start, key + j);
        memset(scratch.positions + keys, 0, NK_SOFTMAX_PADDING * sizeof(int32_t));
        if (a->key_bias) {
            memcpy(scratch.key_bias, a->key_bias + key, keys * sizeof(float));
            memset(scratch.key_bias + keys, 0, NK_SOFTMAX_PADDING * sizeof(float));
        }
        for (size_t j = 0; j < keys; j += NK_PANEL)
            kernels->transpose_panel(a->key + (key + j) * a->key_stride + key_head * size, a->key_stride,
                                     nk_minimum(NK_PANEL, keys - j), size, scratch.keys + j * size);
        for (size_t panel = 0; panel < panels; panel++) {
            const size_t lanes = nk_minimum(NK_PANEL, size - panel * NK_PANEL);
            float *target = scratch.values + panel * key_block * NK_PANEL;
            const float *source = a->value + key * a->value_stride + key_head * size + panel * NK_PANEL;
            for (size_t j = 0; j < keys; j++, target += NK_PANEL, source += a->value_stride) {
                memcpy(target, source, lanes * sizeof(float));
                if (lanes < NK_PANEL) memset(target + lanes, 0, (NK_PANEL - lanes) * sizeof(float));
            }
        }

        for (size_t tile = 0; tile < tiles; tile++) {
            const size_t q = queries * tile / tiles, rows = queries * (tile + 1) / tiles - q;
            const nk_key_range seen = {
                visible_keys(a, &scratch, keys, position_of(a, start, first + q)).begin,
                visible_keys(a, &scratch, keys, position_of(a, start, first + q + rows - 1)).end,
            };
            if (seen.begin >= seen.end) continue;
            const size_t from = seen.begin / NK_PANEL * NK_PANEL;
            kernels->tile_f32(a->query + (first + q) * a->query_stride + head * size, a->query_stride, rows,
                              scratch.keys + from * size, size * NK_PANEL, nk_ceiling(seen.end - from, NK_PANEL), size,
                              scratch.scores + from, key_block, NULL);
            nk_key_range ranges[nk_most_softmax_rows];
            int32_t positions[nk_most_softmax_rows];
            for (size_t r = 0; r < rows; r++) {
                positions[r] = position_of(a, start, first + q + r);
                ranges[r] = visible_keys(a, &scratch, keys, positions[r]);
            }
            kernels->softmax_rows(scratch.scores, key_block, rows, ranges, positions, &rule, scratch.maximum + q,
                                  scratch.total + q, scratch.factor + q);
            /* What one query does not see, but others of the tile do, weighs nothing. */
            for (size_t r = 0; r < rows; r++) {
                float *scores = scratch.scores + r * key_block;
                for (size_t j = seen.begin; j < ranges[r].begin; j++) scores[j] = 0;
                for (size_t j = ranges[r].end; j < seen.end; j++) scores[j] = 0;
            }
            kernels->tile_f32(scratch.scores + seen.begin, key_block, rows, scratch.values + seen.begin * NK_PANEL,
                              key_block * NK_PANEL, panels, seen.end - seen.begin, scratch.sums + q * width, width,
                              begun >> tile & 1 ? scratch.factor + q : NULL);
            begun |= 1u << tile;
        }
    }
    for (size_t q = 0; q < queries; q++)
        kernels->scale_row(scratch.sums + q * width, size, 1 / scratch.total[q], 0,
                           a->output + (first + q) * a->output_stride + head * size);
}

static void attend_tasks(size_t begin, size_t end, void *context) {
    const nk_attention_job *job = context;
    const size_t heads = job->arguments->heads;
    size_t sequence = 0, before = 0, blocks = 0;
    for (size_t task = begin; task < end; task++) {
        const size_t index = task / heads;
        for (;; sequence++) {
            const size_t *offsets = job->arguments->offsets;
            blocks = query_blocks(offsets[sequence + 1] - offsets[sequence], job->kernels->tile_rows);
            if (index < before + blocks) break;
            before += blocks;
        }
        attend(job, sequence, index - before, blocks, task % heads);
    }
}

void nk_attention_f32(const nk_attention_f32_arguments *arguments, int threads) {
    nk_attention_job job = {.kernels = nk_kernels_in_use(), .arguments = arguments};
    size_t blocks = 0;
    for (size_t s = 0; s < arguments->sequences; s++)
        blocks += query_blocks(arguments->offsets[s + 1] - arguments->offsets[s], job.kernels->tile_rows);
    nk_parallel_for(blocks * arguments->heads, 1, threads, attend_tasks, &job);
}
