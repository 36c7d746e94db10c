/* Embeds sentences and prints how similar they are.
 *
 *     01_embed CHECKPOINT [sentence...]
 */
#include <nestling.h>
#include <stdio.h>
#include <stdlib.h>

static void check(nestling_status status, const char *what) {
    if (status == NESTLING_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nestling_status_name(status), nestling_last_error_message());
    exit(1);
}

int main(int argc, char **argv) {
    static const char *const samples[] = {
        "A small bird sleeps in its nest.",
        "The fledgling rests where it was born.",
        "The train leaves at half past nine.",
    };
    if (argc < 2) {
        fprintf(stderr, "usage: %s CHECKPOINT [sentence...]\n", argv[0]);
        return 2;
    }
    const char *const *texts = argc > 2 ? (const char *const *)argv + 2 : samples;
    size_t text_count = argc > 2 ? (size_t)argc - 2 : sizeof samples / sizeof *samples;

    nestling_model *model = NULL;
    check(nestling_model_open(argv[1], NULL, &model), "open");
    nestling_session *session = NULL;
    check(nestling_session_create(model, NULL, &session), "create a session");

    /* Vectors of length 1: their dot product is the cosine of the angle between them. */
    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    options.normalize = 1;

    /* Without a buffer, the call only tells how many floats it needs. */
    size_t count = 0;
    check(nestling_session_encode_texts(session, texts, NULL, text_count, &options, NULL, &count), "ask for the size");
    float *vectors = malloc(count * sizeof *vectors);
    if (vectors == NULL) return 1;
    check(nestling_session_encode_texts(session, texts, NULL, text_count, &options, vectors, &count), "encode");

    size_t dimensions = count / text_count;
    printf("%zu texts, %zu dimensions\n", text_count, dimensions);
    for (size_t i = 0; i < text_count; i++) {
        for (size_t j = 0; j < text_count; j++) {
            float similarity = 0;
            for (size_t d = 0; d < dimensions; d++)
                similarity += vectors[i * dimensions + d] * vectors[j * dimensions + d];
            printf(" %6.3f", similarity);
        }
        printf("  %s\n", texts[i]);
    }

    free(vectors);
    nestling_session_release(session);
    nestling_model_release(model);
    return 0;
}
