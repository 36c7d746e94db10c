/* Batches of texts and of token ids: NULL and out-of-range arguments, sizes, files in memory, descriptions. */
#include "conformance.h"

enum { TEXTS = 4 };
static const char *const texts[TEXTS] = {"A nest of sentences.", "", "another", "the third one, longer than the others"};
static const char *const seconds[TEXTS] = {"a second", NULL, "", "and its second text"};

typedef nestling_encodings_content contents;

static contents content_of(const nestling_encodings *encodings) {
    contents content = NESTLING_ENCODINGS_CONTENT_INIT;
    OK(nestling_encodings_get_content(encodings, &content));
    return content;
}

static int32_t refuse(const char *stage, uint64_t done, uint64_t total, void *user_data) {
    CHECK(stage != NULL && strcmp(stage, "tokenize") == 0 && done <= total);
    ++*(int *)user_data;
    return 1;
}

static void pointers(nestling_tokenizer *tokenizer) {
    nestling_encodings *encodings = UNTOUCHED;
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_encode_batch(NULL, texts, NULL, NULL, NULL, TEXTS, NULL, &encodings));
    REFUSED(INVALID, "out_encodings", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, NULL, NULL));
    REFUSED(INVALID, "texts", nestling_tokenizer_encode_batch(tokenizer, NULL, NULL, NULL, NULL, TEXTS, NULL, &encodings));
    REFUSED(INVALID, "texts[2]", nestling_tokenizer_encode_batch(tokenizer, (const char *const[]){"a", "b", NULL, "d"}, NULL,
                                                                 NULL, NULL, TEXTS, NULL, &encodings));
    static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 31, (size_t)1 << 63};
    for (size_t i = 0; i < COUNT(counts); i++)
        REFUSED(INVALID, "text_count",
                nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, counts[i], NULL, &encodings));
    size_t lengths[TEXTS] = {1, 0, SIZE_MAX, 1};
    REFUSED(INVALID, "lengths[2]", nestling_tokenizer_encode_batch(tokenizer, texts, lengths, NULL, NULL, TEXTS, NULL, &encodings));
    REFUSED(INVALID, "second_lengths[2]",
            nestling_tokenizer_encode_batch(tokenizer, texts, NULL, texts, lengths, TEXTS, NULL, &encodings));
    lengths[2] = 1;
    REFUSED(INVALID, "second_texts", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, lengths, TEXTS, NULL, &encodings));
    lengths[1] = 1;
    REFUSED(INVALID, "second_texts[1]",
            nestling_tokenizer_encode_batch(tokenizer, texts, NULL, seconds, lengths, TEXTS, NULL, &encodings));
    static const char *const bad[] = {"good", "good too", "bad \xff", "worse \xc0\xaf"};
    REFUSED(INVALID, "text 2", nestling_tokenizer_encode_batch(tokenizer, bad, NULL, NULL, NULL, 4, NULL, &encodings));
    CHECK(strstr(nestling_last_error_message(), "byte 4") != NULL);
    REFUSED(INVALID, "text 2", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, bad, NULL, 4, NULL, &encodings));
    CHECK(encodings == UNTOUCHED);

    /* Nothing at all is a batch too. */
    if (OK(nestling_tokenizer_encode_batch(tokenizer, NULL, NULL, NULL, NULL, 0, NULL, &encodings))) {
        contents content = content_of(encodings);
        CHECK(content.text_count == 0 && content.encoding_count == 0 && content.token_count == 0);
        CHECK(content.parts != NULL && content.parts[0] == 0 && content.offsets != NULL && content.offsets[0] == 0);
        nestling_encodings_release(encodings);
    }
    CHECK(nestling_encodings_retain(NULL) == NULL);
    nestling_encodings_release(NULL);
}

static void options_of_batches(nestling_tokenizer *tokenizer) {
    nestling_encodings *encodings = UNTOUCHED;
    nestling_tokenize_options options;
#define BAD(status, culprits, field, value)                                                                                   \
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;                                                      \
    options.field = value;                                                                                                    \
    REFUSED(status, culprits, nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings))
    BAD(INVALID, "struct_size", struct_size, 0);
    BAD(INVALID, "struct_size", struct_size, 3);
    BAD(INVALID, "struct_size", struct_size, UINT32_MAX);
    BAD(INVALID, "special_tokens", special_tokens, 2);
    BAD(INVALID, "special_tokens", special_tokens, INT32_MIN);
    BAD(INVALID, "second_text", second_text, "second");
    BAD(INVALID, "second_text", second_length, 5);
    BAD(INVALID, "truncation", truncation, 3);
    BAD(INVALID, "truncation", truncation, -1);
    BAD(INVALID, "truncation_side", truncation_side, 2);
    BAD(INVALID, "truncation_side", truncation_side, -1);
    BAD(INVALID, "overflowing", overflowing, 2);
    BAD(INVALID, "details", details, 3);
    BAD(INVALID, "details", details, -1);
    BAD(INVALID, "threads", threads, 1025);
    BAD(INVALID, "threads", threads, UINT32_MAX);
    BAD(UNSUPPORTED, "reserved", reserved, 1);
    BAD(INVALID, "text 0", maximum_tokens, 1); /* the special tokens alone are more */
#undef BAD
    struct {
        nestling_tokenize_options known;
        char unknown[8];
    } newer = {NESTLING_TOKENIZE_OPTIONS_INIT, {0}};
    newer.known.struct_size = sizeof newer;
    newer.unknown[7] = 1;
    REFUSED(UNSUPPORTED, "nestling_tokenize_options",
            nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &newer.known, &encodings));
    CHECK(encodings == UNTOUCHED);
    newer.unknown[7] = 0;
    if (OK(nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &newer.known, &encodings)))
        nestling_encodings_release(encodings);
    /* A program of an older header: what its struct does not have is not looked at. */
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;
    options.struct_size = offsetof(nestling_tokenize_options, truncation);
    options.truncation = options.details = 77;
    if (OK(nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings))) {
        CHECK(content_of(encodings).starts == NULL);
        nestling_encodings_release(encodings);
    }

    /* A stride must leave something new in every part. */
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;
    options.maximum_tokens = 5;
    options.stride = 3;
    encodings = UNTOUCHED;
    REFUSED(INVALID, "stride", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings));
    options.stride = UINT32_MAX;
    REFUSED(INVALID, "stride", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings));
    options.stride = 0;
    options.truncation = NESTLING_TRUNCATE_ONLY_SECOND;
    REFUSED(INVALID, "second", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings));

    /* Cancelled. */
    int calls = 0;
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;
    options.progress = refuse;
    options.user_data = &calls;
    REFUSED(CANCELLED, "", nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings));
    CHECK(calls == 1 && encodings == UNTOUCHED);

    /* One text alone has no use for these. */
    int32_t ids[64];
    size_t count = COUNT(ids);
    REFUSED(INVALID, "progress", nestling_tokenizer_encode(tokenizer, "text", 4, &options, ids, NULL, &count));
#define BAD(culprits, field, value)                                                                                           \
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;                                                      \
    options.field = value;                                                                                                    \
    REFUSED(INVALID, culprits, nestling_tokenizer_encode(tokenizer, "text", 4, &options, ids, NULL, &count))
    BAD("overflowing", overflowing, 1);
    BAD("details", details, 1);
    BAD("threads", threads, 1);
    BAD("truncation", truncation, 4);
    BAD("truncation_side", truncation_side, 4);
#undef BAD
    CHECK(count == COUNT(ids));
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;
    options.maximum_tokens = 4;
    options.truncation_side = NESTLING_SIDE_LEFT;
    int32_t all[64];
    size_t whole = COUNT(all);
    OK(nestling_tokenizer_encode(tokenizer, texts[0], strlen(texts[0]), NULL, all, NULL, &whole));
    OK(nestling_tokenizer_encode(tokenizer, texts[0], strlen(texts[0]), &options, ids, NULL, &count));
    CHECK(whole > 4 && count == 4 && ids[0] == all[0] && memcmp(ids + 1, all + whole - 3, 3 * sizeof *ids) == 0);
}

static void contents_of_batches(nestling_tokenizer *tokenizer) {
    nestling_encodings *encodings = NULL;
    REQUIRE(nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, NULL, &encodings));
    contents content = NESTLING_ENCODINGS_CONTENT_INIT;
    REFUSED(INVALID, "encodings", nestling_encodings_get_content(NULL, &content));
    REFUSED(INVALID, "out_content", nestling_encodings_get_content(encodings, NULL));
    static const uint32_t sizes[] = {0, 3, UINT32_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        content.struct_size = sizes[i];
        REFUSED(INVALID, "struct_size", nestling_encodings_get_content(encodings, &content));
        CHECK(content.text_count == 0 && content.ids == NULL);
    }
    /* Only what the caller's struct has is written. */
    content = (contents)NESTLING_ENCODINGS_CONTENT_INIT;
    content.struct_size = offsetof(contents, encoding_count);
    content.encoding_count = 77;
    OK(nestling_encodings_get_content(encodings, &content));
    CHECK(content.text_count == TEXTS && content.encoding_count == 77 && content.ids == NULL);
    content = content_of(encodings);
    CHECK(content.struct_size == sizeof content && content.encoding_count == TEXTS);
    CHECK(content.starts == NULL && content.ends == NULL && content.word_ids == NULL && content.sequence_ids == NULL);
    nestling_encodings_release(encodings);
}

static void decoding(nestling_tokenizer *tokenizer) {
    static const int32_t ids[] = {2, 100, 101, 102, 3, 104, -1, 205};
    static const size_t offsets[] = {0, 5, 5, 6, 8};
    char text[512], one[512];
    size_t count = 7, places[5] = {99};
#define DECODE(ids, offsets, n) nestling_tokenizer_decode_batch(tokenizer, ids, offsets, n, 0, text, &count, places)
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_decode_batch(NULL, ids, offsets, 4, 0, text, &count, places));
    REFUSED(INVALID, "ids", DECODE(NULL, offsets, 4));
    REFUSED(INVALID, "offsets", DECODE(ids, NULL, 4));
    REFUSED(INVALID, "sequence_count", DECODE(ids, offsets, SIZE_MAX));
    REFUSED(INVALID, "sequence_count", DECODE(ids, offsets, (size_t)1 << 40));
    REFUSED(INVALID, "inout_count", nestling_tokenizer_decode_batch(tokenizer, ids, offsets, 4, 0, text, NULL, places));
    REFUSED(INVALID, "offsets", DECODE(ids, ((const size_t[]){1, 5}), 1));
    REFUSED(INVALID, "offsets", DECODE(ids, ((const size_t[]){0, 5, 4, 8}), 3));
    REFUSED(INVALID, "offsets", DECODE(ids, ((const size_t[]){0, 9, 8}), 2));
    REFUSED(INVALID, "offsets", DECODE(ids, ((const size_t[]){0, SIZE_MAX}), 1));
    REFUSED(INVALID, "offsets", DECODE(ids, ((const size_t[]){0, SIZE_MAX / 2}), 1));
    REFUSED(INVALID, "offsets", DECODE(ids, ((const size_t[]){0, SIZE_MAX, 8}), 2));
    CHECK(count == 7 && places[0] == 99);
    OK(nestling_tokenizer_decode_batch(tokenizer, ids, offsets, 4, 0, NULL, &count, places));
    const size_t needed = count;
    CHECK(needed > 0 && places[0] == 0 && places[4] == needed && places[1] == places[2] && places[3] == places[4]);
    for (size_t capacity = 0; capacity < needed; capacity++) {
        text[0] = '#', places[0] = 99, count = capacity;
        REFUSED(TOO_SMALL, "", DECODE(ids, offsets, 4));
        CHECK(count == needed && text[0] == '#' && places[0] == 99);
    }
    text[needed] = '#', count = needed;
    OK(DECODE(ids, offsets, 4));
    CHECK(count == needed && text[needed] == '#'); /* no NUL */
    for (size_t i = 0; i < 4; i++) {
        size_t size = sizeof one;
        OK(nestling_tokenizer_decode(tokenizer, ids + offsets[i], offsets[i + 1] - offsets[i], 0, one, &size));
        CHECK(places[i + 1] - places[i] == size - 1 && memcmp(text + places[i], one, size - 1) == 0);
    }
    count = sizeof text;
    OK(nestling_tokenizer_decode_batch(tokenizer, ids, offsets, 4, 1, text, &count, NULL));
    CHECK(count <= needed);
    count = 5;
    OK(DECODE(NULL, offsets, 0));
    CHECK(count == 0 && places[0] == 0);
#undef DECODE
}

static void describing(nestling_tokenizer *tokenizer) {
    static const char *const keys[] = {"\"model\":", "\"vocabulary_size\":", "\"vocabulary_size_without_added\":", "\"single\":",
                                       "\"pair\":", "\"added_tokens\":", "[CLS]", "\"lstrip\":", "\"truncation\":",
                                       "\"padding\":"};
    static char text[16384];
    size_t count = 5;
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_describe(NULL, text, &count));
    REFUSED(INVALID, "inout_count", nestling_tokenizer_describe(tokenizer, text, NULL));
    CHECK(count == 5);
    OK(nestling_tokenizer_describe(tokenizer, NULL, &count));
    const size_t needed = count;
    count = needed - 1;
    text[0] = '#';
    REFUSED(TOO_SMALL, "", nestling_tokenizer_describe(tokenizer, text, &count));
    CHECK(count == needed && text[0] == '#' && needed <= sizeof text);
    OK(nestling_tokenizer_describe(tokenizer, text, &count));
    CHECK(strlen(text) + 1 == needed && text[0] == '{' && text[needed - 2] == '}');
    for (size_t i = 0; i < COUNT(keys); i++) CHECK_AS(strstr(text, keys[i]) != NULL, "no %s in %s", keys[i], text);
}

static void files_in_memory(const char *checkpoint) {
    nestling_file files[CHECKPOINT_FILES];
    read_files(checkpoint, files);
    nestling_tokenizer *tokenizer = UNTOUCHED;
    REFUSED(INVALID, "files", nestling_tokenizer_open_files(NULL, 1, &tokenizer));
    REFUSED(INVALID, "out_tokenizer", nestling_tokenizer_open_files(files, CHECKPOINT_FILES, NULL));
    REFUSED(INVALID, "count", nestling_tokenizer_open_files(files, 0, &tokenizer));
    REFUSED(INVALID, "count", nestling_tokenizer_open_files(files, SIZE_MAX, &tokenizer));
    nestling_file *json = find_file(files, "tokenizer.json");
    nestling_file other = {"config.json", "{}", 2};
    REFUSED(MISSING, "tokenizer", nestling_tokenizer_open_files(&other, 1, &tokenizer));
    REFUSED(INVALID, "name", nestling_tokenizer_open_files(&(nestling_file){NULL, json->data, json->size}, 1, &tokenizer));
    REFUSED(INVALID, "name", nestling_tokenizer_open_files(&(nestling_file){"\xff", json->data, json->size}, 1, &tokenizer));
    REFUSED(INVALID, "data", nestling_tokenizer_open_files(&(nestling_file){json->name, NULL, 1}, 1, &tokenizer));
    REFUSED(INVALID, "size", nestling_tokenizer_open_files(&(nestling_file){json->name, json->data, SIZE_MAX}, 1, &tokenizer));
    for (size_t size = 0; size < json->size; size += 1 + json->size / 200) {
        void *prefix = malloc(size + !size);
        if (prefix == NULL) exit(2);
        memcpy(prefix, json->data, size);
        REFUSED(CORRUPT, "tokenizer.json", nestling_tokenizer_open_files(&(nestling_file){json->name, prefix, size}, 1, &tokenizer));
        free(prefix);
    }
    CHECK(tokenizer == UNTOUCHED);
    nestling_tokenizer *opened = NULL;
    REQUIRE(nestling_tokenizer_open_files(files, CHECKPOINT_FILES, &opened));
    REQUIRE(nestling_tokenizer_open(checkpoint, &tokenizer));
    free_files(files); /* the files were read, not kept */
    for (size_t i = 0; i < TEXTS; i++) {
        int32_t a[64], b[64];
        size_t a_count = COUNT(a), b_count = COUNT(b);
        OK(nestling_tokenizer_encode(tokenizer, texts[i], strlen(texts[i]), NULL, a, NULL, &a_count));
        OK(nestling_tokenizer_encode(opened, texts[i], strlen(texts[i]), NULL, b, NULL, &b_count));
        CHECK(a_count == b_count && memcmp(a, b, a_count * sizeof *a) == 0);
    }
    nestling_tokenizer_release(opened);
    nestling_tokenizer_release(tokenizer);
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    nestling_tokenizer *tokenizer = NULL;
    REQUIRE(nestling_tokenizer_open(checkpoint, &tokenizer));
    pointers(tokenizer);
    options_of_batches(tokenizer);
    contents_of_batches(tokenizer);
    decoding(tokenizer);
    describing(tokenizer);
    nestling_tokenizer_release(tokenizer);
    files_in_memory(checkpoint);
    return finish();
}
