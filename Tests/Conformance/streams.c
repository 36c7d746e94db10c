/* Decode streams: every argument wrong, sizes that move nothing, half characters, threads, lifetimes. */
#include "conformance.h"

#include <pthread.h>

static nestling_tokenizer *tokenizer;

static nestling_decode_stream *stream_of(int32_t skip_special) {
    nestling_decode_stream *stream = NULL;
    REQUIRE(nestling_decode_stream_create(tokenizer, skip_special, &stream));
    return stream;
}

static void arguments(void) {
    nestling_decode_stream *stream = UNTOUCHED;
    REFUSED(INVALID, "tokenizer", nestling_decode_stream_create(NULL, 0, &stream));
    REFUSED(INVALID, "out_stream", nestling_decode_stream_create(tokenizer, 0, NULL));
    CHECK(stream == UNTOUCHED);
    nestling_decode_stream_release(NULL);
    stream = stream_of(0);
    char text[64] = "#";
    size_t count = 9;
    REFUSED(INVALID, "stream", nestling_decode_stream_append(NULL, 100, text, &count));
    REFUSED(INVALID, "inout_count", nestling_decode_stream_append(stream, 100, text, NULL));
    REFUSED(INVALID, "stream", nestling_decode_stream_finish(NULL, text, &count));
    REFUSED(INVALID, "inout_count", nestling_decode_stream_finish(stream, text, NULL));
    CHECK(count == 9 && text[0] == '#');
    static const int32_t strange[] = {-1, INT32_MIN, 205, INT32_MAX};
    for (size_t i = 0; i < COUNT(strange); i++) {
        count = sizeof text;
        OK(nestling_decode_stream_append(stream, strange[i], text, &count));
        CHECK(count == 1 && text[0] == 0); /* ids past the vocabulary have no text */
    }
    nestling_decode_stream_release(stream);
}

/* Appends the id, asking first and offering too little on the way: none of that may move the stream. */
static size_t append(nestling_decode_stream *stream, int32_t id, char *text) {
    size_t count = 0, needed;
    OK(nestling_decode_stream_append(stream, id, NULL, &count));
    needed = count;
    OK(nestling_decode_stream_append(stream, id, NULL, &count));
    CHECK(count == needed && needed > 0);
    count = needed - 1;
    text[0] = '#';
    REFUSED(TOO_SMALL, "", nestling_decode_stream_append(stream, id, text, &count));
    CHECK(count == needed && text[0] == '#');
    OK(nestling_decode_stream_append(stream, id, text, &count));
    CHECK(count == needed && strlen(text) + 1 == needed);
    return needed - 1;
}

static size_t finish_stream(nestling_decode_stream *stream, char *text) {
    size_t count = 0, needed;
    OK(nestling_decode_stream_finish(stream, NULL, &count));
    needed = count;
    count = needed - 1;
    REFUSED(TOO_SMALL, "", nestling_decode_stream_finish(stream, text, &count));
    OK(nestling_decode_stream_finish(stream, text, &count));
    CHECK(count == needed);
    count = 1;
    OK(nestling_decode_stream_finish(stream, text + needed - 1, &count)); /* the stream is empty now */
    CHECK(count == 1 && text[needed - 1] == 0);
    return needed - 1;
}

static void expect_text(const int32_t *ids, size_t count, int32_t skip_special) {
    char streamed[4096], whole[4096];
    nestling_decode_stream *stream = stream_of(skip_special);
    for (int round = 0; round < 2; round++) { /* a stream that has ended is as new */
        size_t size = 0;
        for (size_t i = 0; i < count; i++) size += append(stream, ids[i], streamed + size);
        finish_stream(stream, streamed + size);
        size = sizeof whole;
        OK(nestling_tokenizer_decode(tokenizer, ids, count, skip_special, whole, &size));
        CHECK_AS(strcmp(streamed, whole) == 0, "the stream says %s, not %s", streamed, whole);
    }
    nestling_decode_stream_release(stream);
}

/* A byte-level tokenizer, in which every byte is a token: characters arrive in parts. */
static void half_characters(void) {
    char json[16384];
    size_t size = (size_t)sprintf(json, "{\"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {");
    unsigned extra = 256;
    for (unsigned byte = 0; byte < 256; byte++) {
        int shown = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        size += (size_t)sprintf(json + size, "%s\"\\u%04x\": %u", byte ? ", " : "", shown ? byte : extra++, byte);
    }
    sprintf(json + size, "}}, \"decoder\": {\"type\": \"ByteLevel\"}}");
    nestling_tokenizer *kept = tokenizer;
    REQUIRE(nestling_tokenizer_open_memory(json, strlen(json), &tokenizer));
    nestling_decode_stream *stream = stream_of(0);
    static const unsigned char bytes[] = "a\xc3\xa9\xe6\x9d\xb1\xf0\x9f\x90\xa6z";
    static const char *const steps[] = {"a", "", "\xc3\xa9", "", "", "\xe6\x9d\xb1", "", "", "", "\xf0\x9f\x90\xa6", "z"};
    char text[64];
    for (size_t i = 0; i < COUNT(steps); i++) {
        append(stream, bytes[i], text);
        CHECK_AS(strcmp(text, steps[i]) == 0, "byte %zu gave \"%s\"", i, text);
    }
    CHECK(finish_stream(stream, text) == 0);
    append(stream, 0xE6, text);
    append(stream, 0x9D, text);
    CHECK(text[0] == 0);
    finish_stream(stream, text);
    CHECK_AS(strcmp(text, "\xef\xbf\xbd") == 0, "half a character ended as \"%s\"", text);
    /* The stream keeps its tokenizer. */
    nestling_tokenizer_release(tokenizer);
    append(stream, 'x', text);
    CHECK(strcmp(text, "x") == 0);
    nestling_decode_stream_release(stream);
    tokenizer = kept;
}

static atomic_int refused;

static void *use(void *argument) {
    char text[256];
    for (int i = 0; i < 20000; i++) {
        size_t count = sizeof text;
        nestling_status status = nestling_decode_stream_append(argument, 100 + i % 50, text, &count);
        if (status != NESTLING_OK) {
            refused++;
            CHECK(status == INVALID && strstr(nestling_last_error_message(), "use") != NULL);
        }
        if (i % 64 == 0) {
            count = sizeof text;
            if (nestling_decode_stream_finish(argument, text, &count) != NESTLING_OK) refused++;
        }
    }
    return NULL;
}

/* A second thread is refused, not harmed. */
static void two_threads(void) {
    nestling_decode_stream *stream = stream_of(0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, use, stream) != 0) exit(2);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    printf("%d calls refused\n", (int)refused);
    char text[4096]; /* the stream is free again */
    size_t count = sizeof text;
    OK(nestling_decode_stream_finish(stream, text, &count));
    append(stream, 100, text);
    nestling_decode_stream_release(stream);
}

int main(int argc, char **argv) {
    REQUIRE(nestling_tokenizer_open(sentence_checkpoint(argc, argv), &tokenizer));
    arguments();
    int32_t ids[60];
    for (uint32_t seed = 0; seed < 20; seed++) {
        fill_ids(ids, COUNT(ids), nestling_tokenizer_vocabulary_size(tokenizer), seed);
        expect_text(ids, COUNT(ids), 1);
    }
    half_characters();
    two_threads();
    nestling_tokenizer_release(tokenizer);
    return finish();
}
