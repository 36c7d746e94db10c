/* Serves a model and a submodel of half its FFN width from two threads at once. Both use one set of weights.
 *
 *     02_submodel_threads CHECKPOINT
 */
#include <nestling.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXTS = 3, RUNS = 20 };
static const char *const texts[TEXTS] = {"One model holds a family.", "Each member is a part of it.",
                                         "None copies a weight."};

static void check(nestling_status status, const char *what) {
    if (status == NESTLING_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nestling_status_name(status), nestling_last_error_message());
    exit(1);
}

typedef struct {
    nestling_model *model;
    size_t count;
    float *vectors;
} job;

/* A thread has a session of its own; models are shared. */
static void *serve(void *argument) {
    job *work = argument;
    nestling_session *session = NULL;
    check(nestling_session_create(work->model, NULL, &session), "create a session");
    for (int run = 0; run < RUNS; run++)
        check(nestling_session_encode_texts(session, texts, NULL, TEXTS, NULL, work->vectors, &work->count), "encode");
    nestling_session_release(session);
    return NULL;
}

static job prepare(nestling_model *model, const char *name) {
    nestling_model_info info = {.struct_size = sizeof info};
    check(nestling_model_get_info(model, &info), "get info");
    printf("%-8s %u layers, %llu parameters\n", name, (unsigned)info.layers, (unsigned long long)info.parameters);
    job work = {model, (size_t)TEXTS * info.output_dimensions, NULL};
    work.vectors = malloc(work.count * sizeof(float));
    if (work.vectors == NULL) exit(1);
    return work;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s CHECKPOINT\n", argv[0]);
        return 2;
    }
    nestling_model *full = NULL, *half = NULL;
    check(nestling_model_open(argv[1], NULL, &full), "open");
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    spec.ffn_ratio = 0.5;
    check(nestling_model_derive(full, &spec, &half), "derive");

    job jobs[2] = {prepare(full, "full"), prepare(half, "half")};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, serve, &jobs[i]) != 0) return 1;
    for (int i = 0; i < 2; i++)
        if (pthread_join(threads[i], NULL) != 0) return 1;

    printf("first numbers of the first vector\n");
    for (int i = 0; i < 2; i++) {
        printf("%-8s", i == 0 ? "full" : "half");
        for (int d = 0; d < 6; d++) printf(" %9.5f", jobs[i].vectors[d]);
        printf("\n");
        free(jobs[i].vectors);
        nestling_model_release(jobs[i].model);
    }
    return 0;
}
