/* processors.c: how many processors this process may really use: its affinity mask, limited by the CPU quotas of its
 * control groups (a container on a large host sees all cores but may use two), or what NESTLING_PROCESSORS says.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels_internal.h"

static int affinity_count(void) {
    for (size_t processors = 1024; processors <= (1 << 18); processors *= 4) {
        cpu_set_t *set = CPU_ALLOC(processors);
        if (!set) return 1;
        const size_t size = CPU_ALLOC_SIZE(processors);
        const int failed = sched_getaffinity(0, size, set);
        const int count = failed ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0) return count;
    }
    return 1;
}

static int read_line(const char *path, char *line, int size) {
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    const int success = fgets(line, size, file) != NULL;
    fclose(file);
    return success;
}

/* Processors that a group's quota allows, rounded up; 0 where it has none. */
static int group_quota(const char *root, const char *group) {
    char path[4352], line[128];
    double quota = -1, period = 0;
    snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
    if (read_line(path, line, sizeof line)) {
        if (sscanf(line, "%lf %lf", &quota, &period) != 2) return 0; /* "max 100000" */
    } else {
        snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", root, group);
        if (!read_line(path, line, sizeof line)) return 0;
        quota = atof(line);
        snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", root, group);
        if (!read_line(path, line, sizeof line)) return 0;
        period = atof(line);
    }
    if (!(quota > 0) || !(period > 0) || quota / period > 1e6) return 0;
    const int whole = (int)(quota / period);
    return whole < quota / period ? whole + 1 : whole;
}

/* The smallest quota on the way from a group up to the root. Inside a container the group's path may be the host's, and
 * missing; the walk then still meets what is mounted as root. */
static int chain_quota(const char *root, const char *group, int limit) {
    char path[4096];
    snprintf(path, sizeof path, "%s", group);
    for (;;) {
        size_t length = strlen(path);
        while (length > 0 && path[length - 1] == '/') path[--length] = 0;
        const int quota = group_quota(root, path);
        if (quota > 0 && quota < limit) limit = quota;
        char *slash = strrchr(path, '/');
        if (!slash) return limit;
        *slash = 0;
    }
}

static int has_cpu_controller(const char *controllers) {
    for (const char *name = controllers; *name;) {
        const size_t length = strcspn(name, ",");
        if (length == 3 && strncmp(name, "cpu", 3) == 0) return 1;
        name += length + (name[length] == ',');
    }
    return 0;
}

static int quota_limit(int limit) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file) return limit;
    char line[4352];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'); /* hierarchy:controllers:/path */
        if (!controllers) continue;
        char *group = strchr(++controllers, ':');
        if (!group) continue;
        *group++ = 0;
        if (*controllers == 0) {
            limit = chain_quota("/sys/fs/cgroup", group, limit);
            limit = chain_quota("/sys/fs/cgroup/unified", group, limit);
        } else if (has_cpu_controller(controllers)) {
            limit = chain_quota("/sys/fs/cgroup/cpu", group, limit);
            limit = chain_quota("/sys/fs/cgroup/cpu,cpuacct", group, limit);
        }
    }
    fclose(file);
    return limit;
}

static int named_count(void) {
    const char *text = getenv("NESTLING_PROCESSORS");
    char *end = NULL;
    const long count = text ? strtol(text, &end, 10) : 0;
    return text && *text && *end == 0 && count > 0 && count <= 1024 ? (int)count : 0;
}

static atomic_int usable; /* 0: not known yet */

int nk_usable_processors(void) {
    int count = atomic_load_explicit(&usable, memory_order_relaxed);
    if (count == 0) {
        count = named_count();
        if (count == 0) count = quota_limit(affinity_count());
        if (count < 1) count = 1;
        atomic_store_explicit(&usable, count, memory_order_relaxed);
    }
    return count;
}

void nk_set_usable_processors(int count) { atomic_store_explicit(&usable, count, memory_order_relaxed); }
