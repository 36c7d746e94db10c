/* One model on many threads gives the bits of one thread; a session in use refuses a second user; the child of a fork works. */
#include "conformance.h"

#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 4, RUNS = 30, TEXTS = 4 };
static const char *const texts[TEXTS] = {"One model,", "many threads,", "and on each of them a session:", ""};

static nestling_model *models[2];
static float expected[2][TEXTS * 64];
static size_t expected_count[2];
static const char *checkpoint_path;

static void encode(nestling_model *model, float *vectors, size_t *count) {
    nestling_session *session = NULL;
    if (OK(nestling_session_create(model, NULL, &session))) {
        OK(nestling_session_encode_texts(session, texts, NULL, TEXTS, NULL, vectors, count));
        nestling_session_release(session);
    }
}

/* Encodes with both models in turn; derives, describes, tokenizes and fails in between, as a busy server would. */
static void *serve(void *argument) {
    int number = (int)(intptr_t)argument;
    for (int run = 0; run < RUNS; run++) {
        int which = (run + number) % 2;
        float vectors[TEXTS * 64];
        size_t count = COUNT(vectors);
        encode(models[which], vectors, &count);
        CHECK_AS(count == expected_count[which] && memcmp(vectors, expected[which], count * sizeof(float)) == 0,
                 "thread %d, run %d: other bits than on one thread", number, run);
        nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
        nestling_model *derived = NULL;
        spec.ffn_ratio = 0.25 + 0.1 * number;
        if (OK(nestling_model_derive(models[0], &spec, &derived))) {
            count = COUNT(vectors);
            encode(derived, vectors, &count);
            nestling_model_release(derived);
        }
        char text[64];
        snprintf(text, sizeof text, "/nonexistent/%d/%d", number, run);
        nestling_model *none = NULL;
        REFUSED(MISSING, text, nestling_model_open(text, NULL, &none)); /* the message is this thread's own */
        nestling_tokenizer *tokenizer = NULL;
        if (OK(nestling_model_get_tokenizer(models[which], &tokenizer))) {
            size_t ids = 0;
            OK(nestling_tokenizer_encode(tokenizer, "shared by all", 13, NULL, NULL, NULL, &ids));
            CHECK(ids > 2);
            nestling_tokenizer_release(tokenizer);
        }
        if (run % 10 == 0) OK(nestling_set_thread_count(1 + number % 2));
        nestling_model_release(nestling_model_retain(models[which]));
    }
    return NULL;
}

static void many_threads(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, serve, (void *)(intptr_t)i) != 0) exit(2);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    OK(nestling_set_thread_count(0));
}

/* ---- a session in use ---- */

typedef struct {
    nestling_session *session;
    int calls;
} shared;

static void expect_busy(nestling_session *session) {
    static const int32_t ids[] = {1, 2};
    static const size_t offsets[] = {0, 2};
    float vectors[256] = {77};
    int32_t map[2] = {77};
    size_t count = COUNT(vectors);
    REFUSED(ANY, "session|use|thread", nestling_session_encode(session, ids, offsets, 1, NULL, vectors, &count));
    REFUSED(ANY, "session|use|thread", nestling_session_encode_texts(session, texts, NULL, 1, NULL, vectors, &count));
    REFUSED(ANY, "session|use|thread", nestling_session_hidden_states(session, ids, offsets, 1, NULL, vectors, &count, NULL));
    CHECK(count == COUNT(vectors) && vectors[0] == 77);
    count = 2;
    REFUSED(ANY, "session|use|thread", nestling_session_token_map(session, 0, map, &count));
    CHECK(count == 2 && map[0] == 77);
}

static void *second_user(void *argument) {
    expect_busy(((shared *)argument)->session);
    return NULL;
}

/* Runs in the middle of a call: the session is in use for certain. */
static int32_t while_running(const char *stage, uint64_t done, uint64_t total, void *user_data) {
    shared *state = user_data;
    CHECK(stage != NULL && strcmp(stage, "encode") == 0 && done <= total);
    if (state->calls++ == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, second_user, state) == 0) pthread_join(thread, NULL);
        expect_busy(state->session); /* nor from inside the callback */
        float vectors[TEXTS * 64];
        size_t count = COUNT(vectors);
        encode(models[0], vectors, &count); /* another session of the same model is free */
        CHECK(count == expected_count[0] && memcmp(vectors, expected[0], count * sizeof(float)) == 0);
    }
    return 0;
}

static void busy_session(void) {
    shared state = {NULL, 0};
    REQUIRE(nestling_session_create(models[0], NULL, &state.session));
    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    options.progress = while_running;
    options.user_data = &state;
    float vectors[TEXTS * 64];
    size_t count = COUNT(vectors);
    OK(nestling_session_encode_texts(state.session, texts, NULL, TEXTS, &options, vectors, &count));
    CHECK(state.calls > 0);
    CHECK(count == expected_count[0] && memcmp(vectors, expected[0], count * sizeof(float)) == 0);
    nestling_session_release(state.session);
}

/* ---- fork ---- */

static void forked(void) {
    nestling_session *session = NULL;
    REQUIRE(nestling_session_create(models[1], NULL, &session));
    for (int round = 0; round < 3; round++) {
        float vectors[TEXTS * 64];
        size_t count = COUNT(vectors);
        OK(nestling_session_encode_texts(session, texts, NULL, TEXTS, NULL, vectors, &count)); /* the pool's threads run now */
        pid_t child = fork();
        if (child == 0) {
            /* The inherited model and session, new ones, the same bits; with a limit, since waiting for threads that are
             * not there would last for ever. */
            alarm(60);
            int good = 1;
            for (int i = 0; i < 3; i++) {
                count = COUNT(vectors);
                good &= nestling_session_encode_texts(session, texts, NULL, TEXTS, NULL, vectors, &count) == NESTLING_OK;
                good &= count == expected_count[1] && memcmp(vectors, expected[1], count * sizeof(float)) == 0;
            }
            count = COUNT(vectors);
            encode(models[0], vectors, &count);
            good &= memcmp(vectors, expected[0], expected_count[0] * sizeof(float)) == 0;
            nestling_model *again = NULL;
            good &= nestling_model_open(checkpoint_path, NULL, &again) == NESTLING_OK;
            nestling_model_release(again);
            _exit(good ? 0 : 1);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK_AS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child of round %d ended with status %#x", round, (unsigned)status);
    }
    float vectors[TEXTS * 64];
    size_t count = COUNT(vectors);
    OK(nestling_session_encode_texts(session, texts, NULL, TEXTS, NULL, vectors, &count));
    CHECK(memcmp(vectors, expected[1], count * sizeof(float)) == 0);
    nestling_session_release(session);
}

int main(int argc, char **argv) {
    setenv("NESTLING_PROCESSORS", "5", 0); /* as if there were so many: else fewer threads run */
    checkpoint_path = sentence_checkpoint(argc, argv);
    REQUIRE(nestling_model_open(checkpoint_path, NULL, &models[0]));
    REQUIRE(nestling_model_open(path_in(argv[1], "sentence-transformers/legacy"), NULL, &models[1]));
    for (int i = 0; i < 2; i++) {
        expected_count[i] = COUNT(expected[i]);
        encode(models[i], expected[i], &expected_count[i]);
    }
    if (CAN_FORK) forked(); /* first, while the pool is young */
    busy_session();
    many_threads();
    if (CAN_FORK) forked();
    nestling_model_release(models[0]);
    nestling_model_release(models[1]);
    return finish();
}
