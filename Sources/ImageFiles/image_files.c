#include "image_files_internal.h"

#include <stdio.h>
#include <stdlib.h>

int image_file_allocate(
    uint32_t width, uint32_t height, size_t count, uint64_t pixels_per_byte, const image_file_limits *limits,
    image_file_picture *picture) {
    uint64_t pixels = (uint64_t)width * height;
    if (width == 0 || height == 0) {
        snprintf(picture->message, sizeof picture->message, "it has no pixels (%u x %u)", width, height);
        return image_file_damaged;
    }
    if (width > limits->longest_side || height > limits->longest_side || pixels > limits->most_pixels) {
        snprintf(
            picture->message, sizeof picture->message, "its %u x %u pixels are too many: at most %llu, and %u in a row or column",
            width, height, (unsigned long long)limits->most_pixels, limits->longest_side);
        return image_file_unsupported;
    }
    if (pixels / pixels_per_byte > count) {
        snprintf(
            picture->message, sizeof picture->message, "%zu bytes cannot hold the %u x %u pixels that it claims", count, width,
            height);
        return image_file_damaged;
    }
    picture->width = width;
    picture->height = height;
    picture->pixels = malloc((size_t)pixels * 3);
    if (picture->pixels != NULL) return image_file_ok;
    snprintf(picture->message, sizeof picture->message, "there is no memory for its %u x %u pixels", width, height);
    return image_file_out_of_memory;
}

void image_file_release(image_file_picture *picture) {
    free(picture->pixels);
    picture->pixels = NULL;
}
