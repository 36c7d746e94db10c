/* PNG and JPEG files as pixels: libpng and libjpeg behind functions that return. The two report errors by longjmp, which must
 * not cross Swift's frames, so all of it stays in these files. They know nothing of the rest of the package.
 */
#ifndef NESTLING_IMAGE_FILES_H
#define NESTLING_IMAGE_FILES_H

#include <stddef.h>
#include <stdint.h>

enum {
    image_file_ok = 0,
    image_file_damaged = 1,
    image_file_unsupported = 2,
    image_file_out_of_memory = 3,
};

typedef struct image_file_picture {
    uint32_t width, height;
    uint8_t *pixels;   /* [height, width, 3], red, green, blue; image_file_release frees it */
    char message[200]; /* what is wrong, one line, if the function failed */
} image_file_picture;

/* What may be decoded. Sizes are compared with these, and with what `count` bytes can hold at most, before pixels are allocated. */
typedef struct image_file_limits {
    uint32_t longest_side;
    uint64_t most_pixels;
} image_file_limits;

/* Whether the first bytes are those of such a file. */
int image_file_is_png(const uint8_t *bytes, size_t count);
int image_file_is_jpeg(const uint8_t *bytes, size_t count);

/* Decodes a PNG file as Pillow's convert("RGB") does: gray and palettes become colours, alpha is dropped, and gamma and profiles
 * are not looked at. Of samples of 16 bits the upper 8 count. */
int image_file_read_png(
    const uint8_t *bytes, size_t count, const image_file_limits *limits, image_file_picture *picture);

/* Decodes a JPEG file as Pillow's convert("RGB") does: CMYK is taken as Adobe writes it (inverted), profiles and the orientation
 * that Exif notes are not looked at. A file that is cut off, or whose coded data is damaged, is refused. */
int image_file_read_jpeg(
    const uint8_t *bytes, size_t count, const image_file_limits *limits, image_file_picture *picture);

/* Frees the pixels. */
void image_file_release(image_file_picture *picture);

#endif
