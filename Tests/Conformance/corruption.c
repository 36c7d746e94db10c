/* Damaged checkpoints: every prefix, every flipped byte of a header, tensors that are missing, shapes and numbers that lie.
 *
 * Nothing may crash, and a refusal says what is wrong. What loads in spite of the damage must also run.
 */
#include "conformance.h"

static const char *checkpoint;
static nestling_file files[CHECKPOINT_FILES];

/* Opens the files in memory. Gives the status; a model that opens is run once, since damage may wait in its numbers. */
static nestling_status try_open(void) {
    nestling_model *model = UNTOUCHED;
    nestling_status status = nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &model);
    if (status != NESTLING_OK) {
        CHECK(model == UNTOUCHED);
        return status;
    }
    nestling_session *session = NULL;
    static float vectors[4096];
    static const int32_t ids[] = {1, 2, 3};
    static const size_t offsets[] = {0, 3};
    static const char *const texts[] = {"a nest"};
    size_t count = COUNT(vectors);
    if (OK(nestling_session_create(model, NULL, &session))) {
        nestling_status run = nestling_session_encode(session, ids, offsets, 1, NULL, vectors, &count);
        CHECK_AS(run != NESTLING_ERROR_INTERNAL, "a damaged model runs into %s", nestling_last_error_message());
        count = COUNT(vectors);
        run = nestling_session_encode_texts(session, texts, NULL, 1, NULL, vectors, &count);
        CHECK_AS(run != NESTLING_ERROR_INTERNAL, "a damaged model runs into %s", nestling_last_error_message());
    }
    nestling_session_release(session);
    nestling_model_release(model);
    return status;
}

/* Replaces the file's content for one attempt. The bytes are copied to a block of just their size, so that
 * AddressSanitizer sees a read past the end. */
static nestling_status try_with(nestling_file *file, const void *bytes, size_t size) {
    nestling_file original = *file;
    void *copy = malloc(size ? size : 1);
    if (copy == NULL) exit(2);
    memcpy(copy, bytes, size);
    file->data = copy;
    file->size = size;
    nestling_status status = try_open();
    *file = original;
    free(copy);
    return status;
}

static int refused(nestling_status status, const char *culprits, const char *what, size_t at) {
    char text[256];
    snprintf(text, sizeof text, "%s (%zu)", what, at);
    return expect_refused(status, ANY, culprits, __FILE__, __LINE__, text);
}

/* Where a JSON text would still be whole if cut: at its last bracket. */
static size_t needed_bytes(const nestling_file *file) {
    size_t size = file->size;
    const char *text = file->data;
    while (size > 0 && text[size - 1] != '}' && text[size - 1] != ']') size--;
    return size;
}

static void prefixes(void) {
    static const char *const names[] = {"config.json", "modules.json", "1_Pooling/config.json", "2_Dense/config.json",
                                        "config_sentence_transformers.json", "sentence_bert_config.json"};
    for (size_t i = 0; i < COUNT(names); i++) {
        nestling_file *file = find_file(files, names[i]);
        for (size_t size = 0; size < needed_bytes(file); size++) refused(try_with(file, file->data, size), names[i], names[i], size);
    }
    nestling_file *file = find_file(files, "tokenizer.json");
    for (size_t size = 0; size < needed_bytes(file); size += size < 100 ? 1 : 37)
        refused(try_with(file, file->data, size), "tokenizer.json", "prefix of tokenizer.json", size);
    static const char *const weights[] = {"model.safetensors", "2_Dense/model.safetensors"};
    for (size_t i = 0; i < COUNT(weights); i++) {
        file = find_file(files, weights[i]);
        for (size_t size = 0; size < file->size; size++) refused(try_with(file, file->data, size), weights[i], "prefix of the weights", size);
    }
    /* One byte too many is no better. */
    unsigned char *longer = calloc(file->size + 1, 1);
    if (longer == NULL) exit(2);
    memcpy(longer, file->data, file->size);
    refused(try_with(file, longer, file->size + 1), "2_Dense/model.safetensors", "a byte behind the weights", 0);
    free(longer);
}

/* The same from files: a truncated file must be refused before it is mapped, not when a page is missing. */
static void truncated_files(void) {
    char folder[64];
    copy_checkpoint(checkpoint, folder);
    char path[256];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    size_t size = find_file(files, "model.safetensors")->size;
    for (size_t step = 1; size > 0; size = size > step ? size - step : 0) {
        if (truncate(path, (off_t)(size - 1)) != 0) exit(2);
        for (int32_t map = -1; map <= 1; map += 2) {
            nestling_open_options options = NESTLING_OPEN_OPTIONS_INIT;
            nestling_model *model = UNTOUCHED;
            options.map_weights = map;
            refused(nestling_model_open(folder, &options, &model), "model.safetensors", "truncated file", size - 1);
            CHECK(model == UNTOUCHED);
        }
        step = size > 4096 ? 997 : size > 64 ? 31 : 1;
    }
    /* The check reports what opening refuses. */
    char report[8192];
    size_t count = sizeof report;
    nestling_status status = nestling_check(folder, 1, report, &count);
    CHECK_AS(status == NESTLING_OK ? strstr(report, "false") != NULL : status != NESTLING_ERROR_INTERNAL, "check of an empty file: %s",
             nestling_status_name(status));
    remove(path);
    nestling_model *model = UNTOUCHED;
    REFUSED(MISSING, "model.safetensors", nestling_model_open(folder, NULL, &model));
    if (mkdir(path, 0777) == 0) REFUSED(ANY, "model.safetensors", nestling_model_open(folder, NULL, &model));
    remove(path_in(folder, "config.json"));
    REFUSED(MISSING, "config.json", nestling_model_open(folder, NULL, &model));
    CHECK(model == UNTOUCHED);
    remove_folder(folder);
}

static size_t header_size(const nestling_file *file) {
    const unsigned char *bytes = file->data;
    size_t size = 0;
    for (int i = 7; i >= 0; i--) size = size << 8 | bytes[i];
    return size + 8;
}

static void flips(void) {
    nestling_file *file = find_file(files, "model.safetensors");
    size_t header = header_size(file), accepted = 0;
    unsigned char *bytes = malloc(file->size);
    if (bytes == NULL) exit(2);
    memcpy(bytes, file->data, file->size);
    static const unsigned char patterns[] = {0x01, 0x02, 0x10, 0x20, 0x80, 0xFF};
    for (size_t i = 0; i < header; i++)
        for (size_t p = 0; p < COUNT(patterns); p++) {
            bytes[i] ^= patterns[p];
            nestling_status status = try_with(file, bytes, file->size);
            if (status == NESTLING_OK) accepted++; /* an unused tensor's name, a space, the metadata */
            else refused(status, "", "flipped byte", i);
            bytes[i] ^= patterns[p];
        }
    CHECK_AS(accepted < header * COUNT(patterns) / 4, "%zu of %zu damaged headers were taken for good", accepted, header * COUNT(patterns));

    /* Lengths of the header that cannot be. */
    static const uint64_t lengths[] = {0, 1, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, (uint64_t)1 << 40, 100000000, 50192, 50193};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        for (int byte = 0; byte < 8; byte++) bytes[byte] = (unsigned char)(lengths[i] >> (8 * byte));
        refused(try_with(file, bytes, file->size), "model.safetensors", "header length", (size_t)lengths[i]);
    }
    free(bytes);
}

/* Puts `text` where the header says `from`, taking the difference out of the padding at the header's end or adding to it. */
static nestling_status with_header(const char *from, const char *to) {
    nestling_file *file = find_file(files, "model.safetensors");
    size_t header = header_size(file), before = strlen(from), after = strlen(to);
    const char *bytes = file->data;
    char *text = malloc(file->size + after + 1);
    if (text == NULL) exit(2);
    char *at = memmem(bytes, header, from, before);
    if (at == NULL) {
        CHECK_AS(0, "the fixture's header does not say %s", from);
        free(text);
        return CORRUPT;
    }
    size_t offset = (size_t)(at - bytes);
    memcpy(text, bytes, offset);
    memcpy(text + offset, to, after);
    memcpy(text + offset + after, at + before, file->size - offset - before);
    uint64_t length = header - 8 + after - before;
    for (int byte = 0; byte < 8; byte++) text[byte] = (char)(length >> (8 * byte));
    nestling_status status = try_with(file, text, file->size + after - before);
    free(text);
    return status;
}

static void lies(void) {
    static const char *const lying[][2] = {
        {"\"shape\":[24,44]", "\"shape\":[44,24]"},
        {"\"shape\":[24,44]", "\"shape\":[1056]"},
        {"\"shape\":[24,44]", "\"shape\":[]"},
        {"\"shape\":[24,44]", "\"shape\":[24,44,1]"},
        {"\"shape\":[24,44]", "\"shape\":[24,-44]"},
        {"\"shape\":[24,44]", "\"shape\":[24,45]"},
        {"\"shape\":[24,44]", "\"shape\":[0,44]"},
        {"\"shape\":[24,44]", "\"shape\":[24.0,44.5]"},
        {"\"shape\":[24,44]", "\"shape\":[4294967296,4294967296]"},
        {"\"shape\":[24,44]", "\"shape\":[9223372036854775807,2]"},
        {"\"shape\":[24,44]", "\"shape\":[18446744073709551615,18446744073709551615]"},
        {"\"shape\":[24,44]", "\"shape\":\"24,44\""},
        {"\"shape\":[24,44]", "\"shape\":null"},
        {"\"shape\":[24,44]", "\"shop\":[24,44]"},
        {"\"shape\":[205,24]", "\"shape\":[204,24]"},
        {"\"shape\":[205,24]", "\"shape\":[24,205]"},
        {"\"dtype\":\"F32\",\"shape\":[24,44]", "\"dtype\":\"F16\",\"shape\":[24,44]"},
        {"\"dtype\":\"F32\",\"shape\":[24,44]", "\"dtype\":\"I32\",\"shape\":[24,44]"},
        {"\"dtype\":\"F32\",\"shape\":[24,44]", "\"dtype\":\"F99\",\"shape\":[24,44]"},
        {"\"dtype\":\"F32\",\"shape\":[24,44]", "\"dtype\":32,\"shape\":[24,44]"},
        {"\"dtype\":\"F32\",\"shape\":[24,44]", "\"shape\":[24,44]"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[1,"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[-4,"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[18446744073709551615,"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[9223372036854775800,"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[0,0,"},
        {"\"data_offsets\":[0,", "\"data_offsets\":[1e999,"},
    };
    for (size_t i = 0; i < COUNT(lying); i++) {
        nestling_status status = with_header(lying[i][0], lying[i][1]);
        expect_refused(status, ANY, "embeddings|encoder|safetensors", __FILE__, __LINE__, lying[i][1]);
    }

    /* Every tensor under a name that nobody looks for: what the network needs is missed by name. */
    nestling_file *file = find_file(files, "model.safetensors");
    const char *header = (const char *)file->data + 8, *end = header + header_size(file) - 8;
    for (const char *at = header; (at = memmem(at, (size_t)(end - at), ".weight\":", 9)) != NULL; at += 9) {
        const char *start = at;
        while (start[-1] != '"') start--;
        char name[256], other[256];
        snprintf(name, sizeof name, "\"%.*s.weight\"", (int)(at - start), start);
        snprintf(other, sizeof other, "\"%.*s.wait\"", (int)(at - start), start);
        nestling_status status = with_header(name, other);
        if (strstr(name, "pooler") != NULL) continue; /* sentence vectors do without it */
        char culprit[256];
        snprintf(culprit, sizeof culprit, "%.*s.weight", (int)(at - start), start);
        expect_refused(status, ANY, culprit, __FILE__, __LINE__, name);
    }
}

/* config.json with another value for one key. */
static nestling_status with_value(const char *file_name, const char *key, const char *value) {
    nestling_file *file = find_file(files, file_name);
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *text = file->data, *at = memmem(text, file->size, quoted, strlen(quoted));
    if (at == NULL) {
        CHECK_AS(0, "%s has no %s", file_name, key);
        return CORRUPT;
    }
    at += strlen(quoted);
    const char *rest = at + strcspn(at, ",\n}");
    char *changed = malloc(file->size + strlen(value) + 8);
    if (changed == NULL) exit(2);
    int size = sprintf(changed, "%.*s %s%.*s", (int)(at - text), text, value, (int)(file->size - (size_t)(rest - text)), rest);
    nestling_status status = try_with(file, changed, (size_t)size);
    free(changed);
    return status;
}

static void settings(void) {
    static const char *const sizes[] = {"hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads",
                                        "num_hidden_layers", "type_vocab_size", "vocab_size"};
    static const char *const values[] = {"-1", "7", "1000000000", "9223372036854775807", "18446744073709551616", "1e300", "2.5",
                                         "\"24\"", "null", "[]", "{}", "true", "-9223372036854775808"};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t v = 0; v < COUNT(values); v++) {
            nestling_status status = with_value("config.json", sizes[s], values[v]);
            char text[128];
            snprintf(text, sizeof text, "config.json: %s = %s", sizes[s], values[v]);
            if (strcmp(values[v], "null") == 0 && status == NESTLING_OK) continue; /* as if it were not said */
            expect_refused(status, ANY, "config.json|embeddings|encoder", __FILE__, __LINE__, text);
        }
    for (size_t s = 0; s < 4; s++) expect_refused(with_value("config.json", sizes[s], "0"), ANY, sizes[s], __FILE__, __LINE__, sizes[s]);

    static const char *const others[][4] = {
        {"config.json", "model_type", "\"gpt-unheard-of\"", "gpt-unheard-of"},
        {"config.json", "model_type", "7", "model_type"},
        {"config.json", "hidden_act", "\"sine\"", "sine"},
        {"config.json", "layer_norm_eps", "\"small\"", "layer_norm_eps"},
        {"2_Dense/config.json", "in_features", "23", "2_Dense"},
        {"2_Dense/config.json", "out_features", "1000000000000", "2_Dense"},
        {"modules.json", "path", "\"../../../etc\"", "modules.json|etc"},
        {"modules.json", "type", "\"os.system\"", "os.system"},
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        nestling_status status = with_value(others[i][0], others[i][1], others[i][2]);
        expect_refused(status, ANY, others[i][3], __FILE__, __LINE__, others[i][2]);
    }
    /* Valid JSON that is not what belongs there. */
    static const char *const contents[] = {"[]", "{}", "null", "0", "\"text\"", "[[[[]]]]", "{\"\": {}}", "[null]", "[{}]", "\xef\xbb\xbf{}", "\xff"};
    static const char *const names[] = {"config.json", "tokenizer.json", "modules.json"};
    for (size_t n = 0; n < COUNT(names); n++)
        for (size_t c = 0; c < COUNT(contents); c++) {
            if (n == 2 && c == 0) continue; /* no modules at all: a matter of taste */
            char text[64];
            snprintf(text, sizeof text, "%s = %s", names[n], contents[c]);
            nestling_status status = try_with(find_file(files, names[n]), contents[c], strlen(contents[c]));
            expect_refused(status, ANY, names[n], __FILE__, __LINE__, text);
        }
    size_t depth = 1000000;
    char *nested = malloc(depth);
    if (nested == NULL) exit(2);
    memset(nested, '[', depth);
    for (size_t n = 0; n < COUNT(names); n++)
        expect_refused(try_with(find_file(files, names[n]), nested, depth), ANY, names[n], __FILE__, __LINE__, "a million brackets");
    free(nested);
    /* Every byte of config.json wrong once. */
    nestling_file *file = find_file(files, "config.json");
    char *bytes = malloc(file->size);
    if (bytes == NULL) exit(2);
    memcpy(bytes, file->data, file->size);
    for (size_t i = 0; i < file->size; i++) {
        static const char patterns[] = {1, 2, 4, 16, 32, (char)0x80};
        for (size_t p = 0; p < COUNT(patterns); p++) {
            bytes[i] = (char)(bytes[i] ^ patterns[p]);
            nestling_status status = try_with(file, bytes, file->size);
            if (status != NESTLING_OK) refused(status, "", "flipped byte of config.json", i);
            bytes[i] = (char)(bytes[i] ^ patterns[p]);
        }
    }
    free(bytes);
}

int main(int argc, char **argv) {
    checkpoint = sentence_checkpoint(argc, argv);
    read_files(checkpoint, files);
    if (OK(try_open())) {
        prefixes();
        truncated_files();
        flips();
        lies();
        settings();
    }
    free_files(files);
    return finish();
}
