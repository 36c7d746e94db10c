/* attention_cached.c: softmax attention of the newest tokens of sequences over all their tokens, whose keys and values lie
 * in pages (paged caches: Kwon et al., arXiv 2309.06180).
 *
 * A page lies as the products read it, for float32 and, where the instruction set multiplies pairs of bf16, for bf16: then
 * nothing is packed. Everything else is made so, page by page, in scratch memory.
 *
 * A task is one key head of one sequence and a run of rows; a row is one query of one of the heads that share the key head,
 * so that a single token of grouped-query attention fills a tile. Pages are the blocks of the online softmax and begin at the
 * sequence's first token, and each row has a chain of sums of its own: bits depend neither on the batch nor on how many tokens
 * are new.
 */
#include <math.h>
#include <string.h>

#include "attention_visible.h"
#include "cache_page.h"

enum {
    page_score_stride = NK_CACHE_PAGE + 16,
    /* Rows of a task: their sums stay in the second-level cache. */
    most_task_rows = 224
};

typedef struct {
    const nk_attention_kernels *kernels;
    const nk_cached_attention *arguments;
    /* Whether the pages are the words that the kernels multiply. */
    int is_native;
    size_t rows_per_task;
    const size_t *tasks_before; /* each sequence, in tasks */
} nk_cached_job;

typedef struct {
    nk_word *queries, *keys, *values;
    float *rows, *scores, *sums, *maximum, *total, *factor, *output;
    int32_t *positions;
} nk_cached_scratch;

static nk_cached_scratch scratch_for(const nk_cached_job *job, size_t rows) {
    const size_t size = job->arguments->head_size, width = nk_round_up(size, NK_PANEL);
    const size_t page = job->is_native ? 0 : NK_CACHE_PAGE * width, padded = nk_round_up(rows, 16) + 16;
    const size_t tile = nk_most_softmax_rows;
    float *memory = nk_scratch((padded * (2 * width + 3) + 3 * page + tile * (page_score_stride + width) + NK_CACHE_PAGE +
                                NK_SOFTMAX_PADDING + 256) * sizeof(float));
    nk_cached_scratch scratch;
    scratch.queries = take(&memory, padded * width);
    scratch.sums = take(&memory, padded * width);
    scratch.maximum = take(&memory, padded);
    scratch.total = take(&memory, padded);
    scratch.factor = take(&memory, padded);
    scratch.keys = take(&memory, page);
    scratch.values = take(&memory, page);
    scratch.rows = take(&memory, page);
    scratch.scores = take(&memory, tile * page_score_stride);
    scratch.output = take(&memory, tile * width);
    scratch.positions = take(&memory, NK_CACHE_PAGE + NK_SOFTMAX_PADDING);
    return scratch;
}

/* The token whose query row `row` of a sequence is: its position. */
static size_t position_of_row(const nk_cached_sequence *sequence, size_t group, size_t row) {
    return sequence->tokens - sequence->queries + row / group;
}

static nk_key_range keys_of(const nk_cached_attention *a, size_t position) {
    const size_t window = a->window < 0 ? position : (size_t)a->window;
    return (nk_key_range){position > window ? position - window : 0, position + 1};
}

/* Lets the rows first ..< first + rows of a task, `row` ... of the sequence, meet the keys of page `page`. */
static void meet_page(const nk_cached_job *job, const nk_cached_sequence *sequence, const nk_cached_scratch *scratch,
                      nk_softmax_rule rule, const nk_word *keys, const nk_word *values, size_t page, size_t group,
                      size_t key_head, size_t member, size_t row, size_t first, size_t rows) {
    const nk_cached_attention *a = job->arguments;
    const nk_attention_kernels *kernels = job->kernels;
    const size_t size = a->head_size, width = nk_round_up(size, NK_PANEL);
    const size_t per_word = kernels->elements_per_word, steps = nk_ceiling(size, per_word);
    const size_t begin = page * NK_CACHE_PAGE, end = begin + NK_CACHE_PAGE;
    nk_key_range ranges[nk_most_softmax_rows];
    int32_t positions[nk_most_softmax_rows];
    for (size_t r = 0; r < rows; r++) {
        const size_t position = position_of_row(sequence, group, row + first + r);
        positions[r] = (int32_t)position;
        ranges[r] = keys_of(a, position);
    }
    /* Positions rise with the rows. */
    const size_t earliest = ranges[0].begin, latest = ranges[rows - 1].end;
    if (earliest >= end || latest <= begin) return;
    const int is_first = earliest >= begin, is_last = latest <= end;
    for (size_t r = 0; r < rows; r++) {
        ranges[r].begin = nk_minimum(nk_maximum(ranges[r].begin, begin), end) - begin;
        ranges[r].end = nk_minimum(nk_maximum(ranges[r].end, begin), end) - begin;
    }
    const nk_key_range seen = {nk_maximum(earliest, begin) - begin, nk_minimum(latest, end) - begin};
    float *maximum = scratch->maximum + first, *total = scratch->total + first, *factor = scratch->factor + first;
    if (is_first) {
        for (size_t r = 0; r < rows; r++) {
            maximum[r] = -INFINITY;
            total[r] = 0;
        }
    }
    const size_t from = seen.begin / NK_PANEL * NK_PANEL;
    kernels->products(scratch->queries + first * steps, steps, rows, keys + from * steps, steps, seen.end - from,
                      scratch->scores + from, page_score_stride);
    kernels->softmax(scratch->scores, page_score_stride, rows, ranges, positions, &rule, maximum, total, factor);
    const size_t first_word = seen.begin / per_word, last_word = nk_ceiling(seen.end, per_word);
    for (size_t r = 0; r < rows; r++) {
        nk_clear_weights(scratch->scores + r * page_score_stride, per_word, first_word * per_word, ranges[r].begin);
        nk_clear_weights(scratch->scores + r * page_score_stride, per_word, ranges[r].end, last_word * per_word);
    }
    float shares[nk_most_softmax_rows];
    float *sums = scratch->sums + first * width;
    nk_weighing weighing = {.sums = is_first ? NULL : sums, .sums_stride = width, .kept = factor, .output = sums,
                            .output_stride = width, .columns = width};
    if (is_last) {
        for (size_t r = 0; r < rows; r++) shares[r] = 1 / total[r];
        weighing.shares = shares;
        weighing.output = scratch->output;
    }
    kernels->weigh((const nk_word *)scratch->scores + first_word, page_score_stride, rows, values + first_word * NK_PANEL,
                   NK_CACHE_PAGE / per_word * NK_PANEL, last_word - first_word, &weighing);
    if (!is_last) return;
    for (size_t r = 0; r < rows; r++) {
        const size_t query = (row + first + r) / group, head = key_head * (a->heads / a->key_heads) + member +
                                                                (row + first + r) % group;
        memcpy(a->output + (sequence->first_row + query) * a->output_stride + head * size, scratch->output + r * width,
               size * sizeof(float));
    }
}

/* Rows first ..< last of a sequence and key head, for `group` of the heads that share it, from `member` on. */
static void attend_rows(const nk_cached_job *job, const nk_cached_sequence *sequence, size_t key_head, size_t member,
                        size_t group, size_t first, size_t last) {
    const nk_cached_attention *a = job->arguments;
    const nk_attention_kernels *kernels = job->kernels;
    const size_t size = a->head_size, steps = nk_ceiling(size, kernels->elements_per_word), count = last - first;
    const size_t head = key_head * (a->heads / a->key_heads) + member;
    const nk_cached_scratch scratch = scratch_for(job, count);
    for (size_t r = 0; r < count;) {
        /* The heads of one query lie side by side. */
        const size_t row = first + r, rows = nk_minimum(group - row % group, count - r);
        const float *query = a->query + (sequence->first_row + row / group) * a->query_stride + (head + row % group) * size;
        if (kernels->pack_queries)
            kernels->pack_queries(query, size, rows, size, scratch.queries + r * steps);
        else
            memcpy(scratch.queries + r * steps, query, rows * size * sizeof(float));
        r += rows;
    }
    nk_softmax_rule rule = {.scale = a->scale, .softcap = a->softcap, .relative_radius = a->relative_radius};
    if (a->alibi_slopes) rule.alibi_slope = a->alibi_slopes[head];
    if (a->relative_bias) rule.relative_bias = a->relative_bias + head * (2 * (size_t)a->relative_radius + 1);
    if (a->alibi_slopes || a->relative_bias) rule.key_positions = scratch.positions;

    const size_t earliest = keys_of(a, position_of_row(sequence, group, first)).begin;
    const size_t latest = keys_of(a, position_of_row(sequence, group, last - 1)).end;
    for (size_t page = earliest / NK_CACHE_PAGE; page * NK_CACHE_PAGE < latest; page++) {
        const char *head_of_page = (const char *)sequence->pages[page] + key_head * nk_cache_head_bytes(a->type, size);
        const nk_word *keys = (const nk_word *)head_of_page;
        const nk_word *values = (const nk_word *)(head_of_page + nk_cache_key_bytes(a->type, size));
        if (!job->is_native) {
            const size_t present = nk_minimum(NK_CACHE_PAGE, latest - page * NK_CACHE_PAGE);
            nk_cache_unpack(kernels, a->type, head_of_page, size, present, scratch.rows, scratch.keys,
                            scratch.values);
            keys = scratch.keys;
            values = scratch.values;
        }
        if (rule.key_positions)
            for (size_t j = 0; j < NK_CACHE_PAGE + NK_SOFTMAX_PADDING; j++)
                scratch.positions[j] = (int32_t)(page * NK_CACHE_PAGE + j);
        for (size_t r = 0; r < count; r += kernels->tile_rows)
            meet_page(job, sequence, &scratch, rule, keys, values, page, group, key_head, member, first, r,
                      nk_minimum(kernels->tile_rows, count - r));
    }
}

/* A bias that differs from head to head leaves the rows of one head in a tile. */
static size_t heads_together(const nk_cached_attention *a) {
    return a->alibi_slopes || a->relative_bias ? 1 : a->heads / a->key_heads;
}

static size_t row_tasks(const nk_cached_job *job, const nk_cached_sequence *sequence) {
    return nk_ceiling(sequence->queries * heads_together(job->arguments), job->rows_per_task);
}

static void cached_tasks(size_t begin, size_t end, void *context) {
    const nk_cached_job *job = context;
    const nk_cached_attention *a = job->arguments;
    const size_t together = heads_together(a), members = a->heads / a->key_heads / together;
    size_t index = 0;
    for (size_t task = begin; task < end; task++) {
        while (job->tasks_before[index + 1] <= task) index++;
        const nk_cached_sequence *sequence = a->sequences + index;
        const size_t of_sequence = task - job->tasks_before[index], parts = row_tasks(job, sequence);
        const size_t head = of_sequence / parts, first = of_sequence % parts * job->rows_per_task;
        attend_rows(job, sequence, head / members, head % members * together, together, first,
                    nk_minimum(sequence->queries * together, first + job->rows_per_task));
    }
}

void nk_attention_cached(const nk_cached_attention *arguments, size_t *tasks_before, int threads) {
    const nk_cached_attention *a = arguments;
    nk_cached_job job = {.arguments = a, .tasks_before = tasks_before};
    const nk_kernels *table = nk_kernels_in_use();
    job.kernels = a->type == NK_CACHE_F32 ? table->attention_f32 : table->attention_bf16;
    job.is_native = a->type == NK_CACHE_F32 || (a->type == NK_CACHE_BF16 && job.kernels->elements_per_word == 2);
    const size_t tile = job.kernels->tile_rows;
    size_t rows = 0;
    for (size_t s = 0; s < a->sequence_count; s++) rows += a->sequences[s].queries * a->heads;
    const size_t share = rows / (8 * (size_t)nk_running_threads(threads)) / tile * tile;
    job.rows_per_task = nk_maximum(tile, nk_minimum(most_task_rows / tile * tile, share));
    tasks_before[0] = 0;
    for (size_t s = 0; s < a->sequence_count; s++)
        tasks_before[s + 1] =
            tasks_before[s] + row_tasks(&job, a->sequences + s) * a->heads / heads_together(a);
    nk_parallel_for(tasks_before[a->sequence_count], 1, threads, cached_tasks, &job);
}
