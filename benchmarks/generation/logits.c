/* logits.c: prints llama.cpp's scores of the token that follows others. Usage: logits FILE THREADS ID... */
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>

static void silent(enum ggml_log_level level, const char *text, void *user_data) {
    (void)level;
    (void)text;
    (void)user_data;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    llama_log_set(silent, NULL);
    llama_backend_init();
    struct llama_model *model = llama_model_load_from_file(arguments[1], llama_model_default_params());
    if (!model) return 1;
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = 512;
    params.n_threads = params.n_threads_batch = atoi(arguments[2]);
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context) return 1;
    const int tokens = count - 3;
    llama_token *ids = malloc((size_t)tokens * sizeof *ids);
    if (!ids) return 1;
    for (int i = 0; i < tokens; i++) ids[i] = atoi(arguments[3 + i]);
    if (llama_decode(context, llama_batch_get_one(ids, tokens)) != 0) return 1;
    const float *scores = llama_get_logits_ith(context, -1);
    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
    for (int i = 0; i < vocabulary; i++) printf("%.9g\n", scores[i]);
    free(ids);
    llama_free(context);
    llama_model_free(model);
    return 0;
}
