/* Sessions: NULL and out-of-range arguments, batches that cannot be, ids past the tables, invalid texts. */
#include "conformance.h"

enum { TOKENS = 12, SEQUENCES = 3 };
static const size_t offsets[SEQUENCES + 1] = {0, 5, 6, TOKENS};
static int32_t ids[TOKENS];
static float numbers[TOKENS * 205];
static size_t rows[SEQUENCES + 1];

static void creating(nestling_model *model) {
    nestling_session *session = UNTOUCHED;
    uint64_t bytes = 77;
    REFUSED(INVALID, "model", nestling_session_create(NULL, NULL, &session));
    REFUSED(INVALID, "out_session", nestling_session_create(model, NULL, NULL));
    REFUSED(INVALID, "model", nestling_session_estimate(NULL, NULL, 10, &bytes));
    REFUSED(INVALID, "out_bytes", nestling_session_estimate(model, NULL, 10, NULL));
    nestling_session_options options = NESTLING_SESSION_OPTIONS_INIT;
    for (uint32_t size = 0; size < 2; size++) {
        options.struct_size = size;
        REFUSED(INVALID, "struct_size", nestling_session_create(model, &options, &session));
        REFUSED(INVALID, "struct_size", nestling_session_estimate(model, &options, 10, &bytes));
    }
    options = (nestling_session_options)NESTLING_SESSION_OPTIONS_INIT;
    static const int32_t counts[] = {-1, 1025, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < COUNT(counts); i++) {
        options.thread_count = counts[i];
        REFUSED(INVALID, "thread_count", nestling_session_create(model, &options, &session));
    }
    options.thread_count = 0;
    options.reserved = 1;
    if (!REFUSED(ANY, "reserved", nestling_session_create(model, &options, &session))) {
        nestling_session_release(session);
        session = UNTOUCHED;
    }
    struct {
        nestling_session_options known;
        uint64_t newer;
    } newer = {.known = NESTLING_SESSION_OPTIONS_INIT, .newer = 1};
    newer.known.struct_size = sizeof newer;
    REFUSED(UNSUPPORTED, "struct_size|options", nestling_session_create(model, &newer.known, &session));
    CHECK(session == UNTOUCHED && bytes == 77);

    /* More tokens never need less; the largest number that can be asked for does not overflow. */
    uint64_t before = 0;
    static const uint32_t tokens[] = {1, 2, 17, 128, 4096, 65536, 1u << 24, UINT32_MAX};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        nestling_status status = nestling_session_estimate(model, NULL, tokens[i], &bytes);
        if (status == NESTLING_OK) CHECK_AS(bytes >= before && bytes > 0, "%u tokens need %llu bytes", (unsigned)tokens[i], (unsigned long long)bytes);
        else CHECK_AS(status == INVALID || status == NO_MEMORY, "%u tokens: %s", (unsigned)tokens[i], nestling_status_name(status));
        before = bytes;
    }
    uint64_t by_default = 0, by_number = 0;
    OK(nestling_session_estimate(model, NULL, 0, &by_default));
    OK(nestling_session_estimate(model, NULL, 4096, &by_number));
    CHECK(by_default == by_number);
    options = (nestling_session_options)NESTLING_SESSION_OPTIONS_INIT;
    options.slice_tokens = UINT32_MAX;
    if (nestling_session_create(model, &options, &session) == NESTLING_OK) {
        size_t count = COUNT(numbers);
        OK(nestling_session_encode(session, ids, offsets, SEQUENCES, NULL, numbers, &count));
        nestling_session_release(session);
    }
}

/* The three functions that take ids, as one. */
typedef enum { ENCODE, STATES, LOGITS } action;
static nestling_status run(action what, nestling_session *session, const int32_t *token_ids, const size_t *where, size_t how_many,
                           const nestling_run_options *options, float *out, size_t *count) {
    switch (what) {
    case ENCODE: return nestling_session_encode(session, token_ids, where, how_many, options, out, count);
    case STATES: return nestling_session_hidden_states(session, token_ids, where, how_many, options, out, count, rows);
    default: return nestling_session_logits(session, token_ids, where, how_many, options, out, count, rows);
    }
}

static void running(action what, nestling_session *session, nestling_model_info info) {
    size_t count = COUNT(numbers);
    numbers[0] = 77;
    rows[0] = rows[SEQUENCES] = 77;
    REFUSED(INVALID, "session", run(what, NULL, ids, offsets, SEQUENCES, NULL, numbers, &count));
    REFUSED(INVALID, "token_ids", run(what, session, NULL, offsets, SEQUENCES, NULL, numbers, &count));
    REFUSED(INVALID, "offsets", run(what, session, ids, NULL, SEQUENCES, NULL, numbers, &count));
    REFUSED(INVALID, "inout_count", run(what, session, ids, offsets, SEQUENCES, NULL, numbers, NULL));
    REFUSED(INVALID, "", run(what, NULL, NULL, NULL, 0, NULL, NULL, NULL));
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 8, (size_t)1 << 63, (size_t)1 << 61};
    for (size_t i = 0; i < COUNT(huge); i++)
        REFUSED(INVALID, "sequence_count", run(what, session, ids, offsets, huge[i], NULL, numbers, &count));

    static const struct {
        size_t offsets[4];
        const char *culprit;
    } wrong[] = {
        {{1, 5, 6, 12}, "offsets"},         {{0, 6, 5, 12}, "offsets|sequence 1"}, {{0, 5, 6, 5}, "offsets|sequence 1|sequence 2"},
        {{0, 0, 6, 12}, "sequence 0"},      {{0, 5, 5, 12}, "sequence 1"},         {{0, 5, 12, 12}, "sequence 2"},
        {{SIZE_MAX, 5, 6, 12}, "offsets"},  {{0, 5, 6, SIZE_MAX}, "sequence 2|offsets"},
        {{0, SIZE_MAX, 6, 12}, "offsets|sequence"},  {{0, 5, 6, (size_t)1 << 62}, "sequence 2|offsets"},
        {{0, 5, 6, SIZE_MAX / 2}, "sequence 2|offsets"},  {{SIZE_MAX - 2, SIZE_MAX - 1, 2, 3}, "offsets"}};
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (!REFUSED(INVALID, wrong[i].culprit, run(what, session, ids, wrong[i].offsets, SEQUENCES, NULL, numbers, &count)))
            printf("  (with offsets case %zu)\n", i);

    int32_t wrong_ids[TOKENS], types[TOKENS] = {0};
    const int32_t strange[] = {-1, INT32_MIN, (int32_t)info.vocabulary_size, INT32_MAX};
    for (size_t i = 0; i < COUNT(strange); i++)
        for (size_t at = 0; at < TOKENS; at += 5) {
            char culprit[32];
            snprintf(culprit, sizeof culprit, "sequence %d", at < 5 ? 0 : at < 6 ? 1 : 2);
            memcpy(wrong_ids, ids, sizeof ids);
            wrong_ids[at] = strange[i];
            REFUSED(INVALID, culprit, run(what, session, wrong_ids, offsets, SEQUENCES, NULL, numbers, &count));
        }
    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    options.token_type_ids = types;
    const int32_t strange_types[] = {-1, INT32_MIN, (int32_t)info.token_types, INT32_MAX};
    for (size_t i = 0; i < COUNT(strange_types); i++) {
        types[7] = strange_types[i];
        REFUSED(INVALID, "type", run(what, session, ids, offsets, SEQUENCES, &options, numbers, &count));
    }

    /* Longer than the positions reach. */
    size_t longer = info.maximum_tokens + 1;
    const size_t too_long[] = {0, longer};
    int32_t *many = calloc(longer, sizeof *many);
    if (many == NULL) exit(2);
    REFUSED(INVALID, "sequence 0", run(what, session, many, too_long, 1, NULL, numbers, &count));
    free(many);
    CHECK(count == COUNT(numbers) && numbers[0] == 77 && rows[0] == 77 && rows[SEQUENCES] == 77);

    options = (nestling_run_options)NESTLING_RUN_OPTIONS_INIT;
    for (uint32_t size = 0; size < 2; size++) {
        options.struct_size = size;
        REFUSED(INVALID, "struct_size", run(what, session, ids, offsets, SEQUENCES, &options, numbers, &count));
    }
    struct {
        nestling_run_options known;
        uint64_t newer;
    } newer = {.known = NESTLING_RUN_OPTIONS_INIT, .newer = 1};
    newer.known.struct_size = sizeof newer;
    REFUSED(UNSUPPORTED, "struct_size|options", run(what, session, ids, offsets, SEQUENCES, &newer.known, numbers, &count));
    options = (nestling_run_options)NESTLING_RUN_OPTIONS_INIT;
    options.reserved = 1;
    if (!REFUSED(ANY, "reserved", run(what, session, ids, offsets, SEQUENCES, &options, numbers, &count)))
        count = COUNT(numbers), numbers[0] = 77;
    CHECK(count == COUNT(numbers) && numbers[0] == 77);

    /* An empty batch is no harm: it needs nothing, or it is refused in words. */
    count = COUNT(numbers);
    nestling_status status = run(what, session, ids, offsets, 0, NULL, numbers, &count);
    CHECK_AS(status == NESTLING_OK ? count == 0 : status < 0 && *nestling_last_error_message(), "an empty batch: %s, %zu numbers",
             nestling_status_name(status), count);

    /* Sizes: asked for, one too few, exact, more than enough. */
    OK(run(what, session, ids, offsets, SEQUENCES, NULL, NULL, &count));
    size_t needed = count;
    CHECK(needed > 0 && needed < COUNT(numbers));
    static const size_t capacities[] = {0, 1, 2};
    for (size_t i = 0; i < COUNT(capacities); i++) {
        numbers[0] = 77;
        rows[1] = 77;
        count = i == 2 ? needed - 1 : capacities[i];
        REFUSED(TOO_SMALL, "", run(what, session, ids, offsets, SEQUENCES, NULL, numbers, &count));
        CHECK(count == needed && numbers[0] == 77);
        if (what != ENCODE) CHECK(rows[1] == 77);
    }
    numbers[needed] = 77;
    count = needed;
    OK(run(what, session, ids, offsets, SEQUENCES, NULL, numbers, &count));
    CHECK(count == needed && numbers[needed] == 77);
    count = SIZE_MAX;
    OK(run(what, session, ids, offsets, SEQUENCES, NULL, numbers, &count));
    CHECK(count == needed && numbers[needed] == 77);
}

static void settings(nestling_session *session, nestling_model_info info) {
    nestling_run_options options;
    size_t count = COUNT(numbers);
#define WITH(field, value) (options = (nestling_run_options)NESTLING_RUN_OPTIONS_INIT, options.field = (value), &options)
#define ENCODE_WITH(field, value) nestling_session_encode(session, ids, offsets, SEQUENCES, WITH(field, value), numbers, &count)
#define STATES_WITH(field, value) \
    nestling_session_hidden_states(session, ids, offsets, SEQUENCES, WITH(field, value), numbers, &count, NULL)
    REFUSED(INVALID, "pooling", ENCODE_WITH(pooling, 7));
    REFUSED(INVALID, "pooling", ENCODE_WITH(pooling, UINT32_MAX));
    REFUSED(INVALID, "normalize", ENCODE_WITH(normalize, 2));
    REFUSED(INVALID, "normalize", ENCODE_WITH(normalize, INT32_MIN));
    REFUSED(INVALID, "output_dimensions|output dimensions", ENCODE_WITH(output_dimensions, info.output_dimensions + 1));
    REFUSED(INVALID, "output_dimensions|output dimensions", ENCODE_WITH(output_dimensions, UINT32_MAX));
    REFUSED(INVALID, "layer", STATES_WITH(layer, (int32_t)info.layers + 1));
    REFUSED(INVALID, "layer", STATES_WITH(layer, -2));
    REFUSED(INVALID, "layer", STATES_WITH(layer, INT32_MIN));
    REFUSED(INVALID, "layer", STATES_WITH(layer, INT32_MAX));
    REFUSED(INVALID, "unmerge", STATES_WITH(unmerge, 2));
    REFUSED(INVALID, "unmerge", STATES_WITH(unmerge, INT32_MIN));
    nestling_status status =
        nestling_session_logits(session, ids, offsets, SEQUENCES, WITH(head, 99), numbers, &count, NULL);
    expect_refused(status, INVALID, "head", __FILE__, __LINE__, "logits with head 99");
    CHECK(count == COUNT(numbers));
    for (uint32_t head = 1; head <= NESTLING_HEAD_CAUSAL_LM; head++) {
        if (info.heads & (1u << head)) continue;
        status = nestling_session_logits(session, ids, offsets, SEQUENCES, WITH(head, head), numbers, &count, NULL);
        expect_refused(status, MISSING, "head", __FILE__, __LINE__, "logits with a head that is not there");
    }
    for (uint32_t pooling = 0; pooling <= NESTLING_POOLING_MEAN_SQRT_LENGTH; pooling++) {
        count = COUNT(numbers);
        OK(ENCODE_WITH(pooling, pooling));
        CHECK(count == (size_t)SEQUENCES * info.output_dimensions);
    }
    for (uint32_t dimensions = 1; dimensions <= info.output_dimensions; dimensions++) {
        count = COUNT(numbers);
        OK(ENCODE_WITH(output_dimensions, dimensions));
        CHECK(count == (size_t)SEQUENCES * dimensions);
    }
    for (int32_t layer = NESTLING_LAYER_EMBEDDINGS; layer <= (int32_t)info.layers; layer++) {
        count = COUNT(numbers);
        OK(STATES_WITH(layer, layer));
        CHECK(count == (size_t)TOKENS * info.hidden_size);
    }
    count = COUNT(numbers);

    /* What cannot be meant as a reduction. The message names the key, or the place in the JSON. */
    static const struct {
        const char *json;
        const char *culprit;
    } wrong[] = {
        {"", "reduction"},
        {"{", "reduction"},
        {"[]", "reduction"},
        {"null", "reduction"},
        {"\"tome\"", "reduction"},
        {"{\"method\": \"tome\", \"r\": 8} trailing", "reduction"},
        {"{\"method\": \"tome\", \"r\": 8,}", "reduction"},
        {"{\"method\": \"magic\", \"r\": 8}", "magic"},
        {"{\"method\": 3, \"r\": 8}", "method"},
        {"{\"r\": 8}", "method"},
        {"{}", "method"},
        {"{\"method\": \"tome\"}", "\"r\"|ratio"},
        {"{\"method\": \"tome\", \"r\": 8, \"ratio\": 0.5}", "ratio"},
        {"{\"method\": \"tome\", \"r\": -1}", "\"r\"|r "},
        {"{\"method\": \"tome\", \"r\": 1.5}", "\"r\"|r "},
        {"{\"method\": \"tome\", \"r\": 1e300}", "\"r\"|r "},
        {"{\"method\": \"tome\", \"r\": \"8\"}", "\"r\"|r "},
        {"{\"method\": \"tome\", \"r\": [1, -2]}", "\"r\"|r["},
        {"{\"method\": \"tome\", \"r\": [1, \"x\"]}", "\"r\"|r["},
        {"{\"method\": \"tome\", \"r\": [1], \"schedule\": \"decreasing\"}", "schedule"},
        {"{\"method\": \"tome\", \"ratio\": 0}", "ratio"},
        {"{\"method\": \"tome\", \"ratio\": -0.5}", "ratio"},
        {"{\"method\": \"tome\", \"ratio\": 1.5}", "ratio"},
        {"{\"method\": \"tome\", \"ratio\": \"half\"}", "ratio"},
        {"{\"method\": \"tome\", \"r\": 1, \"schedule\": \"sometimes\"}", "schedule"},
        {"{\"method\": \"tome\", \"r\": 1, \"schedule\": 4}", "schedule"},
        {"{\"method\": \"tome\", \"r\": 1, \"protect\": \"everything\"}", "protect"},
        {"{\"method\": \"tome\", \"r\": 1, \"proportional_attention\": \"yes\"}", "proportional_attention"},
        {"{\"method\": \"tome\", \"r\": 1, \"colour\": \"red\"}", "colour"},
        {"{\"method\": \"tome\", \"R\": 1}", "\"R\"|R "},
        {"{\"method\": \"tome\", \"r\": 1, \"x\xff\": 1}", "reduction"},
        {"{\"method\": \"tome\", \"r\": 1, \"\\ud800\": 1}", "reduction|ud800"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        static const action actions[] = {ENCODE, STATES};
        for (size_t a = 0; a < COUNT(actions); a++) {
            status = run(actions[a], session, ids, offsets, SEQUENCES, WITH(reduction, wrong[i].json), numbers, &count);
            expect_refused(status, INVALID, wrong[i].culprit, __FILE__, __LINE__, wrong[i].json);
        }
    }
    size_t depth = 1000000;
    char *nested = malloc(depth + 1);
    if (nested == NULL) exit(2);
    memset(nested, '[', depth);
    nested[depth] = 0;
    status = run(ENCODE, session, ids, offsets, SEQUENCES, WITH(reduction, nested), numbers, &count);
    expect_refused(status, INVALID, "", __FILE__, __LINE__, "a million open brackets");
    free(nested);
    CHECK(count == COUNT(numbers));

    static const char *const right[] = {
        "{\"method\": \"tome\", \"r\": 0}",
        "{\"method\": \"tome\", \"r\": 1}",
        "{\"method\": \"tome\", \"r\": 2147483647}",
        "{\"method\": \"tome\", \"r\": [2, 1, 1, 1, 1, 1]}",
        "{\"method\": \"tome\", \"r\": []}",
        "{\"method\": \"tome\", \"ratio\": 0.5, \"protect\": \"none\"}",
        "{\"method\": \"tome\", \"ratio\": 1}",
        "{\"method\": \"tome\", \"r\": 2, \"schedule\": \"increasing\", \"protect\": \"first\"}",
        "  {\"protect\": \"last\", \"proportional_attention\": false, \"method\": \"tome\", \"r\": 2}  "};
    for (size_t i = 0; i < COUNT(right); i++) {
        count = COUNT(numbers);
        status = run(STATES, session, ids, offsets, SEQUENCES, WITH(reduction, right[i]), numbers, &count);
        if (!expect_ok(status, __FILE__, __LINE__, right[i])) continue;
        CHECK(rows[0] == 0 && rows[SEQUENCES] * info.hidden_size == count && rows[SEQUENCES] <= TOKENS);
        for (size_t s = 0; s < SEQUENCES; s++) CHECK(rows[s + 1] > rows[s]);
        int32_t map[TOKENS];
        count = TOKENS;
        OK(nestling_session_token_map(session, 0, map, &count));
        CHECK(count == TOKENS);
        for (size_t s = 0; s < SEQUENCES; s++)
            for (size_t t = offsets[s]; t < offsets[s + 1]; t++)
                CHECK_AS(map[t] >= 0 && (size_t)map[t] < rows[s + 1] - rows[s], "%s: token %zu is part of row %d", right[i], t,
                         (int)map[t]);
        count = COUNT(numbers);
        options.unmerge = 1;
        OK(run(STATES, session, ids, offsets, SEQUENCES, &options, numbers, &count));
        CHECK(count == (size_t)TOKENS * info.hidden_size && memcmp(rows, offsets, sizeof rows) == 0);
    }
}

static void mapping(nestling_model *model) {
    nestling_session *session = NULL;
    REQUIRE(nestling_session_create(model, NULL, &session));
    int32_t map[TOKENS] = {77};
    size_t count = TOKENS;
    REFUSED(INVALID, "session", nestling_session_token_map(NULL, 0, map, &count));
    REFUSED(MISSING, "", nestling_session_token_map(session, 0, map, &count));
    REFUSED(INVALID, "inout_count", nestling_session_token_map(session, 0, map, NULL));
    CHECK(count == TOKENS && map[0] == 77);
    count = COUNT(numbers);
    OK(nestling_session_hidden_states(session, ids, offsets, SEQUENCES, NULL, numbers, &count, NULL));
    OK(nestling_session_token_map(session, 0, NULL, &count));
    CHECK(count == TOKENS);
    count = TOKENS - 1;
    REFUSED(TOO_SMALL, "", nestling_session_token_map(session, 0, map, &count));
    CHECK(count == TOKENS && map[0] == 77);
    REFUSED(INVALID, "layer", nestling_session_token_map(session, info_of(model).layers + 1, map, &count));
    REFUSED(INVALID, "layer", nestling_session_token_map(session, UINT32_MAX, map, &count));
    OK(nestling_session_token_map(session, 0, map, &count));
    for (size_t s = 0; s < SEQUENCES; s++)
        for (size_t t = offsets[s]; t < offsets[s + 1]; t++) CHECK((size_t)map[t] == t - offsets[s]);
    nestling_session_release(session);
}

static void texts(nestling_session *session, nestling_model_info info, const char *checkpoint) {
    static const char *const good[] = {"A nest.", "", "Another, longer one: \xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xa3"};
    size_t count = COUNT(numbers), lengths[] = {7, 0, 3};
    numbers[0] = 77;
    REFUSED(INVALID, "session", nestling_session_encode_texts(NULL, good, NULL, 3, NULL, numbers, &count));
    REFUSED(INVALID, "texts", nestling_session_encode_texts(session, NULL, NULL, 3, NULL, numbers, &count));
    REFUSED(INVALID, "inout_count", nestling_session_encode_texts(session, good, NULL, 3, NULL, numbers, NULL));
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX / 8, (size_t)1 << 63, (size_t)1 << 61};
    for (size_t i = 0; i < COUNT(huge); i++) {
        REFUSED(INVALID, "sequence_count", nestling_session_encode_texts(session, good, NULL, huge[i], NULL, numbers, &count));
        if (huge[i] < SIZE_MAX / 2) continue;
        lengths[2] = huge[i];
        REFUSED(INVALID, "text 2|texts[2]|lengths[2]", nestling_session_encode_texts(session, good, lengths, 3, NULL, numbers, &count));
    }
    const char *with_null[] = {"a", NULL, "b"};
    REFUSED(INVALID, "text 1|texts[1]", nestling_session_encode_texts(session, with_null, NULL, 3, NULL, numbers, &count));
    REFUSED(INVALID, "text 1|texts[1]", nestling_session_encode_texts(session, with_null, (size_t[]){1, 1, 1}, 3, NULL, numbers, &count));
    const char *with_invalid[] = {"fine", "fine", "not \xc3\x28 fine"};
    REFUSED(INVALID, "text 2|texts[2]", nestling_session_encode_texts(session, with_invalid, NULL, 3, NULL, numbers, &count));
    REFUSED(INVALID, "4", nestling_session_encode_texts(session, with_invalid, NULL, 3, NULL, numbers, &count));

    nestling_run_options options;
    REFUSED(ANY, "no such prompt", nestling_session_encode_texts(session, good, NULL, 3, WITH(prompt_name, "no such prompt"), numbers, &count));
    REFUSED(INVALID, "prompt", nestling_session_encode_texts(session, good, NULL, 3, WITH(prompt, "\xff"), numbers, &count));
    options = (nestling_run_options)NESTLING_RUN_OPTIONS_INIT;
    options.prompt = "a";
    options.prompt_name = "query";
    REFUSED(INVALID, "prompt", nestling_session_encode_texts(session, good, NULL, 3, &options, numbers, &count));
    static const int32_t types[64] = {0};
    REFUSED(INVALID, "token_type_ids", nestling_session_encode_texts(session, good, NULL, 3, WITH(token_type_ids, types), numbers, &count));
    CHECK(count == COUNT(numbers) && numbers[0] == 77);

    OK(nestling_session_encode_texts(session, good, NULL, 3, NULL, NULL, &count));
    CHECK(count == 3u * info.output_dimensions);
    count = SIZE_MAX;
    OK(nestling_session_encode_texts(session, good, NULL, 3, NULL, numbers, &count));
    CHECK(count == 3u * info.output_dimensions);
    OK(nestling_session_encode_texts(session, good, NULL, 3, WITH(prompt, ""), numbers, &count));
    OK(nestling_session_encode_texts(session, good, NULL, 3, WITH(prompt_name, "query"), numbers, &count));
    lengths[2] = 3;
    float other[512];
    count = COUNT(other);
    OK(nestling_session_encode_texts(session, good, lengths, 1, NULL, other, &count));
    count = COUNT(numbers);
    OK(nestling_session_encode_texts(session, good, NULL, 1, NULL, numbers, &count));
    CHECK(memcmp(other, numbers, info.output_dimensions * sizeof(float)) == 0);

    /* A very long text is cut, not refused; one with NUL characters inside is a text. */
    size_t size = 200000;
    char *text = malloc(size);
    if (text == NULL) exit(2);
    for (size_t i = 0; i < size; i++) text[i] = i % 6 ? "nestling"[i % 8] : i % 60 ? ' ' : '\0';
    const char *one[] = {text};
    count = COUNT(numbers);
    OK(nestling_session_encode_texts(session, one, &size, 1, NULL, numbers, &count));
    free(text);

    /* Without a tokenizer there are only ids. */
    char folder[64];
    copy_checkpoint(checkpoint, folder);
    remove(path_in(folder, "tokenizer.json"));
    remove(path_in(folder, "vocab.txt"));
    nestling_model *mute = NULL;
    nestling_session *mute_session = NULL;
    if (OK(nestling_model_open(folder, NULL, &mute)) && OK(nestling_session_create(mute, NULL, &mute_session))) {
        count = COUNT(numbers);
        REFUSED(MISSING, "tokenizer", nestling_session_encode_texts(mute_session, good, NULL, 3, NULL, numbers, &count));
        OK(nestling_session_encode(mute_session, ids, offsets, SEQUENCES, NULL, numbers, &count));
        nestling_session_release(mute_session);
    }
    nestling_model_release(mute);
    remove_folder(folder);
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    nestling_model *model = NULL;
    nestling_session *session = NULL;
    REQUIRE(nestling_model_open(checkpoint, NULL, &model));
    nestling_model_info info = info_of(model);
    fill_ids(ids, TOKENS, info.vocabulary_size, 1);
    creating(model);
    REQUIRE(nestling_session_create(model, NULL, &session));
    running(ENCODE, session, info);
    running(STATES, session, info);
    settings(session, info);
    mapping(model);
    texts(session, info, checkpoint);
    nestling_session_release(session);
    nestling_model_release(model);

    /* The heads have a checkpoint of their own. */
    static const char *const kinds[] = {"masked-lm", "sequence-classification", "token-classification", "question-answering"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char name[64];
        snprintf(name, sizeof name, "bert/%s", kinds[i]);
        model = NULL, session = NULL;
        if (!OK(nestling_model_open(path_in(argv[1], name), NULL, &model))) continue;
        info = info_of(model);
        fill_ids(ids, TOKENS, info.vocabulary_size, 2);
        if (OK(nestling_session_create(model, NULL, &session))) running(LOGITS, session, info);
        nestling_session_release(session);
        nestling_model_release(model);
    }
    return finish();
}
