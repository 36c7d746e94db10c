/* parallel.c: the one thread pool of the process.
 *
 * The design names OpenMP; this is an own pool instead, because it is one pool for all callers of the process, needs
 * no further shared library, is visible to ThreadSanitizer and works in a forked child.
 *
 * Protocol. A caller that owns the pool writes the job, then opens `tickets` (one per worker it wants) and raises
 * `epoch`. A worker that sees a new epoch takes a ticket, or stays out of the job. When the chunks are gone the caller
 * takes the unclaimed tickets back and waits for the workers that did get one, so a worker that wakes late can never
 * touch a finished job.
 *
 * Each ticket has a share of the chunks, as many neighbours as any other, from which its owner claims the first one left;
 * who has none left claims the last one of another's. So each thread reads memory in order, which is what a product with one
 * row lives on (all threads claiming from one counter read a tenth slower), and nobody waits for a thread that is late.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernels_internal.h"

enum { maximum_workers = 1023, spin_nanoseconds = 800 * 1000 };

/* Each word that one side writes while others read has its own cache line; the job has one with what is claimed of it, so
 * that a worker fetches one line from the caller's processor, and not four, before it begins. */
static struct {
    _Alignas(64) atomic_uint owned; /* 1: a caller uses the pool */
    _Alignas(64) atomic_uint epoch; /* futex of idle workers */
    /* The job: written by the owner while no worker is in it. */
    _Alignas(64) atomic_uint tickets;
    unsigned shares_in_use;
    nk_body body;
    void *context;
    size_t count, grain;
    /* Chunks that are left of each ticket's share, first + 2^32 end; that of the caller is the first. */
    atomic_uint_least64_t shares[maximum_workers + 1];
    _Alignas(64) atomic_uint finished; /* futex of the caller    */
    _Alignas(64) atomic_uint caller_sleeps;
    atomic_uint sleepers;
    atomic_uint created;
    atomic_uint spinners; /* workers below this index spin before they sleep */
} pool;

static atomic_int chosen_threads; /* 0: usable processors */
static _Thread_local int inside;

static void futex_wait(atomic_uint *word, unsigned value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, unsigned count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The child has only the thread that forked. */
static void reset_in_child(void) {
    atomic_store(&pool.owned, 0);
    atomic_store(&pool.tickets, 0);
    atomic_store(&pool.finished, 0);
    atomic_store(&pool.caller_sleeps, 0);
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.created, 0);
}

__attribute__((constructor)) static void register_fork_handler(void) { pthread_atfork(NULL, NULL, reset_in_child); }

static void open_shares(size_t chunks, unsigned count) {
    pool.shares_in_use = count;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t first = chunks * i / count, end = chunks * (i + 1) / count;
        atomic_store_explicit(&pool.shares[i], first | end << 32, memory_order_relaxed);
    }
}

/* Claims the first or the last chunk that is left of a share. */
static int claim(unsigned share, int last, size_t *chunk) {
    uint64_t left = atomic_load_explicit(&pool.shares[share], memory_order_relaxed);
    for (;;) {
        const uint64_t first = (uint32_t)left, end = left >> 32;
        if (first >= end) return 0;
        *chunk = last ? end - 1 : first;
        const uint64_t rest = last ? first | (end - 1) << 32 : (first + 1) | end << 32;
        if (atomic_compare_exchange_weak_explicit(&pool.shares[share], &left, rest, memory_order_relaxed,
                                                  memory_order_relaxed))
            return 1;
    }
}

static void run_chunks(unsigned own) {
    const unsigned all = pool.shares_in_use;
    for (unsigned i = 0, share = own; i < all; i++, share = share + 1 < all ? share + 1 : 0) {
        size_t chunk;
        while (claim(share, i > 0, &chunk)) {
            const size_t begin = chunk * pool.grain;
            pool.body(begin, begin + nk_minimum(pool.grain, pool.count - begin), pool.context);
        }
    }
}

/* The number of the ticket, from 1; 0: none is left. */
static unsigned take_ticket(void) {
    unsigned left = atomic_load_explicit(&pool.tickets, memory_order_acquire);
    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&pool.tickets, &left, left - 1, memory_order_acquire,
                                                  memory_order_acquire))
            return left;
    }
    return 0;
}

/* Returns when the epoch is no longer `seen`. */
static void await_epoch(unsigned seen, unsigned index) {
    if (index < atomic_load_explicit(&pool.spinners, memory_order_relaxed)) {
        const int64_t limit = nanoseconds() + spin_nanoseconds;
        do {
            for (int i = 0; i < 64; i++) {
                if (atomic_load_explicit(&pool.epoch, memory_order_acquire) != seen) return;
                pause_briefly();
            }
        } while (nanoseconds() < limit);
    }
    atomic_fetch_add(&pool.sleepers, 1);
    while (atomic_load(&pool.epoch) == seen) futex_wait(&pool.epoch, seen);
    atomic_fetch_sub(&pool.sleepers, 1);
}

static void *work(void *argument) {
    const unsigned index = (unsigned)(uintptr_t)argument;
    inside = 1;
    pthread_setname_np(pthread_self(), "nestling");
    unsigned seen = atomic_load(&pool.epoch) - 1; /* a job may be open already */
    for (;;) {
        await_epoch(seen, index);
        seen = atomic_load_explicit(&pool.epoch, memory_order_acquire);
        const unsigned ticket = take_ticket();
        if (!ticket) continue;
        run_chunks(ticket);
        atomic_fetch_add(&pool.finished, 1);
        if (atomic_load(&pool.caller_sleeps)) futex_wake(&pool.finished, 1);
    }
    return NULL;
}

/* Makes sure of up to `wanted` workers; returns how many there are, at most `wanted`. Only the owner calls this. */
static unsigned ensure_workers(unsigned wanted) {
    unsigned created = atomic_load_explicit(&pool.created, memory_order_relaxed);
    if (created < wanted) {
        /* Signals are the host program's business: its handlers must not run on our threads. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        while (created < wanted) {
            pthread_t thread;
            if (pthread_create(&thread, &attributes, work, (void *)(uintptr_t)created) != 0) break;
            created++;
        }
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        atomic_store_explicit(&pool.created, created, memory_order_relaxed);
    }
    return created < wanted ? created : wanted;
}

/* Waits for the workers of the job. */
static void await_workers(unsigned joined) {
    for (int i = 0; i < 20000; i++) {
        if (atomic_load_explicit(&pool.finished, memory_order_acquire) == joined) return;
        pause_briefly();
    }
    atomic_store(&pool.caller_sleeps, 1);
    for (;;) {
        const unsigned finished = atomic_load(&pool.finished);
        if (finished == joined) break;
        futex_wait(&pool.finished, finished);
    }
    atomic_store(&pool.caller_sleeps, 0);
}

void nk_parallel_for(size_t count, size_t grain, int threads, nk_body body, void *context) {
    if (count == 0) return;
    grain = nk_maximum(grain, count / UINT32_MAX + 1); /* shares count chunks in 32 bits */
    const size_t chunks = nk_ceiling(count, grain);
    const unsigned wanted = (unsigned)nk_minimum((size_t)nk_running_threads(threads), chunks) - 1;

    unsigned nobody = 0;
    if (wanted == 0 || inside ||
        !atomic_compare_exchange_strong_explicit(&pool.owned, &nobody, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        for (size_t begin = 0; begin < count; begin += nk_minimum(grain, count - begin))
            body(begin, begin + nk_minimum(grain, count - begin), context);
        return;
    }

    inside = 1;
    const unsigned workers = ensure_workers(wanted);
    atomic_store_explicit(&pool.spinners, (unsigned)nk_running_threads(0) - 1, memory_order_relaxed);
    pool.body = body;
    pool.context = context;
    pool.count = count;
    pool.grain = grain;
    open_shares(chunks, workers + 1);
    atomic_store_explicit(&pool.finished, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.tickets, workers, memory_order_release);
    atomic_fetch_add(&pool.epoch, 1);
    const unsigned sleepers = atomic_load(&pool.sleepers);
    const unsigned awake = atomic_load_explicit(&pool.created, memory_order_relaxed) - sleepers;
    if (workers > awake) futex_wake(&pool.epoch, workers - awake);

    run_chunks(0);
    const unsigned joined = workers - atomic_exchange(&pool.tickets, 0);
    await_workers(joined);
    inside = 0;
    atomic_store_explicit(&pool.owned, 0, memory_order_release);
}

void nk_set_thread_count(int count) {
    if (count > maximum_workers + 1) count = maximum_workers + 1;
    atomic_store_explicit(&chosen_threads, count > 0 ? count : 0, memory_order_relaxed);
}

int nk_running_threads(int threads) {
    const int set = nk_thread_count(), processors = nk_usable_processors();
    const int asked = threads > 0 && threads < set ? threads : set;
    return asked < processors ? asked : processors;
}

int nk_thread_count(void) {
    int chosen = atomic_load_explicit(&chosen_threads, memory_order_relaxed);
    if (chosen == 0) chosen = nk_usable_processors();
    return chosen <= maximum_workers ? chosen : maximum_workers + 1;
}
