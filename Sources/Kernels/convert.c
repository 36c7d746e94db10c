/* convert.c: tables from one type of element to another, once at load. */
#include <string.h>

#include "kernels_internal.h"

/* Round to nearest even; not-a-number stays one. */
static uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 0x40 : rounded);
}

typedef struct {
    const char *source;
    nk_dtype from, to;
    size_t count;
    char *destination;
} nk_convert_job;

enum { block = 1024 };

static void convert_blocks(size_t begin, size_t end, void *context) {
    const nk_convert_job *job = context;
    float values[block];
    for (size_t index = begin; index < end; index++) {
        const size_t first = index * block, count = nk_minimum(block, job->count - first);
        nk_to_f32(job->source + nk_dtype_bytes(job->from, first), job->from, count, values);
        if (job->to == NK_F32) {
            memcpy(job->destination + first * 4, values, count * 4);
        } else {
            uint16_t *target = (uint16_t *)(job->destination + first * 2);
            for (size_t i = 0; i < count; i++) target[i] = to_bf16(values[i]);
        }
    }
}

void nk_convert(const void *source, nk_dtype from, size_t count, void *destination, nk_dtype to, int threads) {
    nk_convert_job job = {.source = source, .from = from, .to = to, .count = count, .destination = destination};
    nk_parallel_for(nk_ceiling(count, block), 16, threads, convert_blocks, &job);
}
