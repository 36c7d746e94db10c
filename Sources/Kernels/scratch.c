/* scratch.c: one growing buffer per thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels_internal.h"

typedef struct {
    size_t capacity;
    void *memory;
} nk_thread_scratch;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void release(void *value) {
    nk_thread_scratch *scratch = value;
    free(scratch->memory);
    free(scratch);
}

static void create_key(void) { pthread_key_create(&key, release); }

/* The kernels have no way to report a failure, and half a result would be worse than none. */
static void out_of_memory(size_t bytes) {
    fprintf(stderr, "nestling: cannot allocate %zu bytes of kernel scratch memory\n", bytes);
    abort();
}

void *nk_scratch(size_t bytes) {
    pthread_once(&once, create_key);
    nk_thread_scratch *scratch = pthread_getspecific(key);
    if (!scratch) {
        scratch = calloc(1, sizeof *scratch);
        if (!scratch || pthread_setspecific(key, scratch) != 0) out_of_memory(sizeof *scratch);
    }
    if (scratch->capacity < bytes) {
        free(scratch->memory);
        scratch->capacity = nk_round_up(bytes + bytes / 4, 4096);
        if (posix_memalign(&scratch->memory, 64, scratch->capacity) != 0) {
            scratch->memory = NULL;
            out_of_memory(scratch->capacity);
        }
    }
    return scratch->memory;
}
