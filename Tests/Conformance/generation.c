/* generation.c: generating: what is generated, in any company; callbacks; what is remembered; refusals. */
#include "conformance.h"

#include <math.h>

enum { VOCABULARY = 61, CONTEXT = 80, MOST = 128 };

typedef struct {
    int32_t tokens[MOST];
    size_t count, pieces;
    uint32_t finish;
    nestling_status status;
    uint64_t request;
    size_t stop_after; /* pieces; 0: never */
    double log_probability;
    size_t leading;
} heard;

static int hear(uint64_t request, const nestling_generated *piece, void *user_data) {
    heard *to = user_data;
    CHECK(piece->struct_size == sizeof *piece);
    CHECK(piece->text != NULL && piece->text[piece->text_length] == 0 && piece->message != NULL);
    CHECK(to->finish == NESTLING_FINISH_NONE);
    to->request = request;
    to->pieces++;
    if (piece->token >= 0 && to->count < MOST) to->tokens[to->count++] = piece->token;
    if (piece->token >= 0) to->log_probability += piece->log_probability;
    to->leading = piece->leading_count;
    to->finish = piece->finish;
    to->status = piece->status;
    return to->stop_after != 0 && to->pieces >= to->stop_after;
}

static nestling_generation_options options_for(heard *to, uint32_t tokens) {
    nestling_generation_options options = NESTLING_GENERATION_OPTIONS_INIT;
    options.max_new_tokens = tokens;
    options.temperature = -1;
    options.ignore_end_of_text = 1;
    options.generated = hear;
    options.user_data = to;
    memset(to, 0, sizeof *to);
    return options;
}

static void run(nestling_generator *generator) {
    size_t remaining = 1;
    for (int steps = 0; remaining > 0 && steps < 1000; steps++)
        if (!OK(nestling_generator_step(generator, NULL, NULL, &remaining))) return;
    CHECK(remaining == 0);
}

static int same(const heard *a, const heard *b) {
    return a->count == b->count && memcmp(a->tokens, b->tokens, a->count * sizeof *a->tokens) == 0;
}

static const int32_t prompt[] = {5, 17, 3, 50, 41, 8, 8, 12};

static void what_is_generated(const nestling_model *model, nestling_generator *generator) {
    /* The greatest score of the whole text, again and again. */
    nestling_session *session = NULL;
    REQUIRE(nestling_session_create(model, NULL, &session));
    int32_t text[COUNT(prompt) + 20];
    memcpy(text, prompt, sizeof prompt);
    for (size_t length = COUNT(prompt); length < COUNT(text); length++) {
        float scores[(COUNT(prompt) + 20) * VOCABULARY];
        size_t count = COUNT(scores), offsets[] = {0, length};
        REQUIRE(nestling_session_logits(session, text, offsets, 1, NULL, scores, &count, NULL));
        const float *last = scores + (length - 1) * VOCABULARY;
        int32_t best = 0;
        for (int32_t token = 1; token < VOCABULARY; token++)
            if (last[token] > last[best]) best = token;
        text[length] = best;
    }
    heard alone;
    nestling_generation_options options = options_for(&alone, 20);
    uint64_t request = 0;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, &request));
    run(generator);
    CHECK(request != 0 && alone.request == request);
    CHECK(alone.finish == NESTLING_FINISH_LENGTH && alone.count == 20);
    CHECK(memcmp(alone.tokens, text + COUNT(prompt), 20 * sizeof *text) == 0);

    /* In company, with drafts, with what is remembered, sampled twice. */
    nestling_model *draft = NULL;
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    spec.ffn_ratio = 0.5;
    REQUIRE(nestling_model_derive(model, &spec, &draft));
    heard company[6];
    for (size_t index = 0; index < COUNT(company); index++) {
        options = options_for(company + index, 20);
        if (index == 1) options.draft = draft;
        if (index == 2) options.lookup_tokens = 3;
        if (index == 3) options.draft = model, options.draft_tokens = 9;
        if (index >= 4) options.temperature = 1, options.seed = 7, options.top_k = 40, options.top_p = 0.95f;
        REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    }
    run(generator);
    for (size_t index = 0; index < 4; index++) CHECK(same(company + index, &alone));
    CHECK(same(company + 4, company + 5) && !same(company + 4, &alone));
    nestling_model_release(draft);

    /* Log-probabilities agree with scoring. */
    heard logarithms;
    options = options_for(&logarithms, 20);
    options.log_probabilities = 3;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    double scored[COUNT(text)], sum = 0;
    size_t count = COUNT(scored), offsets[] = {0, COUNT(text)};
    REQUIRE(nestling_generator_score(generator, text, offsets, 1, NULL, NULL, scored, &count));
    CHECK(count == COUNT(text) && scored[0] == 0);
    for (size_t index = COUNT(prompt); index < COUNT(text); index++) sum += scored[index];
    CHECK_AS(fabs(sum - logarithms.log_probability) < 1e-3, "%f scored, %f generated", sum, logarithms.log_probability);
    CHECK(logarithms.leading == 0); /* of the last piece, which has no token */
    count = 1;
    REFUSED(TOO_SMALL, "", nestling_generator_score(generator, text, offsets, 1, NULL, NULL, scored, &count));
    CHECK(count == COUNT(text));
    nestling_session_release(session);
}

static int odd_tokens(uint64_t request, const int32_t *generated, size_t count, float *scores, size_t vocabulary, void *user_data) {
    (void)request;
    (void)user_data;
    CHECK(vocabulary == VOCABULARY && (count == 0 || generated != NULL));
    for (size_t token = 0; token < vocabulary; token += 2) scores[token] = -INFINITY;
    return 0;
}

static int refuse(uint64_t request, const int32_t *generated, size_t count, float *scores, size_t vocabulary, void *user_data) {
    (void)request;
    (void)generated;
    (void)scores;
    (void)vocabulary;
    (void)user_data;
    return count == 3;
}

static int stop_second_layer(const char *stage, uint64_t done, uint64_t total, void *user_data) {
    (void)stage;
    (void)total;
    (void)user_data;
    return done == 1;
}

static void callbacks(nestling_generator *generator) {
    heard text;
    nestling_generation_options options = options_for(&text, 20);
    options.constrain = odd_tokens;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    CHECK(text.count == 20);
    for (size_t index = 0; index < text.count; index++) CHECK(text.tokens[index] % 2 == 1);

    options = options_for(&text, 20);
    options.constrain = refuse;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    CHECK(text.count == 3 && text.finish == NESTLING_FINISH_FAILED && text.status == CANCELLED);

    options = options_for(&text, 20);
    text.stop_after = 4;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    CHECK(text.count == 4 && text.finish == NESTLING_FINISH_NONE);

    /* A step that is cancelled can be tried again. */
    heard whole, tried;
    options = options_for(&whole, 20);
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    options = options_for(&tried, 20);
    uint64_t request = 0;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, &request));
    REFUSED(CANCELLED, "", nestling_generator_step(generator, stop_second_layer, NULL, NULL));
    run(generator);
    CHECK(same(&whole, &tried));
    REFUSED(MISSING, "running", nestling_generator_cancel(generator, request));
    options = options_for(&tried, 20);
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, &request));
    OK(nestling_generator_step(generator, NULL, NULL, NULL));
    OK(nestling_generator_cancel(generator, request));
    run(generator);
    CHECK(tried.pieces == 1);

    options = options_for(&text, 0);
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    CHECK(text.finish == NESTLING_FINISH_CONTEXT && text.count == CONTEXT - COUNT(prompt) + 1);
    int32_t stop = whole.tokens[5];
    options = options_for(&text, 20);
    options.stop_tokens = &stop;
    options.stop_token_count = 1;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL));
    run(generator);
    CHECK(text.finish == NESTLING_FINISH_STOP_TOKEN && text.count <= 6 && text.tokens[text.count - 1] == stop);
}

static void what_is_remembered(const nestling_model *model, nestling_generator *generator) {
    heard first, second;
    nestling_generation_options options = options_for(&first, 30);
    uint64_t request = 0;
    REQUIRE(nestling_generator_add(generator, prompt, COUNT(prompt), &options, &request));
    nestling_sequence *sequence = NULL, *restored = NULL;
    REFUSED(MISSING, "running", nestling_generator_get_sequence(generator, request, &sequence));
    for (int step = 0; step < 10; step++) OK(nestling_generator_step(generator, NULL, NULL, NULL));
    REQUIRE(nestling_generator_get_sequence(generator, request, &sequence));
    CHECK(nestling_sequence_tokens(sequence) == COUNT(prompt) + 9 && nestling_sequence_tokens(NULL) == 0);
    size_t size = 0;
    REQUIRE(nestling_sequence_save(sequence, NULL, &size));
    unsigned char *bytes = malloc(size);
    if (bytes == NULL) exit(2);
    size_t small = size - 1;
    REFUSED(TOO_SMALL, "", nestling_sequence_save(sequence, bytes, &small));
    REQUIRE(nestling_sequence_save(sequence, bytes, &size));
    run(generator);

    /* A new generator goes on with what the other one remembered. */
    nestling_generator *other = NULL;
    REQUIRE(nestling_generator_create(model, NULL, &other));
    REQUIRE(nestling_generator_restore(other, bytes, size, &restored));
    int32_t text[COUNT(prompt) + 30];
    memcpy(text, prompt, sizeof prompt);
    memcpy(text + COUNT(prompt), first.tokens, 10 * sizeof *text);
    options = options_for(&second, 20);
    options.prefix = restored;
    REQUIRE(nestling_generator_add(other, text, COUNT(prompt) + 10, &options, NULL));
    run(other);
    CHECK(second.count == 20 && memcmp(second.tokens, first.tokens + 10, 20 * sizeof *text) == 0);
    char description[1024];
    size_t count = sizeof description;
    REQUIRE(nestling_generator_describe(other, description, &count));
    CHECK_AS(strstr(description, "\"shared_tokens\":17") != NULL, "%s", description);

    nestling_sequence *none = UNTOUCHED;
    for (size_t cut = 0; cut < size; cut += 1 + size / 50)
        REFUSED(CORRUPT, "", nestling_generator_restore(other, bytes, cut, &none));
    for (size_t place = 0; place < 120 && place < size; place++) {
        unsigned char kept = bytes[place];
        bytes[place] ^= 0x41;
        nestling_sequence *changed = NULL;
        if (nestling_generator_restore(other, bytes, size, &changed) == NESTLING_OK) nestling_sequence_release(changed);
        bytes[place] = kept;
    }
    REFUSED(INVALID, "data", nestling_generator_restore(other, NULL, size, &none));
    CHECK(none == UNTOUCHED);
    free(bytes);
    nestling_generator_release(other);
    nestling_sequence_release(sequence);
    nestling_sequence_release(restored);
    nestling_sequence_release(NULL);
}

static void refusals(const nestling_model *model, nestling_generator *generator, const char *encoder_path) {
    heard text;
    nestling_generation_options options = options_for(&text, 5);
    uint64_t request = 0;
    REFUSED(INVALID, "generator", nestling_generator_add(NULL, prompt, 1, &options, NULL));
    REFUSED(INVALID, "token_ids", nestling_generator_add(generator, NULL, 1, &options, NULL));
    REFUSED(INVALID, "empty", nestling_generator_add(generator, prompt, 0, &options, NULL));
    REFUSED(INVALID, "generated", nestling_generator_add(generator, prompt, 1, NULL, NULL));
    REFUSED(INVALID, "count", nestling_generator_add(generator, prompt, SIZE_MAX, &options, NULL));
    int32_t wrong[] = {3, VOCABULARY};
    REFUSED(INVALID, "61", nestling_generator_add(generator, wrong, 2, &options, NULL));
    wrong[1] = -1;
    REFUSED(INVALID, "-1", nestling_generator_add(generator, wrong, 2, &options, NULL));
    int32_t long_prompt[CONTEXT + 1] = {0};
    REFUSED(INVALID, "context", nestling_generator_add(generator, long_prompt, CONTEXT + 1, &options, &request));
    OK(nestling_generator_add(generator, long_prompt, CONTEXT, &options, &request));
    run(generator);
    CHECK(text.count == 1 && text.finish == NESTLING_FINISH_CONTEXT);
    REFUSED(MISSING, "tokenizer", nestling_generator_add_text(generator, "text", 4, &options, NULL));

#define WITH(change, culprit)                                                                        \
    do {                                                                                             \
        options = options_for(&text, 5);                                                             \
        change;                                                                                      \
        REFUSED(ANY, culprit, nestling_generator_add(generator, prompt, COUNT(prompt), &options, NULL)); \
    } while (0)
    const char *strings[] = {"stop"};
    WITH(options.struct_size = 2, "struct_size");
    WITH(options.generated = NULL, "generated");
    WITH(options.temperature = -2, "temperature");
    WITH(options.temperature = NAN, "temperature");
    WITH(options.top_p = 1.5f, "top_p");
    WITH(options.top_p = -1, "top_p");
    WITH(options.min_p = 2, "min_p");
    WITH(options.repetition_penalty = -1, "repetition_penalty");
    WITH(options.presence_penalty = INFINITY, "presence_penalty");
    WITH(options.log_probabilities = -2, "log_probabilities");
    WITH(options.log_probabilities = VOCABULARY + 1, "log-probabilities");
    WITH(options.bias_count = 1, "bias_tokens");
    WITH((options.bias_tokens = prompt, options.bias_count = 1), "biases");
    WITH((options.stop_tokens = prompt, options.stop_token_count = 0), "stop_tokens");
    WITH(options.stop_string_count = 1, "stop_strings");
    WITH((options.stop_strings = strings, options.stop_string_count = 1), "tokenizer");
    WITH(options.ignore_end_of_text = 5, "ignore_end_of_text");
    WITH((options.lookup_tokens = 2, options.draft_tokens = 100000), "draft");
    WITH((options.draft = model, options.lookup_tokens = 2), "draft");
    nestling_model *same_again = NULL;
    nestling_model *encoder = NULL;
    REQUIRE(nestling_model_open(encoder_path, NULL, &encoder));
    WITH(options.draft = encoder, "weights");
    nestling_generator *none = UNTOUCHED;
    REFUSED(MISSING, "causal_lm", nestling_generator_create(encoder, NULL, &none));
    nestling_generator_options how = NESTLING_GENERATOR_OPTIONS_INIT;
    how.cache = 9;
    REFUSED(INVALID, "cache", nestling_generator_create(model, &how, &none));
    how.cache = 0;
    how.thread_count = -1;
    REFUSED(INVALID, "thread_count", nestling_generator_create(model, &how, &none));
    how.thread_count = 0;
    how.reserved = 1;
    REFUSED(UNSUPPORTED, "reserved", nestling_generator_create(model, &how, &none));
    REFUSED(INVALID, "model", nestling_generator_create(NULL, NULL, &none));
    REFUSED(INVALID, "out_generator", nestling_generator_create(model, NULL, NULL));
    CHECK(none == UNTOUCHED && same_again == NULL);
    REFUSED(INVALID, "generator", nestling_generator_step(NULL, NULL, NULL, NULL));
    REFUSED(INVALID, "generator", nestling_generator_cancel(NULL, 1));
    REFUSED(MISSING, "running", nestling_generator_cancel(generator, UINT64_MAX));
    nestling_generator_release(NULL);
    nestling_model_release(encoder);

    /* Too little memory for one text: it fails, and the generator goes on. */
    how.reserved = 0;
    how.cache_limit = 1000;
    nestling_generator *narrow = NULL;
    REQUIRE(nestling_generator_create(model, &how, &narrow));
    options = options_for(&text, 5);
    OK(nestling_generator_add(narrow, prompt, COUNT(prompt), &options, NULL));
    run(narrow);
    CHECK(text.finish == NESTLING_FINISH_FAILED && text.status == NO_MEMORY);
    nestling_generator_release(narrow);
}

int main(int count, char **arguments) {
    char path[4096], encoder[4096];
    snprintf(path, sizeof path, "%s/gemma3/causal-lm", count > 1 ? arguments[1] : ".");
    snprintf(encoder, sizeof encoder, "%s/bert/base", count > 1 ? arguments[1] : ".");
    nestling_model *model = NULL;
    REQUIRE(nestling_model_open(path, NULL, &model));
    for (uint32_t cache = 0; cache <= NESTLING_CACHE_INT8; cache++) {
        nestling_generator_options options = NESTLING_GENERATOR_OPTIONS_INIT;
        options.cache = cache;
        nestling_generator *generator = NULL;
        REQUIRE(nestling_generator_create(model, &options, &generator));
        /* With rounded keys and values the greatest score may be another one. */
        if (cache <= NESTLING_CACHE_FLOAT32) what_is_generated(model, generator);
        callbacks(generator);
        if (cache == 0) what_is_remembered(model, generator);
        if (cache == 0) refusals(model, generator, encoder);
        nestling_generator_release(generator);
    }
    nestling_model_release(model);
    return finish();
}
