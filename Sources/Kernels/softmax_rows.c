/* softmax_rows.c: softmax over long rows (a vocabulary's scores), outside attention.
 *
 * Which algorithm, measured on one Zen 5 core (1 MiB second level, 32 MiB third level; nanoseconds per element, best of 9
 * with both algorithms in turn):
 *
 *     columns         4 Ki  64 Ki  256 Ki   1 Mi   4 Mi  16 Mi  64 Mi
 *     AVX-512 three   0.18   0.17    0.20   0.22   0.31   0.41   0.44
 *             two     0.30   0.29    0.29   0.30   0.32   0.36   0.38
 *     AVX2    three   0.44   0.43    0.46   0.48   0.58   0.64   0.66
 *             two     0.65   0.64    0.66   0.66   0.66   0.67   0.68
 *
 * So three passes win as long as a row and its result stay in some cache, which is every vocabulary; two win by up to a
 * sixth where they come from memory and exponentials are cheap. Rows are counted alone: of many rows each is in the cache
 * after its first pass.
 */
#include "kernels_internal.h"

enum { two_pass_columns = 8 << 20 };

typedef struct {
    const nk_kernels *kernels;
    const float *input;
    size_t input_stride, columns;
    float scale;
    int two_passes, logarithm;
    float *output;
    size_t output_stride;
} nk_softmax_rows_job;

static void softmax_rows(size_t begin, size_t end, void *context) {
    const nk_softmax_rows_job *job = context;
    for (size_t row = begin; row < end; row++)
        (job->two_passes ? job->kernels->softmax_row_in_two_passes : job->kernels->softmax_row_in_three_passes)(
            job->input + row * job->input_stride, job->columns, job->scale, job->logarithm,
            job->output + row * job->output_stride);
}

void nk_softmax_rows(const float *input, size_t input_stride, size_t rows, size_t columns, float scale, int logarithm,
                     nk_softmax_algorithm algorithm, float *output, size_t output_stride, int threads) {
    if (columns == 0) return;
    const int two_passes =
        algorithm == NK_SOFTMAX_BY_SIZE ? columns >= two_pass_columns : algorithm == NK_SOFTMAX_TWO_PASSES;
    nk_softmax_rows_job job = {nk_kernels_in_use(), input, input_stride, columns, scale, two_passes, logarithm, output,
                               output_stride};
    nk_parallel_for(rows, 1 + 16384 / columns, threads, softmax_rows, &job);
}
