/* Images: NULL and out-of-range arguments, sizes and strides that cannot be, results in every layout of the same pixels. */
#include "conformance.h"

enum { SIDE = 32, CHANNELS = 3, PIXELS = CHANNELS * SIDE * SIDE, IMAGES = 3, MOST = 2048 };
static float pixels[PIXELS];
static float numbers[MOST], expected[MOST];
static size_t rows[IMAGES + 1];

static nestling_image image_of(uint32_t height, uint32_t width) {
    nestling_image image = NESTLING_IMAGE_INIT;
    image.format = NESTLING_PIXELS_PREPARED;
    image.pixels = pixels;
    image.channels = CHANNELS;
    image.height = height;
    image.width = width;
    return image;
}

/* The three functions that take images, as one. */
typedef enum { ENCODE, STATES, LOGITS } action;
static nestling_status run(action what, nestling_session *session, const nestling_image *images, size_t how_many,
                           const nestling_run_options *options, float *out, size_t *count) {
    switch (what) {
    case ENCODE: return nestling_session_encode_images(session, images, how_many, options, out, count);
    case STATES: return nestling_session_image_hidden_states(session, images, how_many, options, out, count, rows);
    default: return nestling_session_image_logits(session, images, how_many, options, out, count, rows);
    }
}

static void refusing(action what, nestling_session *session) {
    nestling_image images[IMAGES] = {image_of(32, 32), image_of(16, 24), image_of(8, 9)};
    size_t count = MOST;
    numbers[0] = 77;
    rows[0] = rows[IMAGES] = 77;
    REFUSED(INVALID, "session", run(what, NULL, images, IMAGES, NULL, numbers, &count));
    REFUSED(INVALID, "images", run(what, session, NULL, IMAGES, NULL, numbers, &count));
    REFUSED(INVALID, "count", run(what, session, images, IMAGES, NULL, numbers, NULL));
    REFUSED(INVALID, "image_count", run(what, session, images, SIZE_MAX, NULL, numbers, &count));

    static const struct {
        const char *culprits;
        size_t offset;
        uint32_t value;
    } fields[] = {
        {"format", offsetof(nestling_image, format), 3},         {"format", offsetof(nestling_image, format), UINT32_MAX},
        {"reserved", offsetof(nestling_image, reserved), 1},     {"pixels", offsetof(nestling_image, width), 0},
        {"pixels", offsetof(nestling_image, height), 0},         {"pixels", offsetof(nestling_image, width), UINT32_MAX},
        {"pixels", offsetof(nestling_image, height), UINT32_MAX}, {"patch", offsetof(nestling_image, width), 7},
        {"patch", offsetof(nestling_image, height), 7},          {"channels", offsetof(nestling_image, channels), 0},
        {"channels", offsetof(nestling_image, channels), 1},     {"channels", offsetof(nestling_image, channels), 4},
        {"channels", offsetof(nestling_image, channels), UINT32_MAX},
        {"struct_size", offsetof(nestling_image, struct_size), 0}, {"struct_size", offsetof(nestling_image, struct_size), 8},
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        nestling_image changed[IMAGES];
        memcpy(changed, images, sizeof images);
        memcpy((char *)&changed[1] + fields[i].offset, &fields[i].value, sizeof fields[i].value);
        REFUSED(ANY, fields[i].culprits, run(what, session, changed, IMAGES, NULL, numbers, &count));
        CHECK_AS(strstr(nestling_last_error_message(), "image 1") != NULL, "the message does not name image 1: %s",
                 nestling_last_error_message());
    }
    static const int64_t strides[] = {INT64_MIN, INT64_MAX, INT64_MIN / 31, (int64_t)1 << 58};
    for (size_t i = 0; i < COUNT(strides); i++) {
        for (int which = 0; which < 3; which++) {
            nestling_image changed[IMAGES];
            memcpy(changed, images, sizeof images);
            *(which == 0 ? &changed[1].row_stride : which == 1 ? &changed[1].pixel_stride : &changed[1].channel_stride) = strides[i];
            REFUSED(INVALID, "image 1", run(what, session, changed, IMAGES, NULL, numbers, &count));
        }
    }
    images[2].pixels = NULL;
    REFUSED(INVALID, "image 2", run(what, session, images, IMAGES, NULL, numbers, &count));
    images[2] = image_of(8, 9);
    float finite = pixels[40];
    pixels[40] = (float)(1e38 * 1e38);
    REFUSED(INVALID, "image 0", run(what, session, images, IMAGES, NULL, numbers, &count));
    pixels[40] = finite;

    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    static const int32_t types[1];
    options.token_type_ids = types;
    REFUSED(INVALID, "token_type_ids", run(what, session, images, IMAGES, &options, numbers, &count));
    options.token_type_ids = NULL;
    options.prompt = "x";
    REFUSED(INVALID, "prompt", run(what, session, images, IMAGES, &options, numbers, &count));
    CHECK(numbers[0] == 77 && rows[0] == 77 && rows[IMAGES] == 77 && count == MOST);

    /* Sizes: asked for, too small by one, just enough, nothing. */
    size_t needed = 0;
    OK(run(what, session, images, IMAGES, NULL, NULL, &needed));
    CHECK(needed > 0 && needed <= MOST);
    count = needed - 1;
    REFUSED(TOO_SMALL, "", run(what, session, images, IMAGES, NULL, numbers, &count));
    CHECK(count == needed && numbers[0] == 77);
    OK(run(what, session, images, IMAGES, NULL, numbers, &count));
    CHECK(count == needed && numbers[0] != 77);
    if (what == STATES) CHECK(rows[0] == 0 && rows[1] == 17 && rows[2] == 17 + 7 && rows[3] == 17 + 7 + 2);
    if (what == LOGITS) CHECK(rows[1] == 1 && rows[3] == 3);
    count = MOST;
    OK(run(what, session, NULL, 0, NULL, numbers, &count));
    CHECK(count == 0);
}

/* The same pixels in other orders give the same bits; so do structs that are longer than this library's. */
static void layouts(action what, nestling_session *session) {
    nestling_image plain = image_of(32, 32);
    size_t count = MOST;
    OK(run(what, session, &plain, 1, NULL, expected, &count));
    size_t bytes = count * sizeof *expected;
    static float other[PIXELS];

    nestling_image interleaved = plain;
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int pixel = 0; pixel < SIDE * SIDE; pixel++) other[pixel * CHANNELS + channel] = pixels[channel * SIDE * SIDE + pixel];
    interleaved.pixels = other;
    interleaved.row_stride = SIDE * CHANNELS * 4, interleaved.pixel_stride = CHANNELS * 4, interleaved.channel_stride = 4;
    count = MOST;
    OK(run(what, session, &interleaved, 1, NULL, numbers, &count));
    CHECK(memcmp(numbers, expected, bytes) == 0);

    nestling_image upside_down = plain;
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int row = 0; row < SIDE; row++)
            memcpy(other + (channel * SIDE + SIDE - 1 - row) * SIDE, pixels + (channel * SIDE + row) * SIDE, SIDE * sizeof(float));
    upside_down.pixels = other + (SIDE - 1) * SIDE;
    upside_down.row_stride = -SIDE * 4;
    count = MOST;
    OK(run(what, session, &upside_down, 1, NULL, numbers, &count));
    CHECK(memcmp(numbers, expected, bytes) == 0);

    struct {
        nestling_image known;
        uint64_t newer;
    } longer[2] = {{plain, 0}, {plain, 0}};
    longer[0].known.struct_size = longer[1].known.struct_size = sizeof *longer;
    count = MOST;
    OK(run(what, session, &longer[0].known, 2, NULL, numbers, &count));
    CHECK(memcmp(numbers, expected, bytes) == 0 && memcmp(numbers + bytes / sizeof(float), expected, bytes) == 0);
    longer[1].newer = 1;
    REFUSED(UNSUPPORTED, "image 1", run(what, session, &longer[0].known, 2, NULL, numbers, &count));
}

int main(int argc, char **argv) {
    const char *sentence = sentence_checkpoint(argc, argv);
    int32_t integers[PIXELS];
    fill_ids(integers, PIXELS, 2000, 5);
    for (size_t i = 0; i < PIXELS; i++) pixels[i] = (float)(integers[i] - 1000) / 500;

    static const struct {
        const char *name;
        action what;
    } cases[] = {{"vit/base", ENCODE}, {"vit/base", STATES}, {"deit/with-teacher", LOGITS}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        nestling_model *model = NULL;
        nestling_session *session = NULL;
        REQUIRE(nestling_model_open(path_in(argv[1], cases[i].name), NULL, &model));
        REQUIRE(nestling_session_create(model, NULL, &session));
        nestling_model_info info = info_of(model);
        CHECK(info.vocabulary_size == 0 && info.token_types == 0 && info.has_tokenizer == 0);
        if (i < 2) refusing(cases[i].what, session);
        layouts(cases[i].what, session);
        /* Models of images take no token ids. */
        static const int32_t ids[1];
        static const size_t offsets[] = {0, 1};
        size_t count = MOST;
        REFUSED(INVALID, "images", nestling_session_encode(session, ids, offsets, 1, NULL, numbers, &count));
        nestling_session_release(session);
        nestling_model_release(model);
    }
    /* And models of tokens no images. */
    nestling_model *model = NULL;
    nestling_session *session = NULL;
    REQUIRE(nestling_model_open(sentence, NULL, &model));
    REQUIRE(nestling_session_create(model, NULL, &session));
    nestling_image image = image_of(32, 32);
    size_t count = MOST;
    REFUSED(INVALID, "token ids", nestling_session_encode_images(session, &image, 1, NULL, numbers, &count));
    nestling_session_release(session);
    nestling_model_release(model);
    return finish();
}
