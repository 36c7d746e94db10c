/* What the conformance programs share: counting, the expectations, files, and the fixtures.
 *
 * Each program takes the folder of fixtures as its argument, prints a line for every expectation that does not hold, ends with
 * "N passed, N failed", and returns 0 if none failed.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

/* ThreadSanitizer's own locks may stay locked in the child of a process with threads; everything else can fork. */
#define CAN_FORK 1
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef CAN_FORK
#define CAN_FORK 0
#endif
#endif

#include <nestling.h>

#include <ftw.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof *(array))

static atomic_int passed_checks, failed_checks;

/* ---- expectations ---- */

/* More than this many complaints of one program say nothing new. */
enum { COMPLAINTS = 60 };

__attribute__((format(printf, 4, 5))) static int expect(int holds, const char *file, int line, const char *format, ...) {
    if (holds) {
        passed_checks++;
        return 1;
    }
    if (failed_checks++ < COMPLAINTS) {
        char text[2048];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        const char *name = strrchr(file, '/');
        printf("%s:%d: %s\n", name ? name + 1 : file, line, text);
        fflush(stdout);
    }
    return 0;
}

#define CHECK(condition) expect(!!(condition), __FILE__, __LINE__, "%s does not hold", #condition)
#define CHECK_AS(condition, ...) expect(!!(condition), __FILE__, __LINE__, __VA_ARGS__)

/* The call succeeds. */
#define OK(call) expect_ok((call), __FILE__, __LINE__, #call)
/* The call is refused with this status (0: any), and the message names one of the culprits ("a|b"; "": anything). */
#define REFUSED(status, culprits, call) expect_refused((call), (status), (culprits), __FILE__, __LINE__, #call)
/* What cannot go on without this ends the program. */
#define REQUIRE(call)                                              \
    do {                                                           \
        if (!OK(call)) exit(finish());                             \
    } while (0)

static int finish(void) {
    printf("%d passed, %d failed\n", (int)passed_checks, (int)failed_checks);
    return failed_checks != 0;
}

static UNUSED int expect_ok(nestling_status status, const char *file, int line, const char *call) {
    return expect(status == NESTLING_OK, file, line, "%s: expected OK, got %s (%s)", call, nestling_status_name(status),
                  nestling_last_error_message());
}

static int names_one_of(const char *message, const char *culprits) {
    for (const char *from = culprits;; from++) {
        size_t length = strcspn(from, "|");
        for (const char *at = message; *at; at++)
            if (strncasecmp(at, from, length) == 0) return 1;
        from += length;
        if (*from == 0) return length == 0;
    }
}

/* A message is one line that tells a stranger what was wrong. */
static UNUSED int expect_message(const char *culprits, const char *file, int line, const char *call) {
    const char *message = nestling_last_error_message();
    size_t length = strlen(message);
    int period = length > 0 && message[length - 1] == '.' && (length < 3 || strcmp(message + length - 3, "...") != 0);
    return expect(length > 0, file, line, "%s: the message is empty", call) &&
           expect(strchr(message, '\n') == NULL && !period, file, line,
                  "%s: the message is not one line without a period: %s", call, message) &&
           expect(names_one_of(message, culprits), file, line, "%s: the message does not name %s: %s", call, culprits, message);
}

static UNUSED int expect_refused(nestling_status status, nestling_status expected, const char *culprits, const char *file,
                                 int line, const char *call) {
    if (!expect(status < 0, file, line, "%s: expected a refusal (%s), got %s", call, culprits, nestling_status_name(status)) ||
        !expect(status != NESTLING_ERROR_INTERNAL, file, line, "%s: INTERNAL (%s)", call, nestling_last_error_message()) ||
        !expect(expected == 0 || status == expected, file, line, "%s: expected %s, got %s (%s)", call,
                nestling_status_name(expected), nestling_status_name(status), nestling_last_error_message()))
        return 0;
    return expect_message(culprits, file, line, call);
}

enum {
    INVALID = NESTLING_ERROR_INVALID_ARGUMENT,
    MISSING = NESTLING_ERROR_NOT_FOUND,
    INPUT_OUTPUT = NESTLING_ERROR_IO,
    CORRUPT = NESTLING_ERROR_CORRUPT,
    UNSUPPORTED = NESTLING_ERROR_UNSUPPORTED,
    NO_MEMORY = NESTLING_ERROR_OUT_OF_MEMORY,
    TOO_SMALL = NESTLING_ERROR_BUFFER_TOO_SMALL,
    CANCELLED = NESTLING_ERROR_CANCELLED,
    ANY = 0
};

/* What an out-pointer holds before a call that must leave it alone. */
#define UNTOUCHED ((void *)(uintptr_t)0x5A5A5A5A)

/* ---- files ---- */

typedef struct {
    unsigned char *bytes;
    size_t size;
} blob;

static UNUSED blob read_file(const char *path) {
    blob content = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("cannot read %s\n", path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    content.size = (size_t)ftell(file);
    rewind(file);
    content.bytes = malloc(content.size + 1);
    if (content.bytes == NULL || fread(content.bytes, 1, content.size, file) != content.size) exit(2);
    content.bytes[content.size] = 0;
    fclose(file);
    return content;
}

static UNUSED void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || (size != 0 && fwrite(bytes, 1, size, file) != size) || fclose(file) != 0) {
        printf("cannot write %s\n", path);
        exit(2);
    }
}

/* A path made of a folder and a name; four of them live at a time. */
static UNUSED const char *path_in(const char *folder, const char *name) {
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

/* A new, empty folder; remove_folder takes it away again. */
static UNUSED void make_folder(char folder[64]) {
    strcpy(folder, "/tmp/nestling-conformance-XXXXXX");
    if (mkdtemp(folder) == NULL) exit(2);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)status, (void)kind, (void)position;
    return remove(path);
}

static UNUSED void remove_folder(const char *folder) { nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- fixtures ---- */

/* The sentence-transformers checkpoint that most programs use, and its files. */
static UNUSED const char *sentence_checkpoint(int argc, char **argv) {
    static char path[1024];
    if (argc != 2) {
        printf("usage: %s FIXTURES\n", argv[0]);
        exit(2);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(path, sizeof path, "%s/sentence-transformers/dense", argv[1]);
    return path;
}

static const char *const checkpoint_files[] = {
    "config.json",         "model.safetensors",         "tokenizer.json",       "vocab.txt",
    "modules.json",        "sentence_bert_config.json", "tokenizer_config.json", "config_sentence_transformers.json",
    "1_Pooling/config.json", "2_Dense/config.json",     "2_Dense/model.safetensors", "3_Normalize/config.json"};
enum { CHECKPOINT_FILES = COUNT(checkpoint_files) };

/* Reads all files of the checkpoint; free_files gives the memory back. */
static UNUSED void read_files(const char *checkpoint, nestling_file files[CHECKPOINT_FILES]) {
    for (size_t i = 0; i < CHECKPOINT_FILES; i++) {
        blob content = read_file(path_in(checkpoint, checkpoint_files[i]));
        files[i] = (nestling_file){checkpoint_files[i], content.bytes, content.size};
    }
}

static UNUSED void free_files(nestling_file files[CHECKPOINT_FILES]) {
    for (size_t i = 0; i < CHECKPOINT_FILES; i++) free((void *)(uintptr_t)files[i].data);
}

static UNUSED nestling_file *find_file(nestling_file files[CHECKPOINT_FILES], const char *name) {
    for (size_t i = 0; i < CHECKPOINT_FILES; i++)
        if (strcmp(files[i].name, name) == 0) return &files[i];
    printf("the fixture has no %s\n", name);
    exit(2);
}

/* Copies the checkpoint into a new folder. */
static UNUSED void copy_checkpoint(const char *checkpoint, char folder[64]) {
    nestling_file files[CHECKPOINT_FILES];
    make_folder(folder);
    read_files(checkpoint, files);
    for (size_t i = 0; i < CHECKPOINT_FILES; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        char *slash = strrchr(path, '/');
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
        write_file(path, files[i].data, files[i].size);
    }
    free_files(files);
}

static UNUSED nestling_model_info info_of(const nestling_model *model) {
    nestling_model_info info;
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    OK(nestling_model_get_info(model, &info));
    return info;
}

/* Token ids that look arbitrary and are the same every time. */
static UNUSED void fill_ids(int32_t *ids, size_t count, uint32_t vocabulary, uint32_t seed) {
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((state >> 8) % vocabulary);
    }
}

#endif
