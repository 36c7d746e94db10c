/* Cuts a submodel out of a checkpoint and saves it as an ordinary checkpoint, which transformers can load too.
 *
 *     04_save_submodel CHECKPOINT NEW-DIRECTORY [ffn ratio]
 */
#include <nestling.h>
#include <stdio.h>
#include <stdlib.h>

static void check(nestling_status status, const char *what) {
    if (status == NESTLING_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nestling_status_name(status), nestling_last_error_message());
    exit(1);
}

/* Called on this thread while the library works; a return value other than 0 would cancel. */
static int32_t report(const char *stage, uint64_t done, uint64_t total, void *user_data) {
    (void)user_data;
    if (done == total) printf("%s: %llu of %llu\n", stage, (unsigned long long)done, (unsigned long long)total);
    return 0;
}

static void describe(const nestling_model *model, const char *name) {
    size_t size = 0;
    check(nestling_model_describe(model, NULL, &size), "ask for the size");
    char *json = malloc(size);
    if (json == NULL) exit(1);
    check(nestling_model_describe(model, json, &size), "describe");
    printf("%s: %.200s%s\n", name, json, size > 201 ? "..." : "");
    free(json);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s CHECKPOINT NEW-DIRECTORY [ffn ratio]\n", argv[0]);
        return 2;
    }
    nestling_model *model = NULL, *submodel = NULL, *saved = NULL;
    check(nestling_model_open(argv[1], NULL, &model), "open");
    describe(model, "full");

    nestling_submodel_spec spec = NESTLING_SUBMODEL_SPEC_INIT;
    spec.ffn_ratio = argc > 3 ? atof(argv[3]) : 0.5;
    check(nestling_model_derive(model, &spec, &submodel), "derive");
    nestling_model_release(model); /* the submodel keeps the weights alive */

    nestling_save_options options = NESTLING_SAVE_OPTIONS_INIT;
    options.progress = report;
    check(nestling_model_save(submodel, argv[2], &options), "save");
    check(nestling_model_open(argv[2], NULL, &saved), "open what was saved");
    describe(saved, "saved");

    nestling_model_info before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    check(nestling_model_get_info(submodel, &before), "get info");
    check(nestling_model_get_info(saved, &after), "get info");
    printf("parameters: %llu in the submodel, %llu in the saved checkpoint\n", (unsigned long long)before.parameters,
           (unsigned long long)after.parameters);

    nestling_model_release(submodel);
    nestling_model_release(saved);
    return 0;
}
