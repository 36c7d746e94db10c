/* Handles are released in every order; a child keeps its parent alive. Run under AddressSanitizer, this finds what is used too
 * late and what is never given back. */
#include "conformance.h"

enum { HANDLES = 6 };
static const char *const texts[] = {"one", "another one"};

typedef struct {
    nestling_model *model, *second, *derived, *nested;
    nestling_session *session, *nested_session;
    nestling_tokenizer *tokenizer;
} family;

static void encode(nestling_session *session) {
    float vectors[256];
    size_t count = COUNT(vectors);
    OK(nestling_session_encode_texts(session, texts, NULL, 2, NULL, vectors, &count));
}

static family make(const char *checkpoint) {
    family all = {0};
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    spec.ffn_ratio = 0.5;
    REQUIRE(nestling_model_open(checkpoint, NULL, &all.model));
    all.second = nestling_model_retain(all.model);
    CHECK(all.second == all.model);
    REQUIRE(nestling_model_derive(all.model, &spec, &all.derived));
    REQUIRE(nestling_model_derive(all.derived, &spec, &all.nested));
    REQUIRE(nestling_session_create(all.derived, NULL, &all.session));
    REQUIRE(nestling_session_create(all.nested, NULL, &all.nested_session));
    REQUIRE(nestling_model_get_tokenizer(all.nested, &all.tokenizer));
    return all;
}

static void release(family *all, int which) {
    switch (which) {
    case 0: nestling_model_release(all->model), nestling_model_release(all->second); break;
    case 1: nestling_model_release(all->derived); break;
    case 2: nestling_model_release(all->nested); break;
    case 3: nestling_session_release(all->session), all->session = NULL; break;
    case 4: nestling_session_release(all->nested_session), all->nested_session = NULL; break;
    default: nestling_tokenizer_release(all->tokenizer), all->tokenizer = NULL; break;
    }
}

/* Releases in the order of one permutation, and uses whatever is left after each step. */
static void in_order(const char *checkpoint, const int order[HANDLES]) {
    family all = make(checkpoint);
    for (int step = 0; step < HANDLES; step++) {
        release(&all, order[step]);
        if (all.session) encode(all.session);
        if (all.nested_session) encode(all.nested_session);
        if (all.tokenizer) {
            size_t count = 0;
            OK(nestling_tokenizer_encode(all.tokenizer, "text", 4, NULL, NULL, NULL, &count));
        }
    }
}

static void permute(const char *checkpoint, int order[HANDLES], int fixed) {
    if (fixed == HANDLES) {
        in_order(checkpoint, order);
        return;
    }
    for (int i = fixed; i < HANDLES; i++) {
        int kept = order[fixed];
        order[fixed] = order[i], order[i] = kept;
        permute(checkpoint, order, fixed + 1);
        order[i] = order[fixed], order[fixed] = kept;
    }
}

static size_t resident_kilobytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t total = 0, resident = 0;
    if (file == NULL || fscanf(file, "%zu %zu", &total, &resident) != 2) exit(2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

int main(int argc, char **argv) {
    const char *checkpoint = sentence_checkpoint(argc, argv);
    int order[HANDLES] = {0, 1, 2, 3, 4, 5};
    permute(checkpoint, order, 0);

    /* Two models at once are two models. */
    nestling_model *a = NULL, *b = NULL;
    REQUIRE(nestling_model_open(checkpoint, NULL, &a));
    REQUIRE(nestling_model_open(path_in(argv[1], "bert/base"), NULL, &b));
    nestling_session *first = NULL, *second = NULL;
    REQUIRE(nestling_session_create(a, NULL, &first));
    REQUIRE(nestling_session_create(b, NULL, &second));
    nestling_model_release(a);
    static const int32_t ids[] = {1, 2, 3};
    static const size_t offsets[] = {0, 3};
    float vectors[256];
    for (int i = 0; i < 3; i++) {
        encode(first);
        size_t count = COUNT(vectors);
        OK(nestling_session_encode(second, ids, offsets, 1, NULL, vectors, &count));
    }
    nestling_session_release(first);
    size_t count = COUNT(vectors);
    OK(nestling_session_encode(second, ids, offsets, 1, NULL, vectors, &count));
    nestling_model_release(b);
    nestling_session_release(second);

    /* Many derivations cost no weights, and nothing piles up. */
    REQUIRE(nestling_model_open(checkpoint, NULL, &a));
    enum { MANY = 1000 };
    static nestling_model *many[MANY];
    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < MANY; i++) {
            spec.ffn_ratio = (i + 1) / (double)MANY;
            REQUIRE(nestling_model_derive(a, &spec, &many[i]));
        }
        for (int i = 0; i < MANY; i++) nestling_model_release(many[i]);
    }
    /* Failures keep nothing either. */
    size_t before = resident_kilobytes();
    for (int i = 0; i < 2000; i++) {
        nestling_model *none = NULL;
        spec.ffn_ratio = 2;
        CHECK(nestling_model_derive(a, &spec, &none) == INVALID && nestling_model_open("/nonexistent", NULL, &none) == MISSING && none == NULL);
    }
    size_t after = resident_kilobytes();
    CHECK_AS(after < before + 32768, "4000 failures took %zu kB", after - before);
    nestling_model_release(a);
    return finish();
}
