/* Same tokens, same bits: alone, in a batch of 50, with one and two threads, in slices, from two models at once, in a submodel
 * of ratio 1; and deriving, saving and reading back a submodel keeps its numbers. */
#include "conformance.h"

#include <math.h>

enum { SEQUENCES = 50, LONGEST = 70 };

typedef struct {
    int32_t *ids;
    size_t offsets[SEQUENCES + 1];
} batch;

static batch make_batch(uint32_t vocabulary) {
    batch all = {calloc(SEQUENCES * LONGEST, sizeof(int32_t)), {0}};
    if (all.ids == NULL) exit(2);
    for (size_t i = 0; i < SEQUENCES; i++) {
        size_t length = i == 0 ? 1 : i == 1 ? 2 : i == 2 ? 17 : i == 3 ? LONGEST : 1 + i * 37 % LONGEST;
        fill_ids(all.ids + all.offsets[i], length, vocabulary, (uint32_t)i);
        all.offsets[i + 1] = all.offsets[i] + length;
    }
    return all;
}

typedef struct {
    float *numbers;
    size_t rows[SEQUENCES + 1];
    size_t width;
} result;

/* One run of sequences first ..< last; vectors or hidden states. */
static result run(nestling_session *session, const batch *all, size_t first, size_t last, int states, const char *reduction) {
    result out = {NULL, {0}, 0};
    size_t offsets[SEQUENCES + 1], count = 0, sequences = last - first;
    nestling_run_options options = NESTLING_RUN_OPTIONS_INIT;
    options.reduction = reduction;
    for (size_t i = 0; i <= sequences; i++) offsets[i] = all->offsets[first + i] - all->offsets[first];
    const int32_t *ids = all->ids + all->offsets[first];
    if (states) {
        OK(nestling_session_hidden_states(session, ids, offsets, sequences, &options, NULL, &count, NULL));
        out.numbers = calloc(count + 1, sizeof(float));
        OK(nestling_session_hidden_states(session, ids, offsets, sequences, &options, out.numbers, &count, out.rows));
        out.width = out.rows[sequences] ? count / out.rows[sequences] : 0;
    } else {
        OK(nestling_session_encode(session, ids, offsets, sequences, &options, NULL, &count));
        out.numbers = calloc(count + 1, sizeof(float));
        OK(nestling_session_encode(session, ids, offsets, sequences, &options, out.numbers, &count));
        for (size_t i = 0; i <= sequences; i++) out.rows[i] = i;
        out.width = count / sequences;
    }
    return out;
}

static int same(const result *a, size_t i, const result *b, size_t j) {
    size_t rows = a->rows[i + 1] - a->rows[i];
    return a->width == b->width && rows == b->rows[j + 1] - b->rows[j] &&
           memcmp(a->numbers + a->rows[i] * a->width, b->numbers + b->rows[j] * b->width, rows * a->width * sizeof(float)) == 0;
}

static int all_finite(const result *a, size_t sequences) {
    for (size_t i = 0; i < a->rows[sequences] * a->width; i++)
        if (!isfinite(a->numbers[i])) return 0;
    return 1;
}

static nestling_session *new_session(nestling_model *model, int32_t threads, uint32_t slice) {
    nestling_session *session = NULL;
    nestling_session_options options = NESTLING_SESSION_OPTIONS_INIT;
    options.thread_count = threads;
    options.slice_tokens = slice;
    REQUIRE(nestling_session_create(model, &options, &session));
    return session;
}

static void invariance(nestling_model *model, const char *name) {
    batch all = make_batch(info_of(model).vocabulary_size);
    static const char *const reductions[] = {NULL, "{\"method\": \"tome\", \"r\": 3}", "{\"method\": \"tome\", \"ratio\": 0.4}"};
    for (size_t r = 0; r < COUNT(reductions); r++)
        for (int states = 0; states < 2; states++) {
            nestling_session *session = new_session(model, 1, 0);
            result reference = run(session, &all, 0, SEQUENCES, states, reductions[r]);
            CHECK(reference.width > 0 && all_finite(&reference, SEQUENCES));
            for (size_t i = 0; i < SEQUENCES; i++) {
                result alone = run(session, &all, i, i + 1, states, reductions[r]);
                CHECK_AS(same(&reference, i, &alone, 0), "%s, %s, %s: sequence %zu alone and in a batch of 50 differ", name,
                         states ? "states" : "vectors", reductions[r] ? reductions[r] : "plain", i);
                free(alone.numbers);
            }
            nestling_session_release(session);
            /* Threads and slices: as they come, the smallest, one that cuts the batch in odd places. */
            static const int32_t threads[] = {1, 2, 3, 0};
            static const uint32_t slices[] = {0, 1, 100, 257};
            for (size_t t = 0; t < COUNT(threads); t++)
                for (size_t s = 0; s < COUNT(slices); s++) {
                    session = new_session(model, threads[t], slices[s]);
                    result other = run(session, &all, 0, SEQUENCES, states, reductions[r]);
                    for (size_t i = 0; i < SEQUENCES; i++)
                        CHECK_AS(same(&reference, i, &other, i), "%s, %s, %s: sequence %zu differs with %d threads in slices of %u", name,
                                 states ? "states" : "vectors", reductions[r] ? reductions[r] : "plain", i, (int)threads[t],
                                 (unsigned)slices[s]);
                    free(other.numbers);
                    nestling_session_release(session);
                }
            free(reference.numbers);
        }
    free(all.ids);
}

static void compare(nestling_model *a, nestling_model *b, const char *what, double tolerance) {
    batch all = make_batch(info_of(a).vocabulary_size);
    nestling_session *first = new_session(a, 0, 0), *second = new_session(b, 0, 0);
    result x = run(first, &all, 0, SEQUENCES, 1, NULL), y = run(second, &all, 0, SEQUENCES, 1, NULL);
    double difference = 0, norm = 0;
    if (CHECK(x.width == y.width && memcmp(x.rows, y.rows, sizeof x.rows) == 0))
        for (size_t i = 0; i < x.rows[SEQUENCES] * x.width; i++) {
            difference += ((double)x.numbers[i] - y.numbers[i]) * ((double)x.numbers[i] - y.numbers[i]);
            norm += (double)x.numbers[i] * x.numbers[i];
        }
    CHECK_AS(norm > 0 && difference <= tolerance * tolerance * norm, "%s: squared relative difference %g", what, difference / norm);
    free(x.numbers);
    free(y.numbers);
    free(all.ids);
    nestling_session_release(first);
    nestling_session_release(second);
}

static void submodels(nestling_model *model, const char *name) {
    nestling_model_info info = info_of(model);
    nestling_model *derived = NULL;
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    char text[200];
    if (OK(nestling_model_derive(model, &spec, &derived))) compare(model, derived, "a submodel that keeps all", 0), nestling_model_release(derived);
    spec.ffn_ratio = spec.head_ratio = 1;
    if (OK(nestling_model_derive(model, &spec, &derived))) compare(model, derived, "a submodel of ratio 1", 0), nestling_model_release(derived);

    char folder[64];
    make_folder(folder);
    static const double ratios[] = {0.75, 0.5, 0.25, 0.01, 0.37};
    for (size_t i = 0; i < 2 * COUNT(ratios); i++) {
        int heads_too = i >= COUNT(ratios);
        spec = (nestling_submodel_spec)NESTLING_SUBMODEL_SPEC_INIT;
        spec.ffn_ratio = ratios[i % COUNT(ratios)];
        if (heads_too) spec.head_ratio = spec.ffn_ratio;
        int32_t last = (int32_t)info.layers - 1;
        if (heads_too && info.layers > 1) spec.layers = &last, spec.layer_count = 1;
        snprintf(text, sizeof text, "%s, FFN ratio %g%s", name, spec.ffn_ratio, heads_too ? ", heads and layers too" : "");
        derived = NULL;
        if (!OK(nestling_model_derive(model, &spec, &derived))) continue;
        CHECK(info_of(derived).parameters < info.parameters);
        CHECK(info_of(derived).layers == (spec.layers ? 1 : info.layers));
        char path[128];
        snprintf(path, sizeof path, "%s/%zu", folder, i);
        nestling_model *saved = NULL;
        if (OK(nestling_model_save(derived, path, NULL)) && OK(nestling_model_open(path, NULL, &saved))) {
            compare(derived, saved, text, 1e-6);
            CHECK(info_of(saved).parameters == info_of(derived).parameters);
        }
        nestling_model_release(saved);
        nestling_model_release(derived);
    }
    remove_folder(folder);
}

int main(int argc, char **argv) {
    setenv("NESTLING_PROCESSORS", "5", 0); /* as if there were so many: else fewer threads run */
    const char *checkpoint = sentence_checkpoint(argc, argv);
    nestling_model *model = NULL;
    REQUIRE(nestling_model_open(checkpoint, NULL, &model));
    invariance(model, "sentence encoder");
    submodels(model, "sentence encoder");
    nestling_model_release(model);
    static const char *const others[] = {"bert/base", "modernbert/base"};
    for (size_t i = 0; i < COUNT(others); i++) {
        model = NULL;
        if (!OK(nestling_model_open(path_in(argv[1], others[i]), NULL, &model))) continue;
        invariance(model, others[i]);
        submodels(model, others[i]);
        nestling_model_release(model);
    }
    return finish();
}
