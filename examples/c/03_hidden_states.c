/* Token ids in, hidden states out: two sequences of different length, back to back, without padding.
 *
 *     03_hidden_states CHECKPOINT [layer]
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
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s CHECKPOINT [layer]\n", argv[0]);
        return 2;
    }
    nestling_model *model = NULL;
    check(nestling_model_open(argv[1], NULL, &model), "open");
    nestling_model_info info = {.struct_size = sizeof info};
    check(nestling_model_get_info(model, &info), "get info");
    nestling_session *session = NULL;
    check(nestling_session_create(model, NULL, &session), "create a session");

    /* Sequence 0 has the tokens 0 ..< 5, sequence 1 the tokens 5 ..< 8. Any ids below info.vocabulary_size will do. */
    enum { SEQUENCES = 2, TOKENS = 8 };
    const size_t offsets[SEQUENCES + 1] = {0, 5, TOKENS};
    int32_t ids[TOKENS];
    for (int i = 0; i < TOKENS; i++) ids[i] = (int32_t)((uint32_t)(7 * i + 1) % info.vocabulary_size);

    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    options.layer = argc > 2 ? atoi(argv[2]) : 0; /* 0: the last hidden state */

    size_t count = (size_t)TOKENS * info.hidden_size; /* capacity in, elements written out */
    size_t rows[SEQUENCES + 1];
    float *states = malloc(count * sizeof *states);
    if (states == NULL) return 1;
    check(nestling_session_hidden_states(session, ids, offsets, SEQUENCES, &options, states, &count, rows),
          "hidden states");

    printf("%u layers, hidden size %u, %zu floats\n", (unsigned)info.layers, (unsigned)info.hidden_size, count);
    for (size_t sequence = 0; sequence < SEQUENCES; sequence++)
        for (size_t row = rows[sequence]; row < rows[sequence + 1]; row++) {
            const float *state = states + row * info.hidden_size;
            printf("sequence %zu, token %4d:", sequence, (int)ids[row]);
            for (size_t d = 0; d < 4 && d < info.hidden_size; d++) printf(" %9.5f", state[d]);
            printf(" ...\n");
        }

    /* With token merging the network runs on fewer rows; the offsets say how many are left of each sequence. */
    options.reduction = "{\"method\": \"tome\", \"r\": 1}";
    count = (size_t)TOKENS * info.hidden_size;
    check(nestling_session_hidden_states(session, ids, offsets, SEQUENCES, &options, states, &count, rows),
          "merged states");
    printf("with token merging: %zu and %zu rows\n", rows[1] - rows[0], rows[2] - rows[1]);

    free(states);
    nestling_session_release(session);
    nestling_model_release(model);
    return 0;
}
