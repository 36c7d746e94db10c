/* Two texts at once, as they come: one greedy with a nested draft, one sampled.
 *
 *     07_generate CHECKPOINT [prompt]
 */
#include <nestling.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(nestling_status status, const char *what) {
    if (status == NESTLING_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nestling_status_name(status), nestling_last_error_message());
    exit(1);
}

/* Hears each piece of a text: whole characters. What it returns other than 0 ends the text. */
static int hear(uint64_t request, const nestling_generated *piece, void *user_data) {
    char *text = user_data;
    if (piece->finish == NESTLING_FINISH_FAILED) fprintf(stderr, "text %d: %s\n", (int)request, piece->message);
    if (strlen(text) + piece->text_length < 1000) strcat(text, piece->text);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s CHECKPOINT [prompt]\n", argv[0]);
        return 2;
    }
    const char *prompt = argc > 2 ? argv[2] : "def read(self, ";
    nestling_model *model = NULL, *draft = NULL;
    check(nestling_model_open(argv[1], NULL, &model), "open");
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    spec.ffn_ratio = 0.25; /* the same weights: nothing is copied */
    check(nestling_model_derive(model, &spec, &draft), "derive");

    nestling_generator *generator = NULL;
    check(nestling_generator_create(model, NULL, &generator), "create");
    char texts[2][1024] = {"", ""};
    for (int text = 0; text < 2; text++) {
        nestling_generation_options options = NESTLING_GENERATION_OPTIONS_INIT;
        options.max_new_tokens = 80;
        options.generated = hear;
        options.user_data = texts[text];
        if (text == 0) {
            options.temperature = -1; /* greedy */
            options.draft = draft;
        } else {
            options.temperature = 0.7f;
            options.top_p = 0.95f;
            options.seed = 7;
        }
        check(nestling_generator_add_text(generator, prompt, strlen(prompt), &options, NULL), "add");
    }
    size_t remaining = 0;
    do {
        check(nestling_generator_step(generator, NULL, NULL, &remaining), "step");
    } while (remaining > 0);

    char counts[1024];
    size_t size = sizeof counts;
    check(nestling_generator_describe(generator, counts, &size), "describe");
    printf("greedy:  %s%s\nsampled: %s%s\n%s\n", prompt, texts[0], prompt, texts[1], counts);
    nestling_generator_release(generator); /* any order */
    nestling_model_release(draft);
    nestling_model_release(model);
    return 0;
}
