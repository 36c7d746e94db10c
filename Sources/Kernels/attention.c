/* attention.c: softmax attention over ragged sequences (online softmax: Milakov and Gimelshein 2018; blocks as in
 * FlashAttention, Dao et al. 2022), cut into tasks.
 *
 * A task is one key head of one sequence and a run of tiles of queries, for all query heads that share the key head. It
 * walks over blocks of keys that begin at the sequence's first token: keys are transposed and values copied into panels
 * once, then each tile of queries takes scores = products, weights = exp(score - maximum so far) and adds the values.
 * Up to 512 tokens of the usual head sizes are one block: the tile's sums then never leave the registers. Only for longer
 * sequences they are kept, and rescaled by the next block.
 *
 * Floor, per score and head element: two multiply-adds. Beside it per score: one exponential (about 4 cycles per vector of
 * 16), a maximum and a sum; per key and task: packing (about 8 cycles per vector), which is why a task holds as many
 * queries as there are, unless threads would be without work.
 *
 * Tiles are cut from the sequence's first query, whatever the task. The bits of a query depend on the keys that it meets, not
 * on the tile that it is in.
 */
#include <math.h>
#include <string.h>

#include "attention_visible.h"

enum {
    most_tile_rows = 16,
    most_block_keys = 512,
    /* Scores of neighbouring queries must not share the sets of the first-level cache. */
    score_stride = most_block_keys + 16,
    slice_sequences = 256
};

typedef struct {
    const nk_kernels *rows;
    const nk_attention_kernels *kernels;
    const nk_attention_f32_arguments *arguments;
    size_t block_keys, tiles_per_task;
    size_t first_sequence;
    size_t tasks_before[slice_sequences + 1]; /* each sequence of the slice, in tasks */
    size_t sequences;
} nk_attention_job;

typedef struct {
    nk_word *queries, *keys, *values;
    float *rows, *scores, *sums, *maximum, *total, *factor, *key_bias;
    int32_t *positions;
} nk_attention_scratch;

static nk_attention_scratch scratch_for(size_t size, size_t block_keys, size_t rows, int has_sums) {
    const size_t width = nk_round_up(size, NK_PANEL), block = block_keys + NK_SOFTMAX_PADDING;
    const size_t padded_rows = nk_round_up(rows, 16) + 16;
    const size_t floats = nk_round_up(most_tile_rows * size, 16) + 2 * block_keys * width + NK_PANEL * size +
                          most_tile_rows * score_stride + (has_sums ? rows * width : 0) + 3 * padded_rows +
                          2 * nk_round_up(block, 16);
    float *memory = nk_scratch(floats * sizeof(float));
    nk_attention_scratch scratch;
    scratch.queries = take(&memory, most_tile_rows * size);
    scratch.keys = take(&memory, block_keys * width);
    scratch.values = take(&memory, block_keys * width);
    scratch.rows = take(&memory, NK_PANEL * size);
    scratch.scores = take(&memory, most_tile_rows * score_stride);
    scratch.sums = take(&memory, has_sums ? rows * width : 0);
    scratch.maximum = take(&memory, padded_rows);
    scratch.total = take(&memory, padded_rows);
    scratch.factor = take(&memory, padded_rows);
    scratch.key_bias = take(&memory, block);
    scratch.positions = take(&memory, block);
    return scratch;
}

/* Keys of a block: its keys and values take at most half of a small second-level cache. The same for all sequences. */
static size_t block_keys_for(size_t size) {
    const size_t keys = 32 * 1024 / nk_round_up(size, NK_PANEL) / NK_PANEL * NK_PANEL;
    return nk_maximum(64, nk_minimum(most_block_keys, keys));
}

static size_t within(size_t value, size_t low, size_t high) { return value < low ? low : value > high ? high : value; }

typedef struct {
    const nk_attention_job *job;
    const nk_attention_scratch *scratch;
    size_t start, length; /* of the sequence        */
    nk_query_rows queries;
    size_t key, keys; /* the block, in tokens of the sequence */
} nk_key_block;

/* Rows of one head lie far apart, which the hardware's prefetcher does not follow: asks for them ahead of their use. */
static void prefetch_rows(const void *rows, size_t stride_bytes, size_t count, size_t bytes) {
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)rows + row * stride_bytes + i, 0, 3);
}

static size_t bytes_of(nk_dtype type) { return type == NK_F32 ? 4 : 2; }

/* Packs the keys and values of `count` tokens from `token` on, to the place in the block that begins with key `from`, a
 * multiple of NK_PANEL. */
static void pack(const nk_attention_job *job, const nk_attention_scratch *scratch, size_t key_head, size_t token,
                 size_t from, size_t count) {
    const nk_attention_f32_arguments *a = job->arguments;
    const nk_attention_kernels *kernels = job->kernels;
    const size_t size = a->head_size, per_word = kernels->elements_per_word, steps = nk_ceiling(size, per_word);
    const size_t panel_stride = job->block_keys / per_word * NK_PANEL;
    for (size_t done = 0; done < count; done += NK_PANEL) {
        const size_t keys = nk_minimum(NK_PANEL, count - done);
        const size_t key = (token + done) * a->key_stride + key_head * size;
        const size_t value = (token + done) * a->value_stride + key_head * size;
        const size_t next = nk_minimum(NK_PANEL, count - done - keys);
        const size_t key_bytes = bytes_of(a->key_type), value_bytes = bytes_of(a->value_type);
        prefetch_rows((const char *)a->key + (key + keys * a->key_stride) * key_bytes, a->key_stride * key_bytes, next,
                      size * key_bytes);
        prefetch_rows((const char *)a->value + (value + keys * a->value_stride) * value_bytes,
                      a->value_stride * value_bytes, next, size * value_bytes);
        nk_word *key_panel = scratch->keys + (from + done) * steps;
        nk_word *value_panels = scratch->values + (from + done) / per_word * NK_PANEL;
        if (a->key_type == NK_F32) {
            kernels->pack_keys((const float *)a->key + key, a->key_stride, keys, size, key_panel);
        } else {
            for (size_t j = 0; j < keys; j++)
                job->rows->to_f32((const uint16_t *)a->key + key + j * a->key_stride, a->key_type, size,
                                  scratch->rows + j * size);
            kernels->pack_keys(scratch->rows, size, keys, size, key_panel);
        }
        if (a->value_type == NK_F32) {
            kernels->pack_values((const float *)a->value + value, a->value_stride, keys, size, value_panels,
                                 panel_stride);
        } else {
            for (size_t j = 0; j < keys; j++)
                job->rows->to_f32((const uint16_t *)a->value + value + j * a->value_stride, a->value_type, size,
                                  scratch->rows + j * size);
            kernels->pack_values(scratch->rows, size, keys, size, value_panels, panel_stride);
        }
    }
}

/* Lets the queries first ..< first + rows of one head meet a block of keys. `state`: index of the first query's maximum,
 * total, factor and sums. */
static void meet(const nk_key_block *block, nk_softmax_rule rule, size_t head, size_t first, size_t rows, size_t state) {
    const nk_attention_f32_arguments *a = block->job->arguments;
    const nk_attention_kernels *kernels = block->job->kernels;
    const nk_attention_scratch *scratch = block->scratch;
    const size_t size = a->head_size, width = nk_round_up(size, NK_PANEL), key = block->key, end = key + block->keys;
    const size_t per_word = kernels->elements_per_word, steps = nk_ceiling(size, per_word);
    nk_key_range ranges[most_tile_rows]; /* from here on in keys of the block */
    int32_t positions[most_tile_rows];
    for (size_t r = 0; r < rows; r++) {
        const size_t token = token_of(a, block->queries, first + r);
        positions[r] = position_of(a, block->start, token);
        ranges[r] = visible_keys(a, block->start, block->length, token);
    }
    /* Positions do not fall, so the first query sees the first key and the last query the last one. */
    const size_t earliest = ranges[0].begin, latest = ranges[rows - 1].end;
    if (earliest >= end || latest <= key) return;
    const int is_first = earliest >= key, is_last = latest <= end;
    const nk_key_range seen = {within(earliest, key, end) - key, within(latest, key, end) - key};
    for (size_t r = 0; r < rows; r++) {
        ranges[r].begin = within(ranges[r].begin, key, end) - key;
        ranges[r].end = within(ranges[r].end, key, end) - key;
    }
    float *maximum = scratch->maximum + state, *total = scratch->total + state, *factor = scratch->factor + state;
    if (is_first) {
        for (size_t r = 0; r < rows; r++) {
            maximum[r] = -INFINITY;
            total[r] = 0;
        }
    }

    const float *query = a->query + (block->queries.first + first) * a->query_stride + head * size;
    const nk_word *words = (const nk_word *)query;
    size_t query_stride = a->query_stride;
    if (kernels->pack_queries) {
        kernels->pack_queries(query, a->query_stride, rows, size, scratch->queries);
        words = scratch->queries;
        query_stride = steps;
    }
    const size_t from = seen.begin / NK_PANEL * NK_PANEL;
    kernels->products(words, query_stride, rows, scratch->keys + from * steps, steps, seen.end - from,
                      scratch->scores + from, score_stride);
    kernels->softmax(scratch->scores, score_stride, rows, ranges, positions, &rule, maximum, total, factor);
    /* What one query does not see, but others of the tile do, weighs nothing; nor does what fills up a word. */
    const size_t first_word = seen.begin / per_word, last_word = nk_ceiling(seen.end, per_word);
    for (size_t r = 0; r < rows; r++) {
        nk_clear_weights(scratch->scores + r * score_stride, per_word, first_word * per_word, ranges[r].begin);
        nk_clear_weights(scratch->scores + r * score_stride, per_word, ranges[r].end, last_word * per_word);
    }
    float shares[most_tile_rows];
    nk_weighing weighing = {.sums = is_first ? NULL : scratch->sums + state * width, .sums_stride = width,
                            .kept = factor, .output = scratch->sums + state * width, .output_stride = width,
                            .columns = width};
    if (is_last) {
        for (size_t r = 0; r < rows; r++) shares[r] = 1 / total[r];
        weighing.shares = shares;
        weighing.output = a->output + (block->queries.first + first) * a->output_stride + head * size;
        weighing.output_stride = a->output_stride;
        weighing.columns = size;
    }
    kernels->weigh((const nk_word *)scratch->scores + first_word, score_stride, rows,
                   scratch->values + first_word * NK_PANEL, block->job->block_keys / per_word * NK_PANEL,
                   last_word - first_word, &weighing);
}

/* Tiles first_tile ..< last_tile of a sequence's `tiles`. */
static void attend(const nk_attention_job *job, size_t sequence, size_t key_head, size_t first_tile, size_t last_tile,
                   size_t tiles) {
    const nk_attention_f32_arguments *a = job->arguments;
    const size_t start = a->offsets[sequence], length = a->offsets[sequence + 1] - start;
    const nk_query_rows all = queries_of(a, sequence);
    const size_t first = all.count * first_tile / tiles, last = all.count * last_tile / tiles, queries = last - first;
    const size_t size = a->head_size, group = a->heads / a->key_heads, block_keys = job->block_keys;
    const nk_attention_scratch scratch = scratch_for(size, block_keys, group * queries, length > block_keys);
    const size_t earliest = visible_keys(a, start, length, token_of(a, all, first)).begin;
    const size_t latest = visible_keys(a, start, length, token_of(a, all, last - 1)).end;

    nk_softmax_rule rule = {.scale = a->scale, .softcap = a->softcap, .relative_radius = a->relative_radius};
    if (a->alibi_slopes || a->relative_bias) rule.key_positions = scratch.positions;
    if (a->key_bias) rule.key_bias = scratch.key_bias;

    for (size_t key = earliest / block_keys * block_keys; key < latest; key += block_keys) {
        const nk_key_block block = {job, &scratch, start, length, all, key, nk_minimum(block_keys, length - key)};
        /* What some query of the task sees, from the beginning of a panel on. */
        const size_t from = within(earliest, key, key + block.keys) / NK_PANEL * NK_PANEL - key;
        const size_t end = nk_minimum(latest - key, block.keys);
        if (rule.key_positions) {
            for (size_t j = from; j < end; j++) scratch.positions[j] = position_of(a, start, key + j);
            memset(scratch.positions + end, 0, NK_SOFTMAX_PADDING * sizeof(int32_t));
        }
        if (a->key_bias) {
            memcpy(scratch.key_bias + from, a->key_bias + start + key + from, (end - from) * sizeof(float));
            memset(scratch.key_bias + end, 0, NK_SOFTMAX_PADDING * sizeof(float));
        }
        pack(job, &scratch, key_head, start + key + from, from, end - from);

        for (size_t member = 0; member < group; member++) {
            const size_t head = key_head * group + member;
            if (a->alibi_slopes) rule.alibi_slope = a->alibi_slopes[head];
            if (a->relative_bias) rule.relative_bias = a->relative_bias + head * (2 * (size_t)a->relative_radius + 1);
            for (size_t tile = first_tile; tile < last_tile; tile++) {
                const size_t q = all.count * tile / tiles, rows = all.count * (tile + 1) / tiles - q;
                if (tile + 1 < last_tile)
                    prefetch_rows(a->query + (all.first + q + rows) * a->query_stride + head * size,
                                  a->query_stride * sizeof(float), all.count * (tile + 2) / tiles - q - rows,
                                  size * sizeof(float));
                meet(&block, rule, head, q, rows, member * queries + q - first);
            }
        }
    }
}

static size_t tiles_of(const nk_attention_job *job, size_t sequence) {
    return nk_ceiling(queries_of(job->arguments, sequence).count, job->kernels->tile_rows);
}

static void attend_tasks(size_t begin, size_t end, void *context) {
    const nk_attention_job *job = context;
    const size_t key_heads = job->arguments->key_heads;
    size_t index = 0, high = job->sequences; /* the last sequence that begins at or before the first task */
    while (high - index > 1) {
        const size_t middle = index + (high - index) / 2;
        if (job->tasks_before[middle] <= begin)
            index = middle;
        else
            high = middle;
    }
    for (size_t task = begin; task < end; task++) {
        while (job->tasks_before[index + 1] <= task) index++;
        const size_t sequence = job->first_sequence + index, tiles = tiles_of(job, sequence);
        const size_t of_sequence = task - job->tasks_before[index];
        const size_t first = of_sequence / key_heads * job->tiles_per_task;
        attend(job, sequence, of_sequence % key_heads, first, nk_minimum(tiles, first + job->tiles_per_task), tiles);
    }
}

/* As many tiles as keep the sums in the second-level cache, and leave each worker several tasks. */
static size_t tiles_per_task(const nk_attention_job *job, size_t workers) {
    const nk_attention_f32_arguments *a = job->arguments;
    const size_t row = a->heads / a->key_heads * nk_round_up(a->head_size, NK_PANEL) * sizeof(float);
    size_t most = nk_maximum(1, 256 * 1024 / (row * job->kernels->tile_rows));
    if (workers > 1) {
        size_t all = 0;
        for (size_t s = 0; s < a->sequences; s++) all += tiles_of(job, s) * a->key_heads;
        most = nk_minimum(most, nk_maximum(4, all / (4 * workers)));
    }
    return most;
}

void nk_attention_f32(const nk_attention_f32_arguments *arguments, int threads) {
    const nk_attention_f32_arguments *a = arguments;
    const size_t size = a->head_size;
    const size_t workers = (size_t)nk_running_threads(threads);
    nk_attention_job job = {.rows = nk_kernels_in_use(), .arguments = a, .block_keys = block_keys_for(size)};
    job.kernels = a->precision == NK_BF16 ? job.rows->attention_bf16 : job.rows->attention_f32;
    job.tiles_per_task = tiles_per_task(&job, workers);
    while (job.first_sequence < a->sequences) {
        job.sequences = nk_minimum(slice_sequences, a->sequences - job.first_sequence);
        double work = 0; /* multiply-adds of all pairs */
        for (size_t s = 0; s < job.sequences; s++) {
            const size_t sequence = job.first_sequence + s;
            const double length = (double)(a->offsets[sequence + 1] - a->offsets[sequence]);
            /* Packing a key and its value takes about as long as 16 queries that meet them. */
            work += 2 * length * (double)(16 + queries_of(a, sequence).count) * (double)(a->heads * size);
            job.tasks_before[s + 1] =
                job.tasks_before[s] + nk_ceiling(tiles_of(&job, sequence), job.tiles_per_task) * a->key_heads;
        }
        /* A claim should be about 4 microseconds long. */
        const size_t tasks = job.tasks_before[job.sequences];
        size_t grain = 1 + (size_t)(256 * 1024 * (double)tasks / (work + 1));
        grain = nk_maximum(1, nk_minimum(grain, tasks / (4 * workers)));
        nk_parallel_for(tasks, grain, threads, attend_tasks, &job);
        job.first_sequence += job.sequences;
    }
}
