/* A batch is its texts one by one, for any number of threads and from any thread; encodings outlive everything else. */
#include "conformance.h"

#include <pthread.h>
#include <sys/wait.h>

enum { TEXTS = 600, SERVERS = 4, LONGEST = 60000 };
static char *texts[TEXTS], *seconds[TEXTS];
static size_t lengths[TEXTS], second_lengths[TEXTS];
static nestling_tokenizer *tokenizer;

/* Mostly short texts, some of them empty, with NULs, or very long, of characters of one to four bytes. */
static void make_texts(void) {
    static const char *const pieces[] = {"nest ", "sentences", "\xc3\xa9t\xc3\xa9 ", "\xe6\x9d\xb1\xe4\xba\xac", "\xf0\x9f\x90\xa6",
                                         " ", ".", "the", "##", "42 "};
    uint32_t state = 7;
    for (size_t i = 0; i < TEXTS; i++) {
        size_t wanted = i % 200 == 150 ? LONGEST : i * 37 % 90;
        texts[i] = malloc(wanted + 32);
        if (texts[i] == NULL) exit(2);
        while (lengths[i] < wanted) {
            state = state * 1664525u + 1013904223u;
            const char *piece = pieces[(state >> 16) % COUNT(pieces)];
            memcpy(texts[i] + lengths[i], piece, strlen(piece));
            lengths[i] += strlen(piece);
            if (state >> 27 == 3) texts[i][lengths[i]++] = 0;
        }
        texts[i][lengths[i]] = 0;
        seconds[i] = i % 3 == 0 ? NULL : texts[i * 7 % (i + 1)];
        second_lengths[i] = i % 3 == 0 ? 0 : lengths[i * 7 % (i + 1)];
    }
}

static nestling_encodings *encode(int is_paired, const nestling_tokenize_options *options) {
    nestling_encodings *encodings = NULL;
    REQUIRE(nestling_tokenizer_encode_batch(tokenizer, (const char *const *)texts, lengths,
                                            is_paired ? (const char *const *)seconds : NULL, is_paired ? second_lengths : NULL,
                                            TEXTS, options, &encodings));
    return encodings;
}

static nestling_encodings_content content_of(const nestling_encodings *encodings) {
    nestling_encodings_content content = NESTLING_ENCODINGS_CONTENT_INIT;
    OK(nestling_encodings_get_content(encodings, &content));
    return content;
}

#define SAME(array, count) (memcmp(a.array, b.array, (count) * sizeof *a.array) == 0)

static int equal(const nestling_encodings *left, const nestling_encodings *right) {
    const nestling_encodings_content a = content_of(left), b = content_of(right);
    if (a.text_count != b.text_count || a.encoding_count != b.encoding_count || a.token_count != b.token_count) return 0;
    if (!SAME(parts, a.text_count + 1) || !SAME(offsets, a.encoding_count + 1) || !SAME(ids, a.token_count) ||
        !SAME(type_ids, a.token_count) || !SAME(special_mask, a.token_count) || (a.starts == NULL) != (b.starts == NULL))
        return 0;
    return a.starts == NULL || (SAME(starts, a.token_count) && SAME(ends, a.token_count) && SAME(word_ids, a.token_count) &&
                                SAME(sequence_ids, a.token_count));
}

/* Every text alone gives the same. */
static void compare_with_singles(const nestling_encodings *encodings, int is_paired, nestling_tokenize_options options) {
    const nestling_encodings_content all = content_of(encodings);
    static int32_t ids[4 * LONGEST], types[4 * LONGEST], words[4 * LONGEST], sequences[4 * LONGEST];
    static uint64_t starts[4 * LONGEST], ends[4 * LONGEST];
    static uint8_t special[4 * LONGEST];
    nestling_token_details details = NESTLING_TOKEN_DETAILS_INIT;
    details.type_ids = types, details.word_ids = words, details.sequence_ids = sequences;
    details.starts = starts, details.ends = ends, details.special_mask = special;
    details.characters = options.details == NESTLING_DETAILS_CHARACTERS;
    options.overflowing = options.details = 0, options.threads = 0;
    CHECK(all.text_count == TEXTS && all.offsets[0] == 0 && all.offsets[all.encoding_count] == all.token_count);
    CHECK(all.parts[0] == 0 && all.parts[TEXTS] == all.encoding_count);
    for (size_t i = 0; i < TEXTS; i++) {
        size_t count = COUNT(ids);
        options.second_text = is_paired ? seconds[i] : NULL;
        options.second_length = is_paired ? second_lengths[i] : 0;
        if (!OK(nestling_tokenizer_encode(tokenizer, texts[i], lengths[i], &options, ids, &details, &count))) continue;
        const size_t at = all.offsets[all.parts[i]];
        if (!CHECK_AS(all.offsets[all.parts[i] + 1] - at == count, "text %zu has another number of tokens", i)) continue;
        CHECK_AS(memcmp(all.ids + at, ids, count * sizeof *ids) == 0, "text %zu: other ids", i);
        CHECK(memcmp(all.type_ids + at, types, count * sizeof *types) == 0);
        CHECK(memcmp(all.special_mask + at, special, count) == 0);
        if (all.starts == NULL) continue;
        CHECK(memcmp(all.starts + at, starts, count * sizeof *starts) == 0);
        CHECK(memcmp(all.ends + at, ends, count * sizeof *ends) == 0);
        CHECK(memcmp(all.word_ids + at, words, count * sizeof *words) == 0);
        CHECK(memcmp(all.sequence_ids + at, sequences, count * sizeof *sequences) == 0);
    }
}

static void any_number_of_threads(void) {
    for (int paired = 0; paired < 2; paired++) {
        for (int details = 0; details < 3; details++) {
            nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
            options.details = details;
            options.overflowing = details == 1 && !paired;
            options.maximum_tokens = details == 0 ? 0 : 24;
            options.stride = details == 1 ? 5 : 0;
            options.truncation_side = details == 2 ? NESTLING_SIDE_LEFT : NESTLING_SIDE_RIGHT;
            options.threads = 1;
            nestling_encodings *one = encode(paired, &options);
            compare_with_singles(one, paired, options);
            CHECK((content_of(one).encoding_count > TEXTS) == (options.overflowing == 1));
            static const uint32_t threads[] = {0, 2, 3, 16, 1024};
            for (size_t i = 0; i < COUNT(threads); i++) {
                options.threads = threads[i];
                nestling_encodings *many = encode(paired, &options);
                CHECK_AS(equal(one, many), "%u threads, details %d: another result", (unsigned)threads[i], details);
                nestling_encodings_release(many);
            }
            nestling_encodings_release(one);
        }
    }
}

/* The parts of a text, without what they share, are the text. */
static void parts_of_texts(void) {
    nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
    options.special_tokens = -1;
    nestling_encodings *whole = encode(0, &options);
    options.overflowing = 1;
    options.maximum_tokens = 10;
    options.stride = 4;
    nestling_encodings *cut = encode(0, &options);
    const nestling_encodings_content a = content_of(whole), b = content_of(cut);
    for (size_t text = 0; text < TEXTS; text++) {
        size_t at = a.offsets[text];
        for (size_t part = b.parts[text]; part < b.parts[text + 1]; part++) {
            size_t skipped = part == b.parts[text] ? 0 : options.stride;
            size_t begin = b.offsets[part] + skipped, count = b.offsets[part + 1] - begin;
            CHECK(count + skipped <= 10 && at + count <= a.offsets[text + 1]);
            CHECK(memcmp(b.ids + begin, a.ids + at, count * sizeof *a.ids) == 0);
            at += count;
        }
        CHECK_AS(at == a.offsets[text + 1], "the parts of text %zu do not make it up", text);
    }
    nestling_encodings_release(whole);
    nestling_encodings_release(cut);
}

static nestling_encodings *expected;

static void *serve(void *argument) {
    nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
    options.details = NESTLING_DETAILS_BYTES;
    for (int round = 0; round < 3; round++) {
        nestling_encodings *mine = encode(1, &options);
        CHECK_AS(equal(mine, expected), "thread %d: another result", (int)(intptr_t)argument);
        const nestling_encodings_content content = content_of(expected);
        size_t count = 0, *places = malloc((content.encoding_count + 1) * sizeof *places);
        if (places == NULL) exit(2);
        OK(nestling_tokenizer_decode_batch(tokenizer, content.ids, content.offsets, content.encoding_count, 1, NULL, &count, places));
        CHECK(places[content.encoding_count] == count);
        free(places);
        nestling_encodings_release(mine);
        nestling_encodings_release(nestling_encodings_retain(expected));
    }
    return NULL;
}

static void any_thread(void) {
    nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
    options.details = NESTLING_DETAILS_BYTES;
    expected = encode(1, &options);
    pthread_t servers[SERVERS];
    for (int i = 0; i < SERVERS; i++)
        if (pthread_create(&servers[i], NULL, serve, (void *)(intptr_t)i) != 0) exit(2);
    for (int i = 0; i < SERVERS; i++) pthread_join(servers[i], NULL);
    if (CAN_FORK) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            nestling_encodings *mine = encode(1, &options);
            _exit(equal(mine, expected) ? 0 : 1);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    nestling_encodings_release(expected);
}

static int32_t rising(const char *stage, uint64_t done, uint64_t total, void *user_data) {
    uint64_t *last = user_data;
    CHECK(strcmp(stage, "tokenize") == 0 && total == TEXTS && done <= total && done >= *last);
    *last = done;
    size_t count = 0; /* the library may be called from here */
    OK(nestling_tokenizer_encode(tokenizer, "in between", 10, NULL, NULL, NULL, &count));
    return 0;
}

int main(int argc, char **argv) {
    REQUIRE(nestling_tokenizer_open(sentence_checkpoint(argc, argv), &tokenizer));
    make_texts();
    any_number_of_threads();
    parts_of_texts();
    any_thread();
    nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
    uint64_t last = 0;
    options.progress = rising;
    options.user_data = &last;
    nestling_encodings *encodings = encode(0, &options), *again = nestling_encodings_retain(encodings);
    CHECK(last == TEXTS && again == encodings);

    /* Neither the tokenizer nor the texts are needed any longer. */
    nestling_tokenizer_release(tokenizer);
    for (size_t i = 0; i < TEXTS; i++) free(texts[i]);
    nestling_encodings_release(encodings);
    const nestling_encodings_content content = content_of(again);
    size_t special = 0;
    for (size_t i = 0; i < content.token_count; i++) special += content.special_mask[i];
    CHECK(special == 2 * TEXTS);
    nestling_encodings_release(again);
    return finish();
}
