/* Progress and cancellation, and the memory that a session may take. */
#include "conformance.h"

enum { SEQUENCES = 200, LENGTH = 40 };
static int32_t ids[SEQUENCES * LENGTH];
static size_t offsets[SEQUENCES + 1];
static float numbers[SEQUENCES * LENGTH * 24], expected[SEQUENCES * 64];

typedef struct {
    int calls, cancel_at;
    uint64_t last, total;
    int rises;
    char stage[32];
} log_entry;

static int32_t note(const char *stage, uint64_t done, uint64_t total, void *user_data) {
    log_entry *log = user_data;
    if (log->calls++ > 0 && done < log->last && strcmp(stage, log->stage) == 0) log->rises = 0;
    log->last = done;
    log->total = total;
    if (done > total) log->rises = 0;
    snprintf(log->stage, sizeof log->stage, "%s", stage ? stage : "(null)");
    return log->calls == log->cancel_at ? 1 : 0;
}

static void progress_of_open(const char *checkpoint) {
    log_entry log = {.rises = 1};
    nestling_open_options options = NESTLING_OPEN_OPTIONS_INIT;
    options.progress = note;
    options.user_data = &log;
    nestling_model *model = UNTOUCHED;
    if (OK(nestling_model_open(checkpoint, &options, &model))) nestling_model_release(model);
    int calls = log.calls;
    CHECK(calls > 0 && log.rises && log.last == log.total && strcmp(log.stage, "load") == 0);
    for (int at = 1; at <= calls; at++) {
        log = (log_entry){.rises = 1, .cancel_at = at};
        model = UNTOUCHED;
        nestling_status status = nestling_model_open(checkpoint, &options, &model);
        expect_refused(status, CANCELLED, "", __FILE__, __LINE__, "open, cancelled");
        if (status == NESTLING_OK) nestling_model_release(model);
        else CHECK(model == UNTOUCHED && log.calls == at);
    }
}

static void progress_of_runs(nestling_model *model) {
    nestling_session *session = NULL;
    nestling_session_options session_options = NESTLING_SESSION_OPTIONS_INIT;
    session_options.slice_tokens = 10 * LENGTH;
    REQUIRE(nestling_session_create(model, &session_options, &session));
    size_t expected_count = COUNT(expected);
    REQUIRE(nestling_session_encode(session, ids, offsets, SEQUENCES, NULL, expected, &expected_count));

    log_entry log = {.rises = 1};
    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    options.progress = note;
    options.user_data = &log;
    size_t count = COUNT(numbers);
    OK(nestling_session_encode(session, ids, offsets, SEQUENCES, &options, numbers, &count));
    CHECK(log.calls >= 2 && log.rises && log.last == SEQUENCES && log.total == SEQUENCES && strcmp(log.stage, "encode") == 0);
    CHECK(count == expected_count && memcmp(numbers, expected, count * sizeof(float)) == 0);
    int calls = log.calls;
    for (int at = 1; at <= calls; at += at < 3 ? 1 : 7) {
        log = (log_entry){.rises = 1, .cancel_at = at};
        count = COUNT(numbers);
        nestling_status status = nestling_session_encode(session, ids, offsets, SEQUENCES, &options, numbers, &count);
        /* How often it is called depends on how much of the work this thread got to do. */
        if (status == NESTLING_OK && at > 1) {
            CHECK(log.calls < at && count == expected_count);
            break;
        }
        expect_refused(status, CANCELLED, "", __FILE__, __LINE__, "encode, cancelled");
        CHECK(log.calls == at && count == COUNT(numbers));
        count = COUNT(numbers); /* the session works as before */
        OK(nestling_session_encode(session, ids, offsets, SEQUENCES, NULL, numbers, &count));
        CHECK(memcmp(numbers, expected, count * sizeof(float)) == 0);
    }
    log = (log_entry){.rises = 1, .cancel_at = 1};
    size_t rows[SEQUENCES + 1] = {77};
    count = COUNT(numbers);
    REFUSED(CANCELLED, "", nestling_session_hidden_states(session, ids, offsets, SEQUENCES, &options, numbers, &count, rows));
    CHECK(rows[0] == 77 && count == COUNT(numbers));
    static const char *const texts[] = {"one", "two", "three"};
    log = (log_entry){.rises = 1, .cancel_at = 1};
    REFUSED(CANCELLED, "", nestling_session_encode_texts(session, texts, NULL, 3, &options, numbers, &count));
    nestling_session_release(session);
}

static void progress_of_save(nestling_model *model) {
    char folder[64];
    make_folder(folder);
    log_entry log = {.rises = 1};
    nestling_save_options options = NESTLING_SAVE_OPTIONS_INIT;
    options.progress = note;
    options.user_data = &log;
    OK(nestling_model_save(model, path_in(folder, "whole"), &options));
    CHECK(log.calls > 0 && log.rises && log.last == log.total && strcmp(log.stage, "save") == 0);
    int calls = log.calls;
    for (int at = 1; at <= calls; at++) {
        log = (log_entry){.rises = 1, .cancel_at = at};
        char path[128];
        snprintf(path, sizeof path, "%s/%d", folder, at);
        nestling_status status = nestling_model_save(model, path, &options);
        expect_refused(status, CANCELLED, "", __FILE__, __LINE__, "save, cancelled");
        nestling_model *half = UNTOUCHED;
        CHECK_AS(nestling_model_open(path, NULL, &half) < 0 && half == UNTOUCHED, "a save cancelled at call %d left something usable", at);
    }
    /* Replacing a checkpoint, and thinking better of it, keeps the old one. */
    options.overwrite = 1;
    log = (log_entry){.rises = 1, .cancel_at = 1};
    REFUSED(CANCELLED, "", nestling_model_save(model, path_in(folder, "whole"), &options));
    nestling_model *old = NULL;
    if (OK(nestling_model_open(path_in(folder, "whole"), NULL, &old))) nestling_model_release(old);
    remove_folder(folder);
}

static void memory(nestling_model *model) {
    uint64_t slice = 0;
    nestling_session_options options = NESTLING_SESSION_OPTIONS_INIT;
    options.slice_tokens = 4 * LENGTH;
    options.thread_count = 2;
    OK(nestling_session_estimate(model, &options, 0, &slice));
    CHECK(slice > 0);

    /* The estimate is enough; a tenth of it is refused, and the session goes on with what fits. */
    nestling_session *session = NULL;
    options.memory_limit = slice;
    REQUIRE(nestling_session_create(model, &options, &session));
    size_t count = COUNT(numbers);
    OK(nestling_session_encode(session, ids, offsets, SEQUENCES, NULL, numbers, &count));
    CHECK(memcmp(numbers, expected, count * sizeof(float)) == 0);
    nestling_session_release(session);

    options.memory_limit = slice / 10;
    session = UNTOUCHED;
    nestling_status status = nestling_session_create(model, &options, &session);
    if (status == NESTLING_OK) {
        numbers[0] = 77;
        count = COUNT(numbers);
        static const size_t one_token[] = {0, 1};
        REFUSED(NO_MEMORY, "memory_limit|limit|bytes", nestling_session_encode(session, ids, offsets, SEQUENCES, NULL, numbers, &count));
        CHECK(count == COUNT(numbers) && numbers[0] == 77);
        OK(nestling_session_encode(session, ids, one_token, 1, NULL, numbers, &count));
        nestling_session_release(session);
    } else {
        expect_refused(status, NO_MEMORY, "memory_limit|limit|bytes", __FILE__, __LINE__, "a session with too little memory");
        CHECK(session == UNTOUCHED);
    }
    options.memory_limit = 1;
    session = NULL;
    status = nestling_session_create(model, &options, &session);
    if (status == NESTLING_OK) {
        count = COUNT(numbers);
        REFUSED(NO_MEMORY, "memory_limit|limit|bytes", nestling_session_encode(session, ids, offsets, 1, NULL, numbers, &count));
        nestling_session_release(session);
    }
    options.memory_limit = UINT64_MAX;
    if (OK(nestling_session_create(model, &options, &session))) {
        count = COUNT(numbers);
        OK(nestling_session_encode(session, ids, offsets, SEQUENCES, NULL, numbers, &count));
        nestling_session_release(session);
    }
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    nestling_model *model = NULL;
    progress_of_open(checkpoint);
    REQUIRE(nestling_model_open(checkpoint, NULL, &model));
    fill_ids(ids, COUNT(ids), info_of(model).vocabulary_size, 3);
    for (size_t i = 0; i <= SEQUENCES; i++) offsets[i] = i * LENGTH;
    progress_of_runs(model);
    progress_of_save(model);
    memory(model);
    nestling_model_release(model);
    return finish();
}
