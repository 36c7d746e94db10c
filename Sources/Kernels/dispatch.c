/* dispatch.c: which instruction set runs. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels_internal.h"

static _Atomic(const nk_kernels *) in_use;

/* NULL: unknown, or this machine cannot run it. __builtin_cpu_supports reads cpuid and, through xgetbv, whether the
 * operating system keeps the wide registers. */
static const nk_kernels *find(const char *name) {
    if (strcmp(name, "portable") == 0) return &nk_kernels_portable;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (strcmp(name, "avx2") == 0 && avx2) return &nk_kernels_avx2;
    const int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (strcmp(name, "avx512") == 0 && avx512) return &nk_kernels_avx512;
#endif
    return NULL;
}

static const nk_kernels *choose(void) {
    const char *forced = getenv("NESTLING_ISA");
    const nk_kernels *kernels = forced ? find(forced) : NULL;
    if (!kernels) kernels = find("avx512");
    if (!kernels) kernels = find("avx2");
    if (!kernels) kernels = &nk_kernels_portable;
    return kernels;
}

const nk_kernels *nk_kernels_in_use(void) {
    const nk_kernels *kernels = atomic_load_explicit(&in_use, memory_order_acquire);
    if (!kernels) {
        kernels = choose();
        atomic_store_explicit(&in_use, kernels, memory_order_release);
    }
    return kernels;
}

const char *nk_isa_name(void) { return nk_kernels_in_use()->name; }

int nk_isa_select(const char *name) {
    const nk_kernels *kernels = find(name);
    if (!kernels) return -1;
    atomic_store_explicit(&in_use, kernels, memory_order_release);
    return 0;
}
