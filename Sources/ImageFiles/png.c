#include "image_files_internal.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What outlives a longjmp: reached through a pointer, so that no register holds an old copy. */
typedef struct png_work {
    const uint8_t *bytes;
    size_t count, position;
    image_file_picture *picture;
    png_bytep *rows;
    jmp_buf failed;
} png_work;

static void read_bytes(png_structp png, png_bytep out, size_t count) {
    png_work *work = png_get_io_ptr(png);
    if (count > work->count - work->position) png_error(png, "it ends too early");
    memcpy(out, work->bytes + work->position, count);
    work->position += count;
}

static _Noreturn void fail(png_structp png, png_const_charp message) {
    png_work *work = png_get_error_ptr(png);
    snprintf(work->picture->message, sizeof work->picture->message, "%s", message);
    longjmp(work->failed, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

/* Any picture becomes 8-bit RGB. */
static void set_transformations(png_structp png, int bit_depth, int color_type) {
    if (color_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (bit_depth < 8 && !(color_type & PNG_COLOR_MASK_COLOR)) png_set_expand_gray_1_2_4_to_8(png);
    if (bit_depth == 16) png_set_strip_16(png);
    if (!(color_type & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
}

static int read_picture(png_structp png, png_infop info, png_work *work, const image_file_limits *limits) {
    image_file_picture *picture = work->picture;
    png_set_read_fn(png, work, read_bytes);
    png_set_user_limits(png, limits->longest_side, limits->longest_side);
    /* Texts, times, profiles and what else does not change pixels: nothing of it is even unpacked. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, info);
    png_uint_32 width = 0, height = 0;
    int bit_depth = 0, color_type = 0;
    png_get_IHDR(png, info, &width, &height, &bit_depth, &color_type, NULL, NULL, NULL);
    /* Deflate packs at most 1032 bytes into one, and one bit may be a pixel. */
    uint64_t bits = (uint64_t)bit_depth * png_get_channels(png, info);
    int status = image_file_allocate(width, height, work->count, 1032 * 8 / bits + 1, limits, picture);
    if (status != image_file_ok) return status;
    set_transformations(png, bit_depth, color_type);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t stride = (size_t)width * 3;
    if (png_get_rowbytes(png, info) != stride) png_error(png, "its pixels cannot be made RGB");
    work->rows = malloc(height * sizeof *work->rows);
    if (work->rows == NULL) {
        snprintf(picture->message, sizeof picture->message, "there is no memory for its %u rows", (unsigned)height);
        return image_file_out_of_memory;
    }
    for (size_t row = 0; row < height; ++row) work->rows[row] = picture->pixels + row * stride;
    png_read_image(png, work->rows);
    png_read_end(png, NULL);
    return image_file_ok;
}

int image_file_is_png(const uint8_t *bytes, size_t count) {
    return count >= 8 && png_sig_cmp((png_const_bytep)bytes, 0, 8) == 0;
}

int image_file_read_png(
    const uint8_t *bytes, size_t count, const image_file_limits *limits, image_file_picture *picture) {
    memset(picture, 0, sizeof *picture);
    png_work work = {.bytes = bytes, .count = count, .picture = picture};
    png_structp volatile png = NULL;
    png_infop volatile info = NULL;
    volatile int status = image_file_damaged;
    if (setjmp(work.failed) == 0) {
        png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &work, fail, ignore_warning);
        if (png != NULL) info = png_create_info_struct(png);
        if (info != NULL) {
            status = read_picture(png, info, &work, limits);
        } else {
            status = image_file_out_of_memory;
            snprintf(picture->message, sizeof picture->message, "there is no memory to read it");
        }
    }
    png_structp made_png = png;
    png_infop made_info = info;
    if (made_png != NULL) png_destroy_read_struct(&made_png, made_info != NULL ? &made_info : NULL, NULL);
    free(work.rows);
    if (status != image_file_ok) image_file_release(picture);
    return status;
}
