/* pack_f32.c: weights into panels of 32 output rows, and back. */
#include <string.h>

#include "kernels_internal.h"

size_t nk_packed_f32_size(size_t outputs, size_t inputs) { return nk_round_up(outputs, NK_PANEL) * inputs; }

void nk_to_f32(const void *source, nk_dtype dtype, size_t count, float *destination) {
    nk_kernels_in_use()->to_f32(source, dtype, count, destination);
}

typedef struct {
    const nk_kernels *kernels;
    const char *weight;
    nk_dtype dtype;
    size_t size, outputs, inputs, output_stride, input_stride;
    float *packed;
} nk_pack_job;

enum { block_inputs = 64 };

static void pack_panels(size_t begin, size_t end, void *context) {
    const nk_pack_job *job = context;
    float rows[NK_PANEL * block_inputs]; /* a block as float32, one output per row */
    for (size_t panel = begin; panel < end; panel++) {
        const size_t first = panel * NK_PANEL, lanes = nk_minimum(NK_PANEL, job->outputs - first);
        if (job->dtype == NK_F32 && job->input_stride == 1 && (uintptr_t)job->weight % sizeof(float) == 0) {
            const float *rows_of_panel = (const float *)job->weight + first * job->output_stride;
            job->kernels->transpose_panel(rows_of_panel, job->output_stride, lanes, job->inputs,
                                          job->packed + panel * job->inputs * NK_PANEL);
            continue;
        }
        for (size_t input = 0; input < job->inputs; input += block_inputs) {
            const size_t width = nk_minimum(block_inputs, job->inputs - input);
            for (size_t lane = 0; lane < lanes; lane++) {
                const char *source =
                    job->weight + ((first + lane) * job->output_stride + input * job->input_stride) * job->size;
                float *row = rows + lane * block_inputs;
                if (job->input_stride == 1) {
                    job->kernels->to_f32(source, job->dtype, width, row);
                } else {
                    for (size_t i = 0; i < width; i++)
                        job->kernels->to_f32(source + i * job->input_stride * job->size, job->dtype, 1, row + i);
                }
            }
            job->kernels->transpose_panel(rows, block_inputs, lanes, width,
                                          job->packed + (panel * job->inputs + input) * NK_PANEL);
        }
    }
}

void nk_pack_f32(const void *weight, nk_dtype dtype, size_t outputs, size_t inputs, size_t output_stride,
                 size_t input_stride, float *packed, int threads) {
    nk_pack_job job = {.kernels = nk_kernels_in_use(), .weight = weight, .dtype = dtype,
                       .size = dtype == NK_F32 ? 4 : 2, .outputs = outputs, .inputs = inputs,
                       .output_stride = output_stride, .input_stride = input_stride, .packed = packed};
    if (inputs == 0) return;
    nk_parallel_for(nk_ceiling(outputs, NK_PANEL), 1 + 4096 / inputs, threads, pack_panels, &job);
}

void nk_unpack_f32(const float *packed, size_t packed_inputs, size_t outputs, size_t inputs, float *weight) {
    for (size_t output = 0; output < outputs; output++) {
        const float *lane = packed + output / NK_PANEL * packed_inputs * NK_PANEL + output % NK_PANEL;
        for (size_t input = 0; input < inputs; input++) weight[output * inputs + input] = lane[input * NK_PANEL];
    }
}
