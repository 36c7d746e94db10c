/* Models: NULL and out-of-range arguments of every function that opens, asks, checks, derives or saves. */
#include "conformance.h"

#include <math.h>

/* An options struct as a newer program would pass it: longer than this library knows. */
typedef struct {
    nestling_open_options known;
    unsigned char newer[24];
} newer_open_options;

static void opening(const char *checkpoint) {
    nestling_model *model = UNTOUCHED;
    REFUSED(INVALID, "path", nestling_model_open(NULL, NULL, &model));
    REFUSED(INVALID, "out_model", nestling_model_open(checkpoint, NULL, NULL));
    REFUSED(INVALID, "path|out_model", nestling_model_open(NULL, NULL, NULL));
    REFUSED(ANY, "", nestling_model_open("", NULL, &model));
    REFUSED(MISSING, "/nonexistent/checkpoint", nestling_model_open("/nonexistent/checkpoint", NULL, &model));
    REFUSED(ANY, "config.json", nestling_model_open(path_in(checkpoint, "config.json"), NULL, &model));
    REFUSED(ANY, "/dev/null", nestling_model_open("/dev/null", NULL, &model));
    REFUSED(ANY, "", nestling_model_open("/tmp/\xff\xfe-not-utf8", NULL, &model));
    char longer[6000];
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = 0;
    REFUSED(ANY, "", nestling_model_open(longer, NULL, &model));
    CHECK(model == UNTOUCHED);

    nestling_open_options options = NESTLING_OPEN_OPTIONS_INIT;
    static const uint32_t small_sizes[] = {0, 1, 3};
    for (size_t i = 0; i < COUNT(small_sizes); i++) {
        options.struct_size = small_sizes[i];
        REFUSED(INVALID, "struct_size", nestling_model_open(checkpoint, &options, &model));
    }
    options = (nestling_open_options)NESTLING_OPEN_OPTIONS_INIT;
    options.dtype = 99;
    REFUSED(ANY, "dtype", nestling_model_open(checkpoint, &options, &model));
    options.dtype = UINT32_MAX;
    REFUSED(ANY, "dtype", nestling_model_open(checkpoint, &options, &model));
    options.dtype = NESTLING_DTYPE_FLOAT32;
    static const uint32_t towers[] = {NESTLING_TOWER_TEXT, NESTLING_TOWER_VISION, 3, UINT32_MAX};
    for (size_t i = 0; i < COUNT(towers); i++) {
        options.tower = towers[i];
        REFUSED(INVALID, "tower", nestling_model_open(checkpoint, &options, &model));
    }
    options.tower = NESTLING_TOWER_DEFAULT;
    options.zero = 1;
    REFUSED(UNSUPPORTED, "reserved|zero", nestling_model_open(checkpoint, &options, &model));
    options.zero = 0;
    static const int32_t wrong_switches[] = {2, -2, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < COUNT(wrong_switches); i++) {
        options.map_weights = wrong_switches[i];
        REFUSED(INVALID, "map_weights", nestling_model_open(checkpoint, &options, &model));
    }
    options.map_weights = 0;
    options.reserved = 1;
    if (!REFUSED(ANY, "reserved", nestling_model_open(checkpoint, &options, &model))) model = UNTOUCHED;
    CHECK(model == UNTOUCHED);

    newer_open_options newer;
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    newer.newer[20] = 1;
    REFUSED(UNSUPPORTED, "struct_size|options|newer", nestling_model_open(checkpoint, &newer.known, &model));
    CHECK(model == UNTOUCHED);
    newer.newer[20] = 0;
    if (OK(nestling_model_open(checkpoint, &newer.known, &model))) nestling_model_release(model);

    /* An older program: the later fields are taken as zero, whatever lies behind the struct. */
    options = (nestling_open_options)NESTLING_OPEN_OPTIONS_INIT;
    options.struct_size = offsetof(nestling_open_options, map_weights);
    options.map_weights = 77;
    nestling_status status = nestling_model_open(checkpoint, &options, &model);
    if (status == NESTLING_OK) nestling_model_release(model);
    else CHECK(status == INVALID);

    static const int32_t switches[] = {0, 1, -1};
    for (size_t i = 0; i < COUNT(switches); i++) {
        options = (nestling_open_options)NESTLING_OPEN_OPTIONS_INIT;
        options.map_weights = switches[i];
        if (OK(nestling_model_open(checkpoint, &options, &model))) nestling_model_release(model);
    }
}

static void asking(nestling_model *model, const char *checkpoint) {
    nestling_model_info info;
    memset(&info, 0xAB, sizeof info);
    REFUSED(INVALID, "model", nestling_model_get_info(NULL, &info));
    REFUSED(INVALID, "out_info", nestling_model_get_info(model, NULL));
    info.struct_size = 0;
    REFUSED(INVALID, "struct_size", nestling_model_get_info(model, &info));
    info.struct_size = 1;
    REFUSED(INVALID, "struct_size", nestling_model_get_info(model, &info));
    CHECK(info.layers == 0xABABABABu && info.weight_bytes == 0xABABABABABABABABu);
    info.struct_size = offsetof(nestling_model_info, hidden_size);
    if (nestling_model_get_info(model, &info) == NESTLING_OK) {
        CHECK(info.layers != 0xABABABABu && info.struct_size == offsetof(nestling_model_info, hidden_size));
        CHECK(info.hidden_size == 0xABABABABu); /* only that much is written */
    }
    info.struct_size = sizeof info;
    OK(nestling_model_get_info(model, &info));
    CHECK(info.struct_size == sizeof info && info.layers == 1 && info.hidden_size == 24 && info.vocabulary_size == 205);
    CHECK(info.token_types == 2 && info.maximum_tokens == 70 && info.has_tokenizer == 1 && info.normalizes == 1);
    CHECK(info.pooling >= NESTLING_POOLING_CLS && info.pooling <= NESTLING_POOLING_MEAN_SQRT_LENGTH);
    CHECK(info.text_tokens >= 1 && info.text_tokens <= info.maximum_tokens && info.output_dimensions >= 1);
    CHECK(info.parameters > 1000 && info.weight_bytes >= info.parameters * sizeof(float));

    char text[16384];
    size_t count = 7;
    REFUSED(INVALID, "model", nestling_model_describe(NULL, text, &count));
    CHECK(count == 7);
    REFUSED(INVALID, "inout_count", nestling_model_describe(model, text, NULL));
    OK(nestling_model_describe(model, NULL, &count));
    size_t needed = count;
    CHECK(needed > 2 && needed <= sizeof text);
    text[0] = '#';
    count = needed - 1;
    REFUSED(TOO_SMALL, "", nestling_model_describe(model, text, &count));
    CHECK(count == needed && text[0] == '#');
    OK(nestling_model_describe(model, text, &count));
    CHECK(text[0] == '{' && strlen(text) + 1 == needed && strstr(text, "bert") != NULL);

    const char *tome = "{\"method\": \"tome\", \"r\": 2}";
    count = 7;
    REFUSED(INVALID, "model", nestling_model_estimate_reduction(NULL, 8, tome, text, &count));
    REFUSED(INVALID, "reduction", nestling_model_estimate_reduction(model, 8, NULL, text, &count));
    REFUSED(INVALID, "shrink", nestling_model_estimate_reduction(model, 8, "{\"method\": \"shrink\"}", text, &count));
    REFUSED(INVALID, "tokens 0", nestling_model_estimate_reduction(model, 0, tome, text, &count));
    REFUSED(INVALID, "tokens 4294967295", nestling_model_estimate_reduction(model, UINT32_MAX, tome, text, &count));
    REFUSED(INVALID, "inout_count", nestling_model_estimate_reduction(model, 8, tome, text, NULL));
    CHECK(count == 7);
    count = sizeof text;
    OK(nestling_model_estimate_reduction(model, 8, tome, text, &count));
    CHECK(strstr(text, "\"remaining\":[6") != NULL && strstr(text, "\"pays\":false") != NULL);

    count = 7;
    REFUSED(INVALID, "path", nestling_check(NULL, 0, text, &count));
    REFUSED(INVALID, "inout_count", nestling_check(checkpoint, 0, text, NULL));
    REFUSED(MISSING, "/nonexistent", nestling_check("/nonexistent", 0, text, &count));
    CHECK(count == 7);
    count = sizeof text;
    OK(nestling_check(checkpoint, 1, text, &count));
    CHECK(strlen(text) + 1 == count && strstr(text, "\"valid\"") != NULL && strstr(text, "true") != NULL);
    needed = count;
    OK(nestling_check(checkpoint, 1, NULL, &count));
    CHECK(count == needed);
    count = needed - 1;
    REFUSED(TOO_SMALL, "", nestling_check(checkpoint, 1, text, &count));
    CHECK(count == needed);
}

static void deriving(nestling_model *model) {
    nestling_model *derived = UNTOUCHED;
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    REFUSED(INVALID, "model", nestling_model_derive(NULL, &spec, &derived));
    REFUSED(INVALID, "out_model", nestling_model_derive(model, &spec, NULL));
    spec.struct_size = 0;
    REFUSED(INVALID, "struct_size", nestling_model_derive(model, &spec, &derived));
    spec.struct_size = 1;
    REFUSED(INVALID, "struct_size", nestling_model_derive(model, &spec, &derived));

    const double ratios[] = {-0.5, -1e-300, 1.0000001, 2, 1e308, (double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < COUNT(ratios); i++) {
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.ffn_ratio = ratios[i];
        REFUSED(INVALID, "ffn_ratio|FFN width: ratio", nestling_model_derive(model, &spec, &derived));
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.head_ratio = ratios[i];
        REFUSED(INVALID, "head_ratio|heads: ratio", nestling_model_derive(model, &spec, &derived));
    }

    static const int32_t wrong[] = {0, -1, INT32_MIN, 45, INT32_MAX};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.ffn_widths = &wrong[i];
        spec.ffn_width_count = 1;
        REFUSED(INVALID, "ffn_width|FFN width", nestling_model_derive(model, &spec, &derived));
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.heads = &wrong[i];
        spec.head_count = 1;
        REFUSED(INVALID, "head", nestling_model_derive(model, &spec, &derived));
        if (wrong[i] == 0) continue;
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.layers = &wrong[i];
        spec.layer_count = 1;
        REFUSED(INVALID, "layer", nestling_model_derive(model, &spec, &derived));
    }
    static const int32_t some[] = {0, 0, 1, 1, 1};
    static const size_t counts[] = {2, 3, SIZE_MAX, SIZE_MAX / 4, (size_t)1 << 62};
    for (size_t i = 0; i < COUNT(counts); i++) {
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.layers = some;
        spec.layer_count = counts[i];
        REFUSED(INVALID, "layer", nestling_model_derive(model, &spec, &derived));
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.ffn_widths = some + 1;
        spec.ffn_width_count = counts[i];
        REFUSED(INVALID, "ffn_width|FFN width", nestling_model_derive(model, &spec, &derived));
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.heads = some + 1;
        spec.head_count = counts[i];
        REFUSED(INVALID, "head", nestling_model_derive(model, &spec, &derived));
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.layer_count = counts[i];
        REFUSED(INVALID, "layer", nestling_model_derive(model, &spec, &derived));
    }
    spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
    spec.layers = some; /* no layer at all */
    if (!REFUSED(INVALID, "layer", nestling_model_derive(model, &spec, &derived))) derived = UNTOUCHED;
    spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
    static const int32_t one = 20;
    spec.ffn_widths = &one;
    spec.ffn_width_count = 1;
    spec.ffn_ratio = 0.5;
    REFUSED(INVALID, "ffn_ratio|ffn_width", nestling_model_derive(model, &spec, &derived));
    spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
    spec.output_dimensions = info_of(model).output_dimensions + 1;
    REFUSED(INVALID, "output_dimensions|output dimensions", nestling_model_derive(model, &spec, &derived));
    spec.output_dimensions = UINT32_MAX;
    REFUSED(INVALID, "output_dimensions|output dimensions", nestling_model_derive(model, &spec, &derived));

    struct {
        nestling_submodel_spec known;
        uint64_t newer;
    } newer = {.known = NESTLING_SUBMODEL_SPEC_INIT, .newer = 1};
    newer.known.struct_size = sizeof newer;
    REFUSED(UNSUPPORTED, "struct_size|spec|options", nestling_model_derive(model, &newer.known, &derived));
    CHECK(derived == UNTOUCHED);

    /* Every width there is, tile or not; the least share there is; a submodel of a submodel. */
    for (int32_t width = 1; width <= 44; width++) {
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.ffn_widths = &width;
        spec.ffn_width_count = 1;
        if (OK(nestling_model_derive(model, &spec, &derived))) nestling_model_release(derived);
    }
    spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
    spec.ffn_ratio = 1e-300;
    spec.head_ratio = 1e-300;
    if (OK(nestling_model_derive(model, &spec, &derived))) {
        nestling_model *again = UNTOUCHED;
        spec.ffn_ratio = 1;
        if (OK(nestling_model_derive(derived, &spec, &again))) nestling_model_release(again);
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.ffn_widths = &one; /* wider than the submodel */
        spec.ffn_width_count = 1;
        again = UNTOUCHED;
        REFUSED(INVALID, "ffn_width|FFN width", nestling_model_derive(derived, &spec, &again));
        CHECK(again == UNTOUCHED);
        nestling_model_release(derived);
    }
}

static void saving(nestling_model *model, const char *checkpoint) {
    char folder[64];
    make_folder(folder);
    REFUSED(INVALID, "model", nestling_model_save(NULL, path_in(folder, "a"), NULL));
    REFUSED(INVALID, "path", nestling_model_save(model, NULL, NULL));
    REFUSED(ANY, "", nestling_model_save(model, "", NULL));
    REFUSED(ANY, "missing", nestling_model_save(model, path_in(folder, "missing/parent"), NULL));
    REFUSED(ANY, "config.json", nestling_model_save(model, path_in(checkpoint, "config.json"), NULL));
    REFUSED(ANY, "/proc", nestling_model_save(model, "/proc/nestling", NULL));
    nestling_save_options options = NESTLING_SAVE_OPTIONS_INIT;
    options.struct_size = 0;
    REFUSED(INVALID, "struct_size", nestling_model_save(model, path_in(folder, "a"), &options));
    options.struct_size = 1;
    REFUSED(INVALID, "struct_size", nestling_model_save(model, path_in(folder, "a"), &options));
    options = (nestling_save_options)NESTLING_SAVE_OPTIONS_INIT;
    options.overwrite = 2;
    REFUSED(INVALID, "overwrite", nestling_model_save(model, path_in(folder, "a"), &options));
    CHECK(access(path_in(folder, "a/config.json"), F_OK) != 0);

    OK(nestling_model_save(model, path_in(folder, "a"), NULL));
    REFUSED(ANY, folder, nestling_model_save(model, path_in(folder, "a"), NULL));
    options.overwrite = -1;
    REFUSED(ANY, folder, nestling_model_save(model, path_in(folder, "a"), &options));
    options.overwrite = 1;
    OK(nestling_model_save(model, path_in(folder, "a"), &options));
    nestling_model *saved = UNTOUCHED;
    if (OK(nestling_model_open(path_in(folder, "a"), NULL, &saved))) {
        nestling_model_info before = info_of(model), after = info_of(saved);
        CHECK(memcmp(&before, &after, offsetof(nestling_model_info, parameters)) == 0);
        nestling_model_release(saved);
    }
    remove_folder(folder);
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    opening(checkpoint);
    nestling_model *model = NULL;
    REQUIRE(nestling_model_open(checkpoint, NULL, &model));
    asking(model, checkpoint);
    deriving(model);
    saving(model, checkpoint);
    nestling_model_release(model);
    return finish();
}
