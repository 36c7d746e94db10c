/* Tokenizers: NULL and out-of-range arguments, invalid UTF-8, sizes, damaged files. */
#include "conformance.h"

static void opening(const char *checkpoint) {
    nestling_tokenizer *tokenizer = UNTOUCHED;
    REFUSED(INVALID, "path", nestling_tokenizer_open(NULL, &tokenizer));
    REFUSED(INVALID, "out_tokenizer", nestling_tokenizer_open(checkpoint, NULL));
    REFUSED(MISSING, "/nonexistent", nestling_tokenizer_open("/nonexistent", &tokenizer));
    REFUSED(ANY, "", nestling_tokenizer_open("", &tokenizer));
    REFUSED(ANY, "1_Pooling", nestling_tokenizer_open(path_in(checkpoint, "1_Pooling"), &tokenizer));
    REFUSED(ANY, "model.safetensors", nestling_tokenizer_open(path_in(checkpoint, "model.safetensors"), &tokenizer));
    CHECK(tokenizer == UNTOUCHED);
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "."};
    for (size_t i = 0; i < COUNT(names); i++)
        if (OK(nestling_tokenizer_open(path_in(checkpoint, names[i]), &tokenizer))) nestling_tokenizer_release(tokenizer);

    tokenizer = UNTOUCHED;
    blob json = read_file(path_in(checkpoint, "tokenizer.json"));
    REFUSED(INVALID, "data", nestling_tokenizer_open_memory(NULL, 10, &tokenizer));
    REFUSED(INVALID, "out_tokenizer", nestling_tokenizer_open_memory(json.bytes, json.size, NULL));
    REFUSED(ANY, "", nestling_tokenizer_open_memory(json.bytes, 0, &tokenizer));
    REFUSED(ANY, "", nestling_tokenizer_open_memory(NULL, 0, &tokenizer));
    REFUSED(ANY, "size|data", nestling_tokenizer_open_memory(json.bytes, SIZE_MAX, &tokenizer));
    REFUSED(ANY, "size|data", nestling_tokenizer_open_memory(json.bytes, (size_t)1 << 63, &tokenizer));
    for (size_t size = 1; size < json.size - 2; size++) {
        /* A copy of just that size, so that AddressSanitizer sees a byte too many. */
        void *prefix = malloc(size);
        if (prefix == NULL) exit(2);
        memcpy(prefix, json.bytes, size);
        nestling_status status = nestling_tokenizer_open_memory(prefix, size, &tokenizer);
        if (CHECK_AS(status == CORRUPT, "prefix of %zu bytes: %s", size, nestling_status_name(status)))
            expect_message("", __FILE__, __LINE__, "a prefix of tokenizer.json");
        if (status == NESTLING_OK) nestling_tokenizer_release(tokenizer), tokenizer = UNTOUCHED;
        free(prefix);
    }
    CHECK(tokenizer == UNTOUCHED);
    /* Every byte wrong once: any status but a crash, and never INTERNAL. */
    for (size_t i = 0; i < json.size; i++) {
        static const unsigned char flips[] = {0x01, 0x10, 0x80, 0xFF};
        for (size_t f = 0; f < COUNT(flips); f++) {
            json.bytes[i] ^= flips[f];
            nestling_status status = nestling_tokenizer_open_memory(json.bytes, json.size, &tokenizer);
            CHECK_AS(status <= 0 && status != NESTLING_ERROR_INTERNAL, "byte %zu flipped by %d: %d", i, flips[f], (int)status);
            if (status == NESTLING_OK) {
                int32_t ids[64];
                size_t count = COUNT(ids);
                status = nestling_tokenizer_encode(tokenizer, "a nest, \xc3\xa9t\xc3\xa9!", 12, NULL, ids, NULL, &count);
                CHECK_AS(status != NESTLING_ERROR_INTERNAL, "byte %zu flipped by %d: %s", i, flips[f], nestling_last_error_message());
                nestling_tokenizer_release(tokenizer), tokenizer = UNTOUCHED;
            } else {
                expect_message("", __FILE__, __LINE__, "a flipped byte of tokenizer.json");
            }
            json.bytes[i] ^= flips[f];
        }
    }
    /* Nesting without end must not become recursion without end. */
    size_t depth = 2000000;
    char *brackets = malloc(depth);
    if (brackets == NULL) exit(2);
    memset(brackets, '[', depth);
    REFUSED(ANY, "", nestling_tokenizer_open_memory(brackets, depth, &tokenizer));
    for (size_t i = 0; i + 5 <= depth; i += 5) memcpy(brackets + i, "{\"a\":", 5);
    REFUSED(ANY, "", nestling_tokenizer_open_memory(brackets, depth, &tokenizer));
    free(brackets);
    free(json.bytes);
}

static void encoding(nestling_tokenizer *tokenizer) {
    static const char text[] = "A nest of sentences.";
    const size_t length = sizeof text - 1;
    int32_t ids[64], types[64], words[64], sequences[64];
    uint64_t starts[64], ends[64];
    uint8_t special[64];
    nestling_token_details details = NESTLING_TOKEN_DETAILS_INIT;
    details.type_ids = types;
    size_t count = 5;
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_encode(NULL, text, length, NULL, ids, NULL, &count));
    REFUSED(INVALID, "text", nestling_tokenizer_encode(tokenizer, NULL, length, NULL, ids, NULL, &count));
    REFUSED(INVALID, "inout_count", nestling_tokenizer_encode(tokenizer, text, length, NULL, ids, NULL, NULL));
    REFUSED(INVALID, "length", nestling_tokenizer_encode(tokenizer, text, SIZE_MAX, NULL, ids, NULL, &count));
    REFUSED(INVALID, "length", nestling_tokenizer_encode(tokenizer, text, (size_t)1 << 63, NULL, ids, NULL, &count));
    CHECK(count == 5);

    OK(nestling_tokenizer_encode(tokenizer, text, length, NULL, NULL, NULL, &count));
    size_t needed = count;
    CHECK(needed >= 3 && needed <= COUNT(ids));
    for (size_t capacity = 0; capacity < needed; capacity++) {
        ids[0] = types[0] = -77;
        count = capacity;
        REFUSED(TOO_SMALL, "", nestling_tokenizer_encode(tokenizer, text, length, NULL, ids, &details, &count));
        CHECK(count == needed && ids[0] == -77 && types[0] == -77);
    }
    count = SIZE_MAX;
    ids[needed] = types[needed] = -77;
    OK(nestling_tokenizer_encode(tokenizer, text, length, NULL, ids, &details, &count));
    CHECK(count == needed && ids[needed] == -77 && types[needed] == -77);
    for (size_t i = 0; i < needed; i++) CHECK(ids[i] >= 0 && ids[i] < 205 && types[i] == 0);

    /* Every token of the text stands for a part of it; characters are no more than bytes. */
    static const char accents[] = "\xc3\xa9t\xc3\xa9 nest";
    details.starts = starts;
    details.ends = ends;
    details.word_ids = words;
    details.sequence_ids = sequences;
    details.special_mask = special;
    for (int32_t characters = -1; characters <= 1; characters++) {
        details.characters = characters;
        count = COUNT(ids);
        OK(nestling_tokenizer_encode(tokenizer, accents, sizeof accents - 1, NULL, ids, &details, &count));
        CHECK(count >= 3 && special[0] == 1 && words[0] == -1 && sequences[0] == -1 && starts[0] == 0 && ends[0] == 0);
        CHECK(special[1] == 0 && words[1] == 0 && sequences[1] == 0 && starts[1] == 0 && ends[1] > 0);
        CHECK(ends[count - 2] == (characters == 1 ? 8u : 10u));
        for (size_t i = 1; i + 1 < count; i++) CHECK(starts[i] < ends[i] && starts[i] >= starts[i - 1]);
    }
    details.characters = 2;
    REFUSED(INVALID, "characters", nestling_tokenizer_encode(tokenizer, text, length, NULL, ids, &details, &count));
    details.struct_size = 0;
    REFUSED(INVALID, "struct_size", nestling_tokenizer_encode(tokenizer, text, length, NULL, ids, &details, &count));
    details = (nestling_token_details)NESTLING_TOKEN_DETAILS_INIT;
    details.type_ids = types;

    /* Nothing is a text too, and so is one with a NUL inside. */
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, "", 0, NULL, ids, NULL, &count));
    CHECK(count == 2);
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, NULL, 0, NULL, NULL, NULL, &count));
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, "a\0b", 3, NULL, ids, NULL, &count));

    static const struct {
        const char *bytes;
        const char *culprit;
    } invalid[] = {{"\xff", "0"},       {"ab\x80", "2"},         {"a\xc3", "1"},           {"\xc0\xaf", "0"},
                   {"\xed\xa0\x80", "0"}, {"\xf4\x90\x80\x80", "0"}, {"abc\xe2\x82", "3"}, {"\xf8\x88\x80\x80\x80", "0"}};
    for (size_t i = 0; i < COUNT(invalid); i++) {
        count = 5;
        REFUSED(INVALID, invalid[i].culprit,
                nestling_tokenizer_encode(tokenizer, invalid[i].bytes, strlen(invalid[i].bytes), NULL, ids, NULL, &count));
        CHECK(count == 5);
    }

    nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
    options.struct_size = 0;
    REFUSED(INVALID, "struct_size", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options.struct_size = 1;
    REFUSED(INVALID, "struct_size", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;
    options.special_tokens = 2;
    REFUSED(INVALID, "special_tokens", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options.special_tokens = 0;
    options.reserved = 9;
    count = COUNT(ids);
    REFUSED(ANY, "reserved", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options.reserved = 0;
    options.second_length = 4;
    REFUSED(INVALID, "second", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options.second_text = "bad \xff";
    options.second_length = 5;
    REFUSED(INVALID, "second|4", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options.second_length = SIZE_MAX;
    REFUSED(INVALID, "second", nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    options.second_length = 3;
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, text, length, &options, ids, &details, &count));
    CHECK(count > needed && types[count - 1] == 1 && types[0] == 0);
    options = (nestling_tokenize_options)NESTLING_TOKENIZE_OPTIONS_INIT;
    options.special_tokens = -1;
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count));
    CHECK(count == needed - 2);
    options.special_tokens = 0;
    /* [SEP] is a special token unless its bytes are said to be text. */
    static const char separated[] = "a [SEP] nest";
    size_t plain[4] = {2, 7, 8, 12};
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    size_t found = count;
    options.plain_ranges = plain;
    options.plain_range_count = 2;
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    CHECK(count > found);
    plain[0] = 6; /* the last byte of it is enough */
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    CHECK(count > found);
    plain[0] = plain[1] = 7;
    count = COUNT(ids);
    OK(nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    CHECK(count == found);
    static const size_t wrong[][4] = {{7, 2, 8, 12}, {2, 9, 8, 12}, {2, 7, 8, 13}, {2, SIZE_MAX, 8, 12},
                                      {(size_t)1 << 63, SIZE_MAX, 8, 12}, {8, 12, 2, 7}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        options.plain_ranges = wrong[i];
        REFUSED(INVALID, "plain_ranges",
                nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    }
    options.plain_range_count = SIZE_MAX;
    REFUSED(INVALID, "plain_range_count",
            nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    options.plain_range_count = 0;
    REFUSED(INVALID, "plain_ranges",
            nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    options.plain_ranges = NULL;
    options.plain_range_count = 1;
    REFUSED(INVALID, "plain_ranges",
            nestling_tokenizer_encode(tokenizer, separated, sizeof separated - 1, &options, ids, NULL, &count));
    options.plain_range_count = 0;
    for (uint32_t maximum = 1; maximum <= needed; maximum++) {
        options.maximum_tokens = maximum;
        count = COUNT(ids);
        nestling_status status = nestling_tokenizer_encode(tokenizer, text, length, &options, ids, NULL, &count);
        CHECK_AS(status == NESTLING_OK ? count <= maximum : status == INVALID && maximum < 2, "maximum_tokens %u: %s, %zu tokens",
                 (unsigned)maximum, nestling_status_name(status), count);
    }
}

static void decoding(nestling_tokenizer *tokenizer) {
    static const int32_t ids[] = {2, 100, 101, 102, 3};
    char text[512];
    size_t count = 5;
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_decode(NULL, ids, 5, 0, text, &count));
    REFUSED(INVALID, "ids", nestling_tokenizer_decode(tokenizer, NULL, 5, 0, text, &count));
    REFUSED(INVALID, "inout_count", nestling_tokenizer_decode(tokenizer, ids, 5, 0, text, NULL));
    REFUSED(INVALID, "count", nestling_tokenizer_decode(tokenizer, ids, SIZE_MAX, 0, text, &count));
    REFUSED(INVALID, "count", nestling_tokenizer_decode(tokenizer, ids, SIZE_MAX / 4 + 1, 0, text, &count));
    CHECK(count == 5);
    OK(nestling_tokenizer_decode(tokenizer, ids, 5, 0, NULL, &count));
    size_t needed = count;
    for (size_t capacity = 0; capacity < needed; capacity++) {
        text[0] = '#';
        count = capacity;
        REFUSED(TOO_SMALL, "", nestling_tokenizer_decode(tokenizer, ids, 5, 0, text, &count));
        CHECK(count == needed && text[0] == '#');
    }
    count = SIZE_MAX;
    OK(nestling_tokenizer_decode(tokenizer, ids, 5, 0, text, &count));
    CHECK(count == needed && strlen(text) + 1 == needed);
    count = sizeof text;
    OK(nestling_tokenizer_decode(tokenizer, ids, 5, 1, text, &count));
    CHECK(count <= needed);
    static const int32_t strange[] = {-1, INT32_MIN, 205, 100000, INT32_MAX};
    count = sizeof text;
    OK(nestling_tokenizer_decode(tokenizer, strange, COUNT(strange), 0, text, &count));
    CHECK(count == 1 && text[0] == 0); /* ids past the vocabulary are left out */
    count = sizeof text;
    OK(nestling_tokenizer_decode(tokenizer, ids, 0, 0, text, &count));
    CHECK(count == 1 && text[0] == 0);
    count = sizeof text;
    OK(nestling_tokenizer_decode(tokenizer, NULL, 0, 0, text, &count));
}

static void vocabulary(nestling_tokenizer *tokenizer, nestling_model *model) {
    CHECK(nestling_tokenizer_vocabulary_size(tokenizer) == info_of(model).vocabulary_size);
    int32_t id = -77;
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_token_to_id(NULL, "[CLS]", &id));
    REFUSED(INVALID, "token", nestling_tokenizer_token_to_id(tokenizer, NULL, &id));
    REFUSED(INVALID, "out_id", nestling_tokenizer_token_to_id(tokenizer, "[CLS]", NULL));
    REFUSED(MISSING, "no such entry", nestling_tokenizer_token_to_id(tokenizer, "no such entry", &id));
    REFUSED(ANY, "", nestling_tokenizer_token_to_id(tokenizer, "\xff", &id));
    REFUSED(MISSING, "", nestling_tokenizer_token_to_id(tokenizer, "", &id));
    CHECK(id == -77);

    char text[256];
    size_t count = sizeof text;
    REFUSED(INVALID, "tokenizer", nestling_tokenizer_id_to_token(NULL, 1, text, &count));
    REFUSED(INVALID, "inout_count", nestling_tokenizer_id_to_token(tokenizer, 1, text, NULL));
    static const int32_t strange[] = {-1, INT32_MIN, 205, INT32_MAX};
    for (size_t i = 0; i < COUNT(strange); i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)strange[i]);
        REFUSED(ANY, number, nestling_tokenizer_id_to_token(tokenizer, strange[i], text, &count));
    }
    CHECK(count == sizeof text);
    for (int32_t i = 0; i < (int32_t)nestling_tokenizer_vocabulary_size(tokenizer); i++) {
        int32_t back = -1;
        count = sizeof text;
        if (OK(nestling_tokenizer_id_to_token(tokenizer, i, text, &count))) {
            CHECK(strlen(text) + 1 == count);
            OK(nestling_tokenizer_token_to_id(tokenizer, text, &back));
            CHECK_AS(back == i, "%s: id %d became %d", text, (int)i, (int)back);
        }
        size_t needed = count;
        count = needed - 1;
        REFUSED(TOO_SMALL, "", nestling_tokenizer_id_to_token(tokenizer, i, text, &count));
        CHECK(count == needed);
    }
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    opening(checkpoint);
    nestling_model *model = NULL;
    nestling_tokenizer *tokenizer = UNTOUCHED;
    REQUIRE(nestling_model_open(checkpoint, NULL, &model));
    REFUSED(INVALID, "model", nestling_model_get_tokenizer(NULL, &tokenizer));
    REFUSED(INVALID, "out_tokenizer", nestling_model_get_tokenizer(model, NULL));
    CHECK(tokenizer == UNTOUCHED);
    REQUIRE(nestling_model_get_tokenizer(model, &tokenizer));
    encoding(tokenizer);
    decoding(tokenizer);
    vocabulary(tokenizer, model);
    CHECK(nestling_tokenizer_retain(tokenizer) == tokenizer);
    nestling_tokenizer_release(tokenizer);
    nestling_model_release(model);
    size_t count = 0; /* it lives on without its model */
    OK(nestling_tokenizer_encode(tokenizer, "still here", 10, NULL, NULL, NULL, &count));
    nestling_tokenizer_release(tokenizer);

    /* A checkpoint without a tokenizer. */
    char folder[64];
    copy_checkpoint(checkpoint, folder);
    remove(path_in(folder, "tokenizer.json"));
    remove(path_in(folder, "vocab.txt"));
    model = NULL;
    if (OK(nestling_model_open(folder, NULL, &model))) {
        tokenizer = UNTOUCHED;
        CHECK(info_of(model).has_tokenizer == 0);
        REFUSED(MISSING, "tokenizer", nestling_model_get_tokenizer(model, &tokenizer));
        CHECK(tokenizer == UNTOUCHED);
        nestling_model_release(model);
    }
    remove_folder(folder);
    return finish();
}
