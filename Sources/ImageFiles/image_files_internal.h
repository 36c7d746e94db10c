#ifndef NESTLING_IMAGE_FILES_INTERNAL_H
#define NESTLING_IMAGE_FILES_INTERNAL_H

#include "image_files.h"

/* Makes room for a picture of this size, of which a file of `count` bytes can hold `pixels_per_byte` for each. */
int image_file_allocate(
    uint32_t width, uint32_t height, size_t count, uint64_t pixels_per_byte, const image_file_limits *limits,
    image_file_picture *picture);

#endif
