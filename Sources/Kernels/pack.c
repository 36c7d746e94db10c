/* pack.c: weights into panels of 32 output rows, and back. A panel's weights first become float32 columns [inputs, 32];
 * the codec makes its own bytes from those. */
#include <string.h>

#include "codec_i4.h"

size_t nk_panel_bytes(nk_codec codec, size_t inputs) {
    enum { step = NK_PANEL * 4 };
    switch (codec) {
    case NK_CODEC_F32: return inputs * step;
    case NK_CODEC_BF16: return nk_ceiling(inputs, 2) * step;
    case NK_CODEC_I8: return nk_i8_panel_bytes(inputs);
    case NK_CODEC_I4: return nk_i4_panel_bytes(inputs);
    }
    return 0;
}

size_t nk_panel_sums(nk_codec codec, size_t inputs) {
    return codec == NK_CODEC_I8 || codec == NK_CODEC_I4 ? nk_ceiling(nk_maximum(inputs, 1), NK_SUM_INPUTS) : 0;
}

size_t nk_sums_place(nk_codec codec, size_t outputs, size_t inputs, size_t index) {
    return nk_ceiling(outputs, NK_PANEL) * (nk_panel_bytes(codec, inputs) + index * NK_SUM_BYTES);
}

size_t nk_packed_bytes(nk_codec codec, size_t outputs, size_t inputs) {
    return nk_sums_place(codec, outputs, inputs, nk_panel_sums(codec, inputs)); /* behind the last */
}

typedef struct {
    const nk_kernels *kernels;
    const nk_product *product;
    const char *weight;
    nk_dtype dtype;
    size_t outputs, inputs, output_stride, input_stride;
    char *panels, *sums;
    size_t panel_bytes, sums_stride;
} nk_pack_job;

enum { block_inputs = 64, most_block_inputs = 256 };

/* Outputs follow each other in memory: each input's are a piece of a column already. */
static void columns_of_transposed(const nk_pack_job *job, size_t first, size_t lanes, float *columns) {
    for (size_t input = 0; input < job->inputs; input++) {
        float *column = columns + input * NK_PANEL;
        nk_to_f32(job->weight + nk_dtype_bytes(job->dtype, first + input * job->input_stride), job->dtype, lanes, column);
        for (size_t lane = lanes; lane < NK_PANEL; lane++) column[lane] = 0;
    }
}

static void columns_of_rows(const nk_pack_job *job, size_t first, size_t lanes, float *columns) {
    if (job->dtype == NK_F32 && job->input_stride == 1 && (uintptr_t)job->weight % sizeof(float) == 0) {
        const float *rows = (const float *)job->weight + first * job->output_stride;
        job->kernels->transpose_panel(rows, job->output_stride, lanes, job->inputs, columns);
        return;
    }
    float rows[NK_PANEL * most_block_inputs]; /* a block as float32, one output per row */
    const size_t step = nk_maximum(block_inputs, nk_dtype_block(job->dtype));
    for (size_t input = 0; input < job->inputs; input += step) {
        const size_t width = nk_minimum(step, job->inputs - input);
        for (size_t lane = 0; lane < lanes; lane++) {
            const size_t element = (first + lane) * job->output_stride + input * job->input_stride;
            const char *source = job->weight + nk_dtype_bytes(job->dtype, element);
            float *row = rows + lane * step;
            if (job->input_stride == 1) {
                nk_to_f32(source, job->dtype, width, row);
            } else {
                for (size_t i = 0; i < width; i++)
                    nk_to_f32(source + nk_dtype_bytes(job->dtype, i * job->input_stride), job->dtype, 1, row + i);
            }
        }
        job->kernels->transpose_panel(rows, step, lanes, width, columns + input * NK_PANEL);
    }
}

static void pack_panels(size_t begin, size_t end, void *context) {
    const nk_pack_job *job = context;
    for (size_t panel = begin; panel < end; panel++) {
        const size_t first = panel * NK_PANEL, lanes = nk_minimum(NK_PANEL, job->outputs - first);
        char *packed = job->panels + panel * job->panel_bytes;
        float *columns = job->product->pack_panel ? nk_scratch(job->inputs * NK_PANEL * sizeof(float)) : (float *)packed;
        (job->output_stride == 1 && job->input_stride != 1 ? columns_of_transposed : columns_of_rows)(job, first, lanes,
                                                                                                     columns);
        if (job->product->pack_panel)
            job->product->pack_panel(columns, job->inputs, packed, job->sums + panel * NK_SUM_BYTES, job->sums_stride);
    }
}

void nk_pack(nk_codec codec, const void *weight, nk_dtype dtype, size_t outputs, size_t inputs, size_t output_stride,
             size_t input_stride, void *packed, size_t packed_outputs, size_t first_output, int threads) {
    const size_t panel_bytes = nk_panel_bytes(codec, inputs), first = first_output / NK_PANEL;
    nk_pack_job job = {.kernels = nk_kernels_in_use(), .product = nk_product_in_use(codec), .weight = weight,
                       .dtype = dtype, .outputs = outputs, .inputs = inputs,
                       .output_stride = output_stride, .input_stride = input_stride,
                       .panels = (char *)packed + first * panel_bytes, .panel_bytes = panel_bytes,
                       .sums = (char *)packed + nk_sums_place(codec, packed_outputs, inputs, 0) + first * NK_SUM_BYTES,
                       .sums_stride = nk_ceiling(packed_outputs, NK_PANEL) * NK_SUM_BYTES};
    nk_parallel_for(nk_ceiling(outputs, NK_PANEL), 1 + 4096 / (inputs + 1), threads, pack_panels, &job);
}

void nk_unpack(nk_codec codec, const void *packed, size_t packed_inputs, size_t outputs, size_t inputs, float *weight) {
    const nk_product *product = nk_product_in_use(codec);
    const size_t panel_bytes = nk_panel_bytes(codec, packed_inputs);
    for (size_t first = 0; first < outputs; first += NK_PANEL) {
        const void *panel = (const char *)packed + first / NK_PANEL * panel_bytes;
        const float *columns = panel;
        if (product->unpack_panel) {
            float *unpacked = nk_scratch(nk_maximum(inputs, 1) * NK_PANEL * sizeof(float));
            product->unpack_panel(panel, inputs, unpacked);
            columns = unpacked;
        }
        const size_t lanes = nk_minimum(NK_PANEL, outputs - first);
        for (size_t begin = 0; begin < inputs; begin += block_inputs) {
            const size_t end = nk_minimum(begin + block_inputs, inputs);
            for (size_t lane = 0; lane < lanes; lane++)
                for (size_t input = begin; input < end; input++)
                    weight[(first + lane) * inputs + input] = columns[input * NK_PANEL + lane];
        }
    }
}
