/* dispatch.c: which instruction set runs. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels_internal.h"

typedef struct {
    const char *name;
    const nk_kernels *kernels;
    const nk_product *products[4]; /* by nk_codec */
} nk_instruction_set;

/* The best first. */
static const nk_instruction_set instruction_sets[] = {
#if defined(__x86_64__)
    {"avx512bf16", &nk_kernels_avx512bf16,
     {&nk_product_f32_avx512, &nk_product_bf16_avx512bf16, &nk_product_i8_avx512vnni, &nk_product_i4_avx512vnni}},
    {"avx512vnni", &nk_kernels_avx512,
     {&nk_product_f32_avx512, &nk_product_bf16_avx512, &nk_product_i8_avx512vnni, &nk_product_i4_avx512vnni}},
    {"avx512", &nk_kernels_avx512,
     {&nk_product_f32_avx512, &nk_product_bf16_avx512, &nk_product_i8_avx512, &nk_product_i4_avx512}},
    {"avx2vnni", &nk_kernels_avx2,
     {&nk_product_f32_avx2, &nk_product_bf16_avx2, &nk_product_i8_avx2vnni, &nk_product_i4_avx2vnni}},
    {"avx2", &nk_kernels_avx2,
     {&nk_product_f32_avx2, &nk_product_bf16_avx2, &nk_product_i8_avx2, &nk_product_i4_avx2}},
#endif
    {"portable", &nk_kernels_portable,
     {&nk_product_f32_portable, &nk_product_bf16_portable, &nk_product_i8_portable, &nk_product_i4_portable}},
};

static _Atomic(const nk_instruction_set *) in_use;

/* __builtin_cpu_supports reads cpuid and, through xgetbv, whether the operating system keeps the wide registers. */
static int is_supported(const char *name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (strcmp(name, "avx2") == 0) return avx2;
    if (strcmp(name, "avx2vnni") == 0) return avx2 && __builtin_cpu_supports("avxvnni");
    const int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (strcmp(name, "avx512") == 0) return avx512;
    const int vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    if (strcmp(name, "avx512vnni") == 0) return vnni;
    if (strcmp(name, "avx512bf16") == 0) return vnni && __builtin_cpu_supports("avx512bf16");
#endif
    return strcmp(name, "portable") == 0;
}

enum { instruction_set_count = sizeof instruction_sets / sizeof instruction_sets[0] };

/* NULL: unknown, or this machine cannot run it. */
static const nk_instruction_set *find(const char *name) {
    for (int i = 0; i < instruction_set_count; i++)
        if (strcmp(instruction_sets[i].name, name) == 0) return is_supported(name) ? &instruction_sets[i] : NULL;
    return NULL;
}

static const nk_instruction_set *choose(void) {
    const char *forced = getenv("NESTLING_ISA");
    const nk_instruction_set *set = forced ? find(forced) : NULL;
    for (int i = 0; !set; i++) set = find(instruction_sets[i].name);
    return set;
}

static const nk_instruction_set *instruction_set(void) {
    const nk_instruction_set *set = atomic_load_explicit(&in_use, memory_order_acquire);
    if (!set) {
        set = choose();
        atomic_store_explicit(&in_use, set, memory_order_release);
    }
    return set;
}

const nk_kernels *nk_kernels_in_use(void) { return instruction_set()->kernels; }

const nk_product *nk_product_in_use(nk_codec codec) { return instruction_set()->products[codec]; }

const char *nk_isa_name(void) { return instruction_set()->name; }

int nk_isa_select(const char *name) {
    const nk_instruction_set *set = find(name);
    if (!set) return -1;
    atomic_store_explicit(&in_use, set, memory_order_release);
    return 0;
}
