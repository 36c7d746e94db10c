/* Checkpoints that lie in memory: the same bits as from files, and lists of files that cannot be. */
#include "conformance.h"

enum { TOKENS = 40 };

static void run(nestling_model *model, float *vectors, size_t capacity) {
    int32_t ids[TOKENS];
    static const size_t offsets[] = {0, 1, 18, TOKENS};
    nestling_session *session = NULL;
    fill_ids(ids, TOKENS, info_of(model).vocabulary_size, 5);
    if (!OK(nestling_session_create(model, NULL, &session))) return;
    size_t count = capacity;
    OK(nestling_session_encode(session, ids, offsets, 3, NULL, vectors, &count));
    static const char *const texts[] = {"from a file", "or from memory"};
    size_t more = capacity - count;
    OK(nestling_session_encode_texts(session, texts, NULL, 2, NULL, vectors + count, &more));
    nestling_session_release(session);
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    nestling_file files[CHECKPOINT_FILES];
    nestling_model *from_memory = UNTOUCHED, *from_path = NULL;
    read_files(checkpoint, files);
    REFUSED(INVALID, "files", nestling_model_open_memory(NULL, CHECKPOINT_FILES, NULL, &from_memory));
    REFUSED(INVALID, "out_model", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, NULL));
    REFUSED(ANY, "config.json|count|files", nestling_model_open_memory(files, 0, NULL, &from_memory));
    REFUSED(ANY, "config.json|count|files", nestling_model_open_memory(NULL, 0, NULL, &from_memory));
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX / 24 + 1, (size_t)1 << 63, (size_t)1 << 60};
    for (size_t i = 0; i < COUNT(huge); i++)
        REFUSED(INVALID, "count", nestling_model_open_memory(files, huge[i], NULL, &from_memory));

    nestling_file original = files[1];
    files[1].name = NULL;
    REFUSED(INVALID, "files[1]|file 1|name", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1].name = "";
    REFUSED(ANY, "", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1].name = "\xff";
    REFUSED(ANY, "", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1].name = "config.json"; /* twice */
    REFUSED(ANY, "config.json", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1] = original;
    files[1].data = NULL;
    REFUSED(INVALID, "model.safetensors|files[1]|file 1", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1].size = 0;
    REFUSED(ANY, "model.safetensors|files[1]|file 1", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1] = original;
    files[1].size = SIZE_MAX;
    REFUSED(INVALID, "model.safetensors|files[1]|file 1|size", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1].size = (size_t)1 << 63;
    REFUSED(INVALID, "model.safetensors|files[1]|file 1|size", nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
    files[1] = original;

    /* Without one of the files that it needs. */
    static const char *const needed[] = {"config.json", "model.safetensors", "2_Dense/model.safetensors", "2_Dense/config.json",
                                         "1_Pooling/config.json"};
    for (size_t i = 0; i < COUNT(needed); i++) {
        nestling_file *file = find_file(files, needed[i]);
        original = *file;
        file->name = "elsewhere";
        char folder[64]; /* or the folder that lacks it */
        snprintf(folder, sizeof folder, "%.*s|%s", (int)strcspn(needed[i], "/"), needed[i], needed[i]);
        REFUSED(ANY, folder, nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory));
        *file = original;
    }
    CHECK(from_memory == UNTOUCHED);

    /* An odd address is fine: files in an archive lie anywhere. */
    nestling_file *weights = find_file(files, "model.safetensors");
    unsigned char *odd = malloc(weights->size + 64);
    if (odd == NULL) exit(2);
    REQUIRE(nestling_model_open(checkpoint, NULL, &from_path));
    float expected[256] = {0}, got[256];
    run(from_path, expected, COUNT(expected));
    for (size_t shift = 0; shift < 4; shift++) {
        nestling_file moved = *weights;
        memcpy(odd + shift, moved.data, moved.size);
        original = *weights;
        weights->data = odd + shift;
        if (OK(nestling_model_open_memory(files, CHECKPOINT_FILES, NULL, &from_memory))) {
            memset(got, 0, sizeof got);
            run(from_memory, got, COUNT(got));
            CHECK_AS(memcmp(got, expected, sizeof got) == 0, "weights at an address + %zu give other bits than the file", shift);
            nestling_model_release(from_memory);
        }
        *weights = original;
    }
    free(odd);

    /* The list of files and the names are read during the call only; the data of others may be needed longer. */
    nestling_file *list = malloc(sizeof files);
    char *name = strdup("model.safetensors");
    if (list == NULL || name == NULL) exit(2);
    memcpy(list, files, sizeof files);
    find_file(list, "model.safetensors")->name = name;
    if (OK(nestling_model_open_memory(list, CHECKPOINT_FILES, NULL, &from_memory))) {
        memset(list, 0xEE, sizeof files);
        memset(name, 'x', strlen(name));
        memset(got, 0, sizeof got);
        run(from_memory, got, COUNT(got));
        CHECK(memcmp(got, expected, sizeof got) == 0);
        char folder[64];
        make_folder(folder);
        OK(nestling_model_save(from_memory, path_in(folder, "saved"), NULL));
        nestling_model *saved = NULL;
        if (OK(nestling_model_open(path_in(folder, "saved"), NULL, &saved))) {
            memset(got, 0, sizeof got);
            run(saved, got, COUNT(got));
            CHECK(memcmp(got, expected, sizeof got) == 0);
            nestling_model_release(saved);
        }
        remove_folder(folder);
        nestling_model_release(from_memory);
    }
    free(list);
    free(name);
    nestling_model_release(from_path);
    free_files(files);
    return finish();
}
