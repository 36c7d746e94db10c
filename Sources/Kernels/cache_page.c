/* cache_page.c: writing keys and values to pages, and reading pages that do not lie as the products need them. */
#include "cache_page.h"

#include <math.h>
#include <string.h>

#include "codec_bf16_rounding.h"

static size_t steps_of(nk_cache_type type, size_t size) { return type == NK_CACHE_BF16 ? nk_ceiling(size, 2) : size; }

size_t nk_cache_key_bytes(nk_cache_type type, size_t head_size) {
    if (type == NK_CACHE_I8) return NK_CACHE_PAGE * sizeof(float) + nk_round_up(NK_CACHE_PAGE * head_size, 64);
    return NK_CACHE_PAGE * steps_of(type, head_size) * sizeof(nk_word);
}

static size_t value_bytes(nk_cache_type type, size_t head_size) {
    if (type == NK_CACHE_I8) return nk_cache_key_bytes(type, head_size);
    return NK_CACHE_PAGE * nk_round_up(head_size, NK_PANEL) * (type == NK_CACHE_BF16 ? 2 : 4);
}

size_t nk_cache_head_bytes(nk_cache_type type, size_t head_size) {
    return nk_cache_key_bytes(type, head_size) + value_bytes(type, head_size);
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* A row that holds an infinity or NaN becomes NaN; one below 2^-100 becomes 0. */
static void write_row_i8(const float *row, size_t size, size_t slot, char *part) {
    float greatest = 0, sum = 0;
    for (size_t i = 0; i < size; i++) {
        if (fabsf(row[i]) > greatest) greatest = fabsf(row[i]);
        sum += row[i] * 0;
    }
    const float scale = sum != 0 ? NAN : greatest < 0x1p-100f ? 0 : greatest / 127;
    memcpy(part + slot * sizeof scale, &scale, sizeof scale);
    int8_t *levels = (int8_t *)part + NK_CACHE_PAGE * sizeof(float) + slot * size;
    for (size_t i = 0; i < size; i++) levels[i] = scale > 0 ? (int8_t)rintf(row[i] / scale) : sum != 0;
}

static void write_key(nk_cache_type type, const float *row, size_t size, size_t slot, char *part) {
    if (type == NK_CACHE_I8) return write_row_i8(row, size, slot, part);
    const size_t steps = steps_of(type, size);
    nk_word *words = (nk_word *)part + slot / NK_PANEL * NK_PANEL * steps + slot % NK_PANEL;
    for (size_t i = 0; i < steps; i++) {
        if (type == NK_CACHE_F32) {
            words[i * NK_PANEL] = bits_of(row[i]);
        } else {
            const float second = 2 * i + 1 < size ? row[2 * i + 1] : 0;
            words[i * NK_PANEL] = nk_bf16_from_bits(bits_of(row[2 * i])) | nk_bf16_from_bits(bits_of(second)) << 16;
        }
    }
}

static void write_value(nk_cache_type type, const float *row, size_t size, size_t slot, char *part) {
    if (type == NK_CACHE_I8) return write_row_i8(row, size, slot, part);
    const size_t width = nk_round_up(size, NK_PANEL), words_of_keys = type == NK_CACHE_F32 ? NK_CACHE_PAGE : NK_CACHE_PAGE / 2;
    for (size_t column = 0; column < width; column++) {
        const uint32_t bits = column < size ? bits_of(row[column]) : 0;
        nk_word *panel = (nk_word *)part + column / NK_PANEL * NK_PANEL * words_of_keys + column % NK_PANEL;
        if (type == NK_CACHE_F32) {
            panel[slot * NK_PANEL] = bits;
        } else {
            nk_word *word = panel + slot / 2 * NK_PANEL;
            /* A later token of the pair, if there was one, is not there any more: what is 0 may be multiplied by 0. */
            *word = slot % 2 == 0 ? nk_bf16_from_bits(bits) : (*word & 0xffff) | nk_bf16_from_bits(bits) << 16;
        }
    }
}

static void append_tasks(size_t begin, size_t end, void *context) {
    const nk_cached_keys *a = context;
    const size_t size = a->head_size, head_bytes = nk_cache_head_bytes(a->type, size);
    const size_t key_bytes = nk_cache_key_bytes(a->type, size);
    for (size_t task = begin; task < end; task++) {
        const nk_cached_sequence *sequence = a->sequences + task / a->key_heads;
        const size_t head = task % a->key_heads;
        for (size_t query = 0; query < sequence->queries; query++) {
            const size_t token = sequence->tokens - sequence->queries + query, row = sequence->first_row + query;
            char *part = (char *)sequence->pages[token / NK_CACHE_PAGE] + head * head_bytes;
            const size_t slot = token % NK_CACHE_PAGE;
            write_key(a->type, a->keys + row * a->key_stride + head * size, size, slot, part);
            write_value(a->type, a->values + row * a->value_stride + head * size, size, slot, part + key_bytes);
        }
    }
}

void nk_cache_append(const nk_cached_keys *arguments, int threads) {
    size_t tokens = 0;
    for (size_t s = 0; s < arguments->sequence_count; s++) tokens += arguments->sequences[s].queries;
    const size_t tasks = arguments->sequence_count * arguments->key_heads;
    /* Less than waking a thread is worth. */
    const size_t grain = tokens * arguments->key_heads * arguments->head_size < 8192 ? tasks : 1;
    nk_parallel_for(tasks, nk_maximum(1, grain), threads, append_tasks, (void *)arguments);
}

/* Tokens of an int8 part as float32 rows. */
static void rows_of_i8(const char *part, size_t size, size_t present, float *rows) {
    const int8_t *levels = (const int8_t *)part + NK_CACHE_PAGE * sizeof(float);
    for (size_t slot = 0; slot < present; slot++) {
        float scale;
        memcpy(&scale, part + slot * sizeof scale, sizeof scale);
        for (size_t i = 0; i < size; i++) rows[slot * size + i] = scale * (float)levels[slot * size + i];
    }
}

void nk_cache_unpack(const nk_attention_kernels *kernels, nk_cache_type type, const void *head,
                     size_t head_size, size_t present, float *rows, nk_word *keys, nk_word *values) {
    const size_t size = head_size, width = nk_round_up(size, NK_PANEL), per_word = kernels->elements_per_word;
    const char *key_part = head, *value_part = key_part + nk_cache_key_bytes(type, size);
    if (type == NK_CACHE_I8) {
        const size_t steps = nk_ceiling(size, per_word);
        rows_of_i8(key_part, size, present, rows);
        for (size_t first = 0; first < present; first += NK_PANEL)
            kernels->pack_keys(rows + first * size, size, nk_minimum(NK_PANEL, present - first), size, keys + first * steps);
        rows_of_i8(value_part, size, present, rows);
        kernels->pack_values(rows, size, present, size, values, NK_CACHE_PAGE / per_word * NK_PANEL);
        return;
    }
    /* bf16 for kernels that multiply float32 */
    const nk_word *pairs = (const nk_word *)key_part;
    for (size_t panel = 0; panel * NK_PANEL < present; panel++)
        for (size_t i = 0; i < size; i++) {
            const nk_word *source = pairs + (panel * nk_ceiling(size, 2) + i / 2) * NK_PANEL;
            nk_word *target = keys + (panel * size + i) * NK_PANEL;
            for (size_t lane = 0; lane < NK_PANEL; lane++)
                target[lane] = i % 2 ? source[lane] & 0xffff0000 : source[lane] << 16;
        }
    pairs = (const nk_word *)value_part;
    for (size_t panel = 0; panel < width / NK_PANEL; panel++)
        for (size_t slot = 0; slot < present; slot++) {
            const nk_word *source = pairs + (panel * NK_CACHE_PAGE / 2 + slot / 2) * NK_PANEL;
            nk_word *target = values + (panel * NK_CACHE_PAGE + slot) * NK_PANEL;
            for (size_t lane = 0; lane < NK_PANEL; lane++)
                target[lane] = slot % 2 ? source[lane] & 0xffff0000 : source[lane] << 16;
        }
}
