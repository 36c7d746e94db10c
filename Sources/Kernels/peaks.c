/* peaks.c: what this machine can do at most, measured: the numbers that every other measurement is a share of.
 *
 * Each loop keeps the execution units busy out of registers alone (enough independent chains to hide the latency of the
 * instruction), or streams memory that no cache holds.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef struct {
    nk_peak kind;
    int wide, fast; /* AVX-512 may be used; the instruction of the kind exists */
    size_t rounds;
    const unsigned char *memory;
    size_t bytes; /* of memory, for each task */
    volatile float sink;
} nk_peak_job;

/* What 16 and 32 registers hold besides constants; more than latency times throughput of any known processor. */
enum { chains = 12, chains_of_32 = 24 };

/* The accumulators pass through an empty assembly statement, so that the compiler cannot fold the rounds. */
#define KEEP(kind, values, count)                                                                                    \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < count; i++) __asm__ volatile("" : "+" kind(values[i]))

/* `chains` dependent chains of `step`, which is one instruction. */
#define RUN(target, name, type, chains, constraint, zero, step)                                                      \
    target static float name(size_t rounds) {                                                                        \
        type sums[chains];                                                                                           \
        _Pragma("clang loop unroll(full)") for (int i = 0; i < chains; i++) sums[i] = zero;              \
        for (size_t round = 0; round < rounds; round += chains / 12) {                                               \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < chains; i++) sums[i] = step(sums[i]);             \
            KEEP(constraint, sums, chains);                                                                          \
        }                                                                                                            \
        float first;                                                                                                 \
        memcpy(&first, &sums[0], sizeof first);                                                                      \
        return first;                                                                                                \
    }

#define PORTABLE_FMA(x) ((x) * 0.5f + 1.0f)
RUN(, fma_portable, float, chains, "x", 0.0f, PORTABLE_FMA)

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f")))
#define AVX512_BF16 __attribute__((target("avx512f,avx512bf16")))
#define AVX512_VNNI __attribute__((target("avx512f,avx512vnni")))
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX_VNNI __attribute__((target("avx2,avxvnni")))

#define FMA512(x) _mm512_fmadd_ps(x, _mm512_set1_ps(0.5f), _mm512_set1_ps(1.0f))
#define FMA256(x) _mm256_fmadd_ps(x, _mm256_set1_ps(0.5f), _mm256_set1_ps(1.0f))
#define DOT_BF16(x) _mm512_dpbf16_ps(x, (__m512bh)_mm512_set1_epi32(0x3F003F00), (__m512bh)_mm512_set1_epi32(0x3F003F00))
#define DOT512(x) _mm512_dpbusd_epi32(x, _mm512_set1_epi32(0x01010101), _mm512_set1_epi32(0x01010101))
#define DOT256(x) _mm256_dpbusd_avx_epi32(x, _mm256_set1_epi32(0x01010101), _mm256_set1_epi32(0x01010101))
#define MADD256(x) _mm256_add_epi32(x, _mm256_madd_epi16(x, _mm256_set1_epi32(0x00010001)))

RUN(AVX512, fma_512, __m512, chains_of_32, "v", _mm512_setzero_ps(), FMA512)
RUN(AVX2, fma_256, __m256, chains, "x", _mm256_setzero_ps(), FMA256)
RUN(AVX512_BF16, dot_bf16_512, __m512, chains_of_32, "v", _mm512_setzero_ps(), DOT_BF16)
RUN(AVX512_VNNI, dot_i8_512, __m512i, chains_of_32, "v", _mm512_setzero_si512(), DOT512)
RUN(AVX_VNNI, dot_i8_256, __m256i, chains, "x", _mm256_setzero_si256(), DOT256)
RUN(AVX2, madd_256, __m256i, chains, "x", _mm256_setzero_si256(), MADD256)

AVX512 static float read_512(const unsigned char *memory, size_t bytes) {
    __m512i sums[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t at = 0; at + 256 <= bytes; at += 256)
        for (int i = 0; i < 4; i++) {
            __builtin_prefetch(memory + at + 64 * i + 4096, 0, 3);
            sums[i] = _mm512_or_si512(sums[i], _mm512_load_si512(memory + at + 64 * i));
        }
    return (float)_mm512_reduce_or_epi32(
        _mm512_or_si512(_mm512_or_si512(sums[0], sums[1]), _mm512_or_si512(sums[2], sums[3])));
}
#endif

static float read_portable(const unsigned char *memory, size_t bytes) {
    uint64_t sums[8] = {0};
    for (size_t at = 0; at + 64 <= bytes; at += 64)
        for (int i = 0; i < 8; i++) {
            uint64_t value;
            memcpy(&value, memory + at + 8 * i, sizeof value);
            sums[i] |= value;
        }
    return (float)(sums[0] | sums[1] | sums[2] | sums[3] | sums[4] | sums[5] | sums[6] | sums[7]);
}

/* Operations of one round of one chain. */
static double operations_per_step(const nk_peak_job *job) {
#if defined(__x86_64__)
    const double lanes = job->wide ? 16 : 8;
    switch (job->kind) {
        case NK_PEAK_F32: return job->fast ? 2 * lanes : 2;
        case NK_PEAK_BF16: return job->fast ? 4 * lanes : 2 * lanes;
        case NK_PEAK_I8: return job->fast ? 8 * lanes : 4 * lanes;
        case NK_PEAK_READ: break;
    }
#endif
    return 2;
}

static float run(const nk_peak_job *job) {
#if defined(__x86_64__)
    switch (job->kind) {
        case NK_PEAK_F32: return job->wide ? fma_512(job->rounds) : job->fast ? fma_256(job->rounds) : fma_portable(job->rounds);
        case NK_PEAK_BF16:
            if (job->fast) return dot_bf16_512(job->rounds);
            return job->wide ? fma_512(job->rounds) : fma_256(job->rounds);
        case NK_PEAK_I8:
            if (job->fast) return job->wide ? dot_i8_512(job->rounds) : dot_i8_256(job->rounds);
            return madd_256(job->rounds);
        case NK_PEAK_READ: break;
    }
#endif
    return fma_portable(job->rounds);
}

static void run_tasks(size_t begin, size_t end, void *context) {
    nk_peak_job *job = context;
    for (size_t task = begin; task < end; task++) {
        float value;
        if (job->kind != NK_PEAK_READ)
            value = run(job);
#if defined(__x86_64__)
        else if (job->wide)
            value = read_512(job->memory + task * job->bytes, job->bytes);
#endif
        else
            value = read_portable(job->memory + task * job->bytes, job->bytes);
        if (value == 0.125f) job->sink = value;
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare_rates(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double nk_measure_peak(nk_peak kind, int threads, double seconds) {
    const size_t tasks = (size_t)nk_running_threads(threads);
    nk_peak_job job = {.kind = kind, .rounds = 100000, .bytes = (size_t)128 << 20};
    const char *isa = nk_isa_name();
#if defined(__x86_64__)
    __builtin_cpu_init();
    job.wide = strncmp(isa, "avx512", 6) == 0;
    const int avx2 = strcmp(isa, "portable") != 0;
    switch (kind) {
        case NK_PEAK_F32: job.fast = avx2; break;
        case NK_PEAK_BF16: job.fast = job.wide && __builtin_cpu_supports("avx512bf16"); break;
        case NK_PEAK_I8:
            job.fast = avx2 && (job.wide ? __builtin_cpu_supports("avx512vnni") : __builtin_cpu_supports("avxvnni"));
            if (!job.fast) job.wide = 0;
            break;
        case NK_PEAK_READ: break;
    }
    if (!avx2) job.kind = kind == NK_PEAK_READ ? kind : NK_PEAK_F32;
#else
    (void)isa;
    if (kind != NK_PEAK_READ) job.kind = NK_PEAK_F32;
#endif
    void *memory = NULL;
    if (kind == NK_PEAK_READ) {
        if (posix_memalign(&memory, 4096, tasks * job.bytes) != 0) return 0;
        memset(memory, 1, tasks * job.bytes);
        job.memory = memory;
    }
    /* Of arithmetic the best of many short runs: what disturbs a run only makes it slower. Of reading the middle one: who else
     * uses the memory takes a part of it from everything that runs here, as long as it lasts. */
    enum { most_runs = 4096 };
    double best = 0, rates[most_runs];
    size_t runs = 0;
    const double begin = now();
    do {
        const double start = now();
        nk_parallel_for(tasks, 1, threads, run_tasks, &job);
        const double passed = now() - start;
        const double work = kind == NK_PEAK_READ ? (double)tasks * (double)job.bytes
                                                    : (double)tasks * (double)job.rounds * chains * operations_per_step(&job);
        if (passed <= 0) continue;
        if (work / passed > best) best = work / passed;
        if (runs < most_runs) rates[runs++] = work / passed;
    } while (now() - begin < seconds);
    free(memory);
    if (kind != NK_PEAK_READ || runs == 0) return best;
    qsort(rates, runs, sizeof rates[0], compare_rates);
    return rates[runs / 2];
}
