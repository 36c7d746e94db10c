#include "image_files_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* What outlives a longjmp: reached through a pointer, so that no register holds an old copy. */
typedef struct jpeg_work {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    image_file_picture *picture;
    uint8_t *row;
    int status;
    jmp_buf failed;
} jpeg_work;

/* More scans than any encoder writes: a small file of thousands of them would take minutes. */
enum { most_scans = 500 };
/* For the coefficients of a progressive file. */
static const long most_memory = 2L << 30;
/* A block of 64 pixels takes at least a bit, and that of a component of lesser sampling 16 times as many pixels. */
static const uint64_t pixels_per_byte = 8 * 64 * 16;

static _Noreturn void fail(j_common_ptr info) {
    jpeg_work *work = (jpeg_work *)info->err;
    char message[JMSG_LENGTH_MAX];
    info->err->format_message(info, message);
    snprintf(work->picture->message, sizeof work->picture->message, "%.*s", (int)sizeof work->picture->message - 1, message);
    longjmp(work->failed, 1);
}

/* Warnings that some pixels are made up are errors; others are not worth a word. */
static void warn(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC: fail(info);
    default: return;
    }
}

static void ignore_message(j_common_ptr info) { (void)info; }

static void refuse_many_scans(j_common_ptr info) {
    jpeg_work *work = (jpeg_work *)info->err;
    if (!info->is_decompressor || ((j_decompress_ptr)info)->input_scan_number <= most_scans) return;
    snprintf(work->picture->message, sizeof work->picture->message, "it has more than %d scans", most_scans);
    work->status = image_file_unsupported;
    longjmp(work->failed, 1);
}

/* Inverted CMYK, as Adobe writes it, to RGB as Pillow does: (255 - c) * (255 - k) / 255, rounded, of what is not inverted. */
static void convert_cmyk(const uint8_t *row, uint8_t *out, uint32_t width) {
    for (uint32_t x = 0; x < width; ++x, row += 4, out += 3) {
        for (int channel = 0; channel < 3; ++channel) {
            /* Pillow: white minus the rounded product of the ink's share and what black leaves. */
            unsigned white = row[3], product = (255u - row[channel]) * white + 128u;
            unsigned ink = ((product >> 8) + product) >> 8;
            out[channel] = (uint8_t)(white > ink ? white - ink : 0);
        }
    }
}

static int read_picture(j_decompress_ptr info, jpeg_work *work, const uint8_t *bytes, size_t count, const image_file_limits *limits) {
    image_file_picture *picture = work->picture;
    info->progress = &work->progress;
    info->mem->max_memory_to_use = most_memory;
    jpeg_mem_src(info, bytes, (unsigned long)count);
    jpeg_read_header(info, TRUE);
    int status = image_file_allocate(info->image_width, info->image_height, count, pixels_per_byte, limits, picture);
    if (status != image_file_ok) return status;
    const int is_cmyk = info->num_components == 4;
    info->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(info);
    if (info->output_width != picture->width || info->output_height != picture->height ||
        info->output_components != (is_cmyk ? 4 : 3)) {
        snprintf(picture->message, sizeof picture->message, "its pixels cannot be made RGB");
        return image_file_unsupported;
    }
    if (is_cmyk && (work->row = malloc((size_t)picture->width * 4)) == NULL) {
        snprintf(picture->message, sizeof picture->message, "there is no memory for a row");
        return image_file_out_of_memory;
    }
    while (info->output_scanline < info->output_height) {
        uint8_t *out = picture->pixels + (size_t)info->output_scanline * picture->width * 3;
        JSAMPROW row = is_cmyk ? work->row : out;
        if (jpeg_read_scanlines(info, &row, 1) != 1) {
            snprintf(picture->message, sizeof picture->message, "it ends too early");
            return image_file_damaged;
        }
        if (is_cmyk) convert_cmyk(row, out, picture->width);
    }
    jpeg_finish_decompress(info);
    return image_file_ok;
}

int image_file_is_jpeg(const uint8_t *bytes, size_t count) {
    return count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

int image_file_read_jpeg(
    const uint8_t *bytes, size_t count, const image_file_limits *limits, image_file_picture *picture) {
    memset(picture, 0, sizeof *picture);
    jpeg_work work = {.picture = picture, .status = image_file_damaged};
    struct jpeg_decompress_struct info;
    memset(&info, 0, sizeof info);
    info.err = jpeg_std_error(&work.errors);
    work.errors.error_exit = fail;
    work.errors.emit_message = warn;
    work.errors.output_message = ignore_message;
    work.progress.progress_monitor = refuse_many_scans;
    if (setjmp(work.failed) == 0) {
        jpeg_create_decompress(&info);
        work.status = read_picture(&info, &work, bytes, count, limits);
    }
    /* What libjpeg has no memory for, it reports as any other error. */
    if (work.errors.msg_code == JERR_OUT_OF_MEMORY) work.status = image_file_out_of_memory;
    jpeg_destroy_decompress(&info);
    free(work.row);
    if (work.status != image_file_ok) image_file_release(picture);
    return work.status;
}
