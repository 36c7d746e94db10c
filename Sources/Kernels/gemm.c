/* gemm.c: cuts products into tasks.
 *
 * Rows are first brought into the form that the codec multiplies with (rounded, quantized), a slab of them at a time, so
 * that the memory for them is bounded. A task unit is then one panel of one linear over one chunk of rows. Units of a
 * chunk follow each other, so that a worker walks over neighbouring panels with the chunk's rows in its cache, and reads
 * each panel from the second-level cache for all row tiles but the first.
 */
#include "quantized_row.h"

typedef struct {
    const nk_kernels *kernels;
    const nk_product *product;
    const float *input;
    size_t input_stride, inputs;
    const nk_linear *linears;
    size_t panels; /* of all linears together */
    nk_word *prepared;
    size_t row_words;
    size_t first_row, rows; /* the slab */
    size_t tiles, chunks;
    size_t panels_at_once; /* of few rows */
} nk_gemm_job;

enum { most_tile_rows = 112, most_panels = 4 };

static void prepare_rows(size_t begin, size_t end, void *context) {
    const nk_gemm_job *job = context;
    for (size_t row = begin; row < end; row++)
        job->product->prepare_row(job->input + (job->first_row + row) * job->input_stride, job->inputs,
                                  job->prepared + row * job->row_words);
}

static inline const float *_Nullable advanced(const float *_Nullable rows, size_t elements) {
    return rows ? rows + elements : NULL;
}

/* `count` panels of a linear by some tiles of the rows. Between the products of two tiles no product is under way, so what is
 * the same for both is found once. */
static void multiply_panels(const nk_gemm_job *job, const nk_linear *linear, size_t panel, size_t count, size_t first_tile,
                            size_t last_tile) {
    /* The first tiles have a row more than the others. */
    const size_t least = job->rows / job->tiles, larger = job->rows % job->tiles;
    const size_t first = least * first_tile + nk_minimum(first_tile, larger), row = job->first_row + first;
    const size_t column = panel * NK_PANEL, stride = NK_PANEL * count;
    const size_t panel_bytes = nk_panel_bytes(linear->codec, linear->packed_inputs);
    const size_t sums = nk_panel_sums(linear->codec, job->inputs); /* the last are those over the inputs in use */
    _Alignas(64) float results[most_tile_rows * NK_PANEL]; /* or few rows of most_panels */
    nk_epilogue_f32 epilogue = {
        .bias = advanced(linear->bias, column),
        .activation = linear->activation,
        .multiply = advanced(linear->multiply, row * linear->multiply_stride + column),
        .multiply_stride = linear->multiply_stride,
        .residual = advanced(linear->residual, row * linear->residual_stride + column),
        .residual_stride = linear->residual_stride,
        .output = linear->output + row * linear->output_stride + column,
        .output_stride = linear->output_stride,
    };
    /* What needs no more than a bias and a residual is stored from registers. Not where rows are whole pages apart: so many
     * stores at once to the same few sets of the first-level cache are slow. */
    const int fused = job->product->takes_epilogue && job->inputs <= nk_i8_span && linear->activation == NK_IDENTITY &&
                      !linear->multiply && linear->outputs - column >= stride && linear->output_stride % 1024 != 0;
    nk_tile operands = {
        .rows = job->prepared ? job->prepared + first * job->row_words
                              : (const nk_word *)(job->input + row * job->input_stride),
        .row_stride = job->prepared ? job->row_words : job->input_stride,
        .panels = (const char *)linear->packed + panel * panel_bytes,
        .panel_bytes = panel_bytes,
        .panel_count = count,
        .ahead = (const char *)linear->packed + panel * panel_bytes,
        .inputs = job->inputs,
        .packed_inputs = linear->packed_inputs,
        .weight_sums = sums == 0 ? NULL
                                 : (const char *)linear->packed + panel * NK_SUM_BYTES +
                                       nk_sums_place(linear->codec, linear->packed_outputs, linear->packed_inputs, sums - 1),
        .sums = results,
        .sums_stride = stride,
        .epilogue = fused ? &epilogue : NULL,
    };
    /* The first tile reads its panel from memory, as fast as it would multiply with it at best, the others from the second-level
     * cache: meanwhile the next panel is fetched there, each tile asking for a part of it. */
    const size_t tiles = last_tile - first_tile;
    const size_t ahead_bytes = nk_panel_bytes(linear->codec, job->inputs) / nk_maximum(tiles, 1);
    if (tiles > 1) {
        operands.ahead += panel_bytes;
        operands.ahead_step = nk_ceiling(NK_PANEL * sizeof(nk_word), tiles);
    }
    const size_t columns = nk_minimum(stride, linear->outputs - column);
    for (size_t tile = first_tile; tile < last_tile; tile++) {
        const size_t rows = least + (tile < larger);
        operands.row_count = rows;
        job->product->tile(&operands);
        if (!fused) job->kernels->epilogue_f32(results, stride, rows, columns, &epilogue);
        operands.rows += rows * operands.row_stride;
        operands.ahead += ahead_bytes;
        epilogue.output += rows * epilogue.output_stride;
        epilogue.multiply = advanced(epilogue.multiply, rows * epilogue.multiply_stride);
        epilogue.residual = advanced(epilogue.residual, rows * epilogue.residual_stride);
    }
}

static void multiply_units(size_t begin, size_t end, void *context) {
    const nk_gemm_job *job = context;
    while (begin < end) {
        const size_t chunk = begin / job->panels;
        const nk_linear *linear = job->linears;
        size_t panel = begin % job->panels;
        for (;; linear++) {
            const size_t panels = nk_ceiling(linear->outputs, NK_PANEL);
            if (panel < panels) break;
            panel -= panels;
        }
        const size_t run = nk_minimum(end - begin, nk_ceiling(linear->outputs, NK_PANEL) - panel);
        const size_t first = job->tiles * chunk / job->chunks, last = job->tiles * (chunk + 1) / job->chunks;
        for (size_t done = 0; done < run; done += job->panels_at_once)
            multiply_panels(job, linear, panel + done, nk_minimum(job->panels_at_once, run - done), first, last);
        begin += run;
    }
}

static void multiply_slab(nk_gemm_job *job, int threads) {
    const size_t rows = job->rows, inputs = nk_maximum(job->inputs, 1), panels = job->panels;
    job->tiles = nk_ceiling(rows, job->product->tile_rows);

    /* Most of a common second-level cache for the chunk's rows. */
    const size_t chunk_bytes = 640 * 1024;
    const size_t row_words = job->prepared ? job->row_words : inputs;
    const size_t tile_bytes = job->product->tile_rows * nk_maximum(row_words, 1) * sizeof(nk_word);
    const size_t tiles_per_chunk = nk_maximum(1, nk_minimum(16, chunk_bytes / tile_bytes));
    job->chunks = nk_ceiling(job->tiles, tiles_per_chunk);

    /* Panels side by side hide the latency of one row's sums. Weights that no second-level cache holds are read up to a fifth
     * faster in order, one panel after the other. */
    const size_t cached_bytes = 1 << 20;
    const size_t bytes = panels * nk_panel_bytes(job->linears[0].codec, inputs); /* of at least one input */
    const int few_rows = rows <= job->product->wide_rows;
    job->panels_at_once = few_rows && (rows > 1 || bytes <= cached_bytes) ? most_panels : 1;

    /* Work below about 4 microseconds is not worth a hand-over; a claim should be about that long. */
    static const double speeds[] = {[NK_CODEC_F32] = 1, [NK_CODEC_BF16] = 2, [NK_CODEC_I8] = 4, [NK_CODEC_I4] = 3};
    const double claim = 256 * 1024 * speeds[job->linears[0].codec];
    const double work = (double)rows * (double)inputs * (double)panels * NK_PANEL;
    const size_t workers = (size_t)nk_running_threads(threads);
    if (work < claim / 2) threads = 1;
    if (threads != 1 && workers > 1 && job->chunks * panels < 2 * workers)
        job->chunks = nk_minimum(job->tiles, nk_ceiling(2 * workers, panels));
    const size_t units = job->chunks * panels;
    size_t grain;
    if (few_rows) { /* they wait for memory: a core reads this in about 4 microseconds */
        const size_t claim_bytes = 96 * 1024;
        grain = nk_round_up(nk_ceiling(claim_bytes * panels, bytes), job->panels_at_once);
        grain = nk_minimum(grain, nk_ceiling(units, workers));
    } else {
        const double unit_work = work / (double)units;
        grain = unit_work >= claim ? 1 : (size_t)(claim / unit_work) + 1;
        if (threads != 1) grain = nk_maximum(1, nk_minimum(grain, units / (2 * workers)));
    }
    nk_parallel_for(units, grain, threads, multiply_units, job);
}

void nk_gemm(const float *input, size_t input_stride, size_t rows, const nk_linear *linears, size_t linear_count,
             int threads) {
    size_t panels = 0;
    for (size_t k = 0; k < linear_count; k++) panels += nk_ceiling(linears[k].outputs, NK_PANEL);
    if (rows == 0 || panels == 0) return;
    const nk_product *product = nk_product_in_use(linears[0].codec);
    nk_gemm_job job = {.kernels = nk_kernels_in_use(), .product = product, .input = input,
                       .input_stride = input_stride, .inputs = linears[0].inputs, .linears = linears,
                       .panels = panels};
    size_t slab = rows;
    if (product->row_words) {
        const size_t most_bytes = 8 << 20, alike = nk_round_up(128, product->tile_rows);
        job.row_words = nk_round_up(product->row_words(job.inputs), 16);
        /* Rows a multiple of a page apart would share a few sets of the first-level cache. */
        job.row_words |= 16;
        const size_t row_bytes = job.row_words * sizeof(nk_word);
        slab = nk_minimum(rows, nk_maximum(alike, most_bytes / row_bytes / alike * alike));
        job.prepared = nk_scratch(slab * row_bytes);
    }
    for (; job.first_row < rows; job.first_row += slab) {
        job.rows = nk_minimum(slab, rows - job.first_row);
        if (job.prepared)
            nk_parallel_for(job.rows, 1 + 32768 / (job.inputs + 1), threads, prepare_rows, &job);
        multiply_slab(&job, threads);
    }
}
