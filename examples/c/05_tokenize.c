/* Many texts to token ids on threads, with the places of the tokens in the texts; and back to text, id by id.
 *
 *     05_tokenize CHECKPOINT-OR-TOKENIZER
 */
#include <nestling.h>
#include <stdio.h>
#include <stdlib.h>

static void check(nestling_status status, const char *what) {
    if (status == NESTLING_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nestling_status_name(status), nestling_last_error_message());
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s CHECKPOINT-OR-TOKENIZER\n", argv[0]);
        return 2;
    }
    nestling_tokenizer *tokenizer = NULL;
    check(nestling_tokenizer_open(argv[1], &tokenizer), "open");

    enum { TEXTS = 3 };
    const char *texts[TEXTS] = {"A nest of sentences.", "Birds sing.", "Longer texts are cut into parts that overlap."};
    nestling_tokenize_options options = NESTLING_TOKENIZE_OPTIONS_INIT;
    options.maximum_tokens = 8; /* special tokens included */
    options.stride = 2;         /* tokens that a part shares with the one before */
    options.overflowing = 1;    /* keep the parts that were cut off */
    options.details = NESTLING_DETAILS_BYTES;

    nestling_encodings *encodings = NULL;
    check(nestling_tokenizer_encode_batch(tokenizer, texts, NULL, NULL, NULL, TEXTS, &options, &encodings), "encode");
    nestling_encodings_content content = NESTLING_ENCODINGS_CONTENT_INIT;
    check(nestling_encodings_get_content(encodings, &content), "get content");
    printf("%zu texts, %zu parts, %zu tokens\n", content.text_count, content.encoding_count, content.token_count);

    for (size_t text = 0; text < content.text_count; text++)
        for (size_t part = content.parts[text]; part < content.parts[text + 1]; part++) {
            printf("text %zu:", text);
            for (size_t token = content.offsets[part]; token < content.offsets[part + 1]; token++) {
                int length = (int)(content.ends[token] - content.starts[token]);
                printf(" %d", (int)content.ids[token]);
                if (length > 0) printf(" \"%.*s\"", length, texts[text] + content.starts[token]);
            }
            printf("\n");
        }

    /* As a model that writes text would give the ids: one after another. Each call says what is certain by now. */
    nestling_decode_stream *stream = NULL;
    check(nestling_decode_stream_create(tokenizer, 1, &stream), "create a stream");
    char piece[256];
    size_t size;
    printf("streamed:");
    for (size_t token = content.offsets[0]; token < content.offsets[1]; token++) {
        size = sizeof piece;
        check(nestling_decode_stream_append(stream, content.ids[token], piece, &size), "append");
        printf(" \"%s\"", piece);
    }
    size = sizeof piece;
    check(nestling_decode_stream_finish(stream, piece, &size), "finish");
    printf(" \"%s\"\n", piece);

    nestling_decode_stream_release(stream); /* any order */
    nestling_tokenizer_release(tokenizer);
    nestling_encodings_release(encodings);
    return 0;
}
