/* Pixels in, vectors and scores out: what a decoder gives is resized, cropped and normalized as the checkpoint says.
 *
 *     06_images CHECKPOINT
 */
#include <nestling.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 320, HEIGHT = 200 };

static void check(nestling_status status, const char *what) {
    if (status == NESTLING_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nestling_status_name(status), nestling_last_error_message());
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s CHECKPOINT\n", argv[0]);
        return 2;
    }
    nestling_model *model = NULL;
    nestling_session *session = NULL;
    check(nestling_model_open(argv[1], NULL, &model), "open");
    check(nestling_session_create(model, NULL, &session), "create a session");
    nestling_model_info info = {.struct_size = sizeof info};
    check(nestling_model_get_info(model, &info), "get info");

    /* A disc on a slope of colours, as libjpeg would give it: rows of red, green and blue bytes. */
    static unsigned char pixels[HEIGHT][WIDTH][3];
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int dx = x - WIDTH / 2, dy = y - HEIGHT / 2;
            int inside = dx * dx + dy * dy < 70 * 70;
            pixels[y][x][0] = (unsigned char)(inside ? 240 : x * 255 / WIDTH);
            pixels[y][x][1] = (unsigned char)(inside ? 200 : y * 255 / HEIGHT);
            pixels[y][x][2] = (unsigned char)(inside ? 40 : 128);
        }
    nestling_image image = NESTLING_IMAGE_INIT;
    image.format = NESTLING_PIXELS_U8;
    image.pixels = pixels;
    image.width = WIDTH;
    image.height = HEIGHT;
    image.channels = 3;

    /* The same picture upside down and left to right, without a copy: strides may be negative. */
    nestling_image images[2] = {image, image};
    images[1].pixels = &pixels[HEIGHT - 1][WIDTH - 1][0];
    images[1].row_stride = -(int64_t)sizeof pixels[0];
    images[1].pixel_stride = -(int64_t)sizeof pixels[0][0];

    uint32_t sizes[4];
    size_t count = 0;
    check(nestling_model_prepare_images(model, images, 2, NULL, &count, sizes), "sizes");
    printf("%d x %d pixels become %u x %u, %zu floats for both\n", WIDTH, HEIGHT, sizes[1], sizes[0], count);

    count = 2 * (size_t)info.output_dimensions;
    float *vectors = malloc(count * sizeof *vectors);
    if (vectors == NULL) return 1;
    check(nestling_session_encode_images(session, images, 2, NULL, vectors, &count), "encode");
    for (size_t i = 0; i < 2; i++) {
        printf("image %zu:", i);
        for (size_t d = 0; d < 4 && d < info.output_dimensions; d++)
            printf(" %9.5f", vectors[i * info.output_dimensions + d]);
        printf(" ...\n");
    }

    free(vectors);
    nestling_session_release(session);
    nestling_model_release(model);
    return 0;
}
