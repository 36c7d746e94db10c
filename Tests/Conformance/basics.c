/* Version, status names, messages, build info, thread count: the functions that need no model. */
#include "conformance.h"

#include <pthread.h>

static void *other_thread(void *unused) {
    (void)unused;
    CHECK(strcmp(nestling_last_error_message(), "") == 0);
    return NULL;
}

int main(int argc, char **argv) {
    sentence_checkpoint(argc, argv);

    CHECK(nestling_version_number() ==
          NESTLING_VERSION_MAJOR * 1000000 + NESTLING_VERSION_MINOR * 1000 + NESTLING_VERSION_PATCH);
    CHECK(nestling_abi_version() == NESTLING_ABI_VERSION);

    static const struct {
        nestling_status status;
        const char *name;
    } names[] = {{0, "OK"},           {-1, "INVALID_ARGUMENT"}, {-2, "NOT_FOUND"},     {-3, "IO"},
                 {-4, "CORRUPT"},     {-5, "UNSUPPORTED"},      {-6, "OUT_OF_MEMORY"}, {-7, "BUFFER_TOO_SMALL"},
                 {-8, "CANCELLED"},   {-9, "INTERNAL"},         {-10, "UNKNOWN"},      {1, "UNKNOWN"},
                 {INT32_MIN, "UNKNOWN"}, {INT32_MAX, "UNKNOWN"}};
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *name = nestling_status_name(names[i].status);
        CHECK_AS(name != NULL && strcmp(name, names[i].name) == 0, "status %d is called %s", (int)names[i].status, name);
        CHECK_AS(nestling_status_name(names[i].status) == name, "the name of status %d moves", (int)names[i].status);
    }

    /* No call has failed yet; afterwards, each thread has its own message. */
    CHECK(nestling_last_error_message() != NULL && *nestling_last_error_message() == 0);
    REFUSED(INVALID, "count", nestling_set_thread_count(-1));
    pthread_t thread;
    if (pthread_create(&thread, NULL, other_thread, NULL) == 0) pthread_join(thread, NULL);
    CHECK(*nestling_last_error_message() != 0);

    static const int32_t wrong_counts[] = {-1, -1000, INT32_MIN, 1025, INT32_MAX};
    int32_t before = nestling_thread_count();
    CHECK(before >= 1 && before <= 1024);
    for (size_t i = 0; i < COUNT(wrong_counts); i++) {
        REFUSED(INVALID, "count|thread", nestling_set_thread_count(wrong_counts[i]));
        CHECK(nestling_thread_count() == before);
    }
    static const int32_t counts[] = {1, 2, 1024};
    for (size_t i = 0; i < COUNT(counts); i++) {
        OK(nestling_set_thread_count(counts[i]));
        CHECK_AS(nestling_thread_count() == counts[i], "%d threads were asked for, %d are used", (int)counts[i],
                 (int)nestling_thread_count());
    }
    OK(nestling_set_thread_count(0));
    CHECK(nestling_thread_count() == before);

    char buffer[4096];
    size_t needed = 12345, count;
    OK(nestling_build_info(NULL, &needed));
    CHECK(needed > 2 && needed < sizeof buffer);
    for (count = 0; count < needed; count++) {
        memset(buffer, '#', sizeof buffer);
        size_t inout = count;
        REFUSED(TOO_SMALL, "", nestling_build_info(buffer, &inout));
        CHECK(inout == needed && buffer[0] == '#' && buffer[count] == '#');
    }
    memset(buffer, '#', sizeof buffer);
    count = needed;
    OK(nestling_build_info(buffer, &count));
    CHECK(count == needed && strlen(buffer) + 1 == needed && buffer[needed] == '#' && buffer[0] == '{');
    CHECK(strstr(buffer, "avx512") || strstr(buffer, "avx2") || strstr(buffer, "portable"));
    count = SIZE_MAX;
    OK(nestling_build_info(buffer, &count));
    CHECK(count == needed);
    REFUSED(INVALID, "inout_count", nestling_build_info(buffer, NULL));
    REFUSED(INVALID, "inout_count", nestling_build_info(NULL, NULL));

    /* NULL handles where they are allowed. */
    CHECK(nestling_model_retain(NULL) == NULL);
    CHECK(nestling_tokenizer_retain(NULL) == NULL);
    nestling_model_release(NULL);
    nestling_tokenizer_release(NULL);
    nestling_session_release(NULL);
    CHECK(nestling_tokenizer_vocabulary_size(NULL) == 0);
    return finish();
}
