/* Pixels as decoders give them: prepared in every layout, on any number of threads, and refused where they are none. */
#include "conformance.h"

enum { WIDTH = 41, HEIGHT = 29, IMAGES = 2, SIDE = 32, EACH = 3 * SIDE * SIDE, MOST = IMAGES * EACH };
static unsigned char bytes[HEIGHT][WIDTH][4];
static float floats[HEIGHT][WIDTH][3];
static float numbers[MOST + 1], expected[MOST];
static uint32_t sizes[2 * IMAGES];

static nestling_image image_of(uint32_t format) {
    nestling_image image = NESTLING_IMAGE_INIT;
    image.format = format;
    image.pixels = format == NESTLING_PIXELS_U8 ? (const void *)bytes : (const void *)floats;
    image.width = WIDTH;
    image.height = HEIGHT;
    image.channels = 3;
    if (format == NESTLING_PIXELS_U8) image.pixel_stride = 4, image.row_stride = sizeof bytes[0];
    return image;
}

static nestling_status prepare(const nestling_model *model, const nestling_image *images, size_t *count) {
    return nestling_model_prepare_images(model, images, IMAGES, numbers, count, sizes);
}

static void sizes_and_nulls(const nestling_model *model) {
    nestling_image images[IMAGES] = {image_of(NESTLING_PIXELS_U8), image_of(NESTLING_PIXELS_U8)};
    size_t count = 0;
    numbers[0] = 77, sizes[0] = 77;
    REFUSED(INVALID, "model", prepare(NULL, images, &count));
    REFUSED(INVALID, "images", prepare(model, NULL, &count));
    REFUSED(INVALID, "inout_count", prepare(model, images, NULL));
    REFUSED(INVALID, "image_count", nestling_model_prepare_images(model, images, SIZE_MAX, numbers, &count, sizes));
    REFUSED(TOO_SMALL, "", prepare(model, images, &count));
    CHECK(count == MOST && numbers[0] == 77 && sizes[0] == 77);
    count = MOST - 1;
    REFUSED(TOO_SMALL, "", prepare(model, images, &count));
    OK(nestling_model_prepare_images(model, images, IMAGES, NULL, &count, sizes));
    CHECK(count == MOST && numbers[0] == 77);
    for (size_t i = 0; i < COUNT(sizes); i++) CHECK(sizes[i] == SIDE);
    numbers[MOST] = 77;
    count = MOST + 1;
    OK(nestling_model_prepare_images(model, images, IMAGES, numbers, &count, NULL));
    CHECK(count == MOST && numbers[0] != 77 && numbers[MOST] == 77);
    OK(nestling_model_prepare_images(model, NULL, 0, numbers, &count, sizes));
    CHECK(count == 0);
}

static void layouts(const nestling_model *model) {
    nestling_image images[IMAGES] = {image_of(NESTLING_PIXELS_U8), image_of(NESTLING_PIXELS_U8)};
    size_t count = MOST;
    OK(nestling_set_thread_count(1));
    OK(prepare(model, images, &count));
    memcpy(expected, numbers, sizeof expected);
    OK(nestling_set_thread_count(0));
    OK(prepare(model, images, &count));
    CHECK(memcmp(numbers, expected, sizeof expected) == 0);
    /* A fully opaque fourth channel changes nothing. */
    images[1].channels = 4;
    OK(prepare(model, images, &count));
    CHECK(memcmp(numbers, expected, sizeof expected) == 0);
    /* Blue, green, red; and planes. */
    static unsigned char planes[3][HEIGHT][WIDTH];
    static unsigned char turned[HEIGHT][WIDTH][3];
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++) planes[c][y][x] = turned[HEIGHT - 1 - y][x][2 - c] = bytes[y][x][c];
    images[0] = images[1] = image_of(NESTLING_PIXELS_U8);
    images[0].pixels = planes;
    images[0].row_stride = WIDTH, images[0].pixel_stride = 1, images[0].channel_stride = WIDTH * HEIGHT;
    images[1].pixels = &turned[HEIGHT - 1][0][2];
    images[1].row_stride = -(int64_t)sizeof turned[0], images[1].pixel_stride = 3, images[1].channel_stride = -1;
    OK(prepare(model, images, &count));
    CHECK(memcmp(numbers, expected, sizeof expected) == 0);
    /* Floats differ by roundings to 8 bits; here means and deviations are 1/2. */
    images[0] = images[1] = image_of(NESTLING_PIXELS_F32);
    OK(prepare(model, images, &count));
    for (size_t i = 0; i < MOST; i++) CHECK(numbers[i] - expected[i] < 3.0f / 255 && expected[i] - numbers[i] < 3.0f / 255);
    /* What is prepared stays as it is. */
    memcpy(expected, numbers, sizeof expected);
    for (size_t i = 0; i < IMAGES; i++) {
        images[i] = image_of(NESTLING_PIXELS_PREPARED);
        images[i].pixels = expected + i * EACH;
        images[i].width = images[i].height = SIDE;
    }
    OK(prepare(model, images, &count));
    CHECK(memcmp(numbers, expected, sizeof expected) == 0);
}

static void refusals(const nestling_model *model, nestling_session *session) {
    nestling_image images[IMAGES] = {image_of(NESTLING_PIXELS_U8), image_of(NESTLING_PIXELS_F32)};
    size_t count = MOST;
    static const float none[] = {(float)(1e38 * 1e38), -1, 1.01f, 255};
    for (size_t i = 0; i <= COUNT(none); i++) {
        memset(&floats[3][5][1], 0xFF, sizeof(float)); /* not a number */
        if (i < COUNT(none)) floats[3][5][1] = none[i];
        REFUSED(INVALID, "image 1", prepare(model, images, &count));
        REFUSED(INVALID, "image 1", nestling_session_encode_images(session, images, IMAGES, NULL, numbers, &count));
    }
    floats[3][5][1] = 0;
    static const uint32_t wrong[] = {0, 2, 5, UINT32_MAX};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        images[1].channels = wrong[i];
        REFUSED(INVALID, "image 1", prepare(model, images, &count));
    }
    images[1].channels = 3;
    static const uint32_t sides[] = {0, 65536, UINT32_MAX};
    for (size_t i = 0; i < COUNT(sides); i++) {
        images[1].width = sides[i];
        REFUSED(INVALID, "image 1", prepare(model, images, &count));
    }
    images[1].width = WIDTH;
    images[1].row_stride = INT64_MIN;
    REFUSED(INVALID, "image 1", prepare(model, images, &count));
}

int main(int argc, char **argv) {
    const char *sentence = sentence_checkpoint(argc, argv);
    int32_t levels[HEIGHT * WIDTH * 3];
    fill_ids(levels, COUNT(levels), 256, 3);
    for (size_t i = 0; i < COUNT(levels); i++) {
        bytes[i / 3 / WIDTH][i / 3 % WIDTH][i % 3] = (unsigned char)levels[i];
        floats[i / 3 / WIDTH][i / 3 % WIDTH][i % 3] = (float)levels[i] / 255;
        bytes[i / 3 / WIDTH][i / 3 % WIDTH][3] = 255;
    }
    nestling_model *model = NULL;
    nestling_session *session = NULL;
    REQUIRE(nestling_model_open(path_in(argv[1], "vit/image-classification"), NULL, &model));
    REQUIRE(nestling_session_create(model, NULL, &session));
    sizes_and_nulls(model);
    layouts(model);
    refusals(model, session);
    nestling_session_release(session);
    nestling_model_release(model);

    /* Without settings only prepared pixels are taken, and models of tokens take none. */
    nestling_image images[IMAGES] = {image_of(NESTLING_PIXELS_U8), image_of(NESTLING_PIXELS_U8)};
    size_t count = MOST;
    REQUIRE(nestling_model_open(path_in(argv[1], "vit/base"), NULL, &model));
    REFUSED(UNSUPPORTED, "preprocessor_config.json", prepare(model, images, &count));
    nestling_model_release(model);
    REQUIRE(nestling_model_open(sentence, NULL, &model));
    REFUSED(INVALID, "token ids", prepare(model, images, &count));
    nestling_model_release(model);
    return finish();
}
