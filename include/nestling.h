/* nestling.h: the C interface of Nestling, an embeddable transformer inference engine for Linux CPUs.
 *
 * This header is the only contract of libnestling.so and its complete documentation. It is C99 and C++11.
 *
 *     #include <nestling.h>
 *
 *     nestling_model *model = NULL;
 *     nestling_session *session = NULL;
 *     const char *texts[] = {"A sentence.", "Another one."};
 *     float vectors[2 * 384];
 *     size_t count = 2 * 384;                            // capacity in, elements written out
 *
 *     if (nestling_model_open("path/to/all-MiniLM-L6-v2", NULL, &model) != NESTLING_OK ||
 *         nestling_session_create(model, NULL, &session) != NESTLING_OK ||
 *         nestling_session_encode_texts(session, texts, NULL, 2, NULL, vectors, &count) != NESTLING_OK)
 *         fprintf(stderr, "nestling: %s\n", nestling_last_error_message());
 *
 *     nestling_session_release(session);                 // any order; NULL is fine
 *     nestling_model_release(model);
 *
 * Conventions
 *
 * Status     Every function that can fail returns a nestling_status: NESTLING_OK (0) or a negative code. Results come
 *            through out-pointers, which are written only on success. After a failure, nestling_last_error_message()
 *            tells the calling thread in one line what was wrong, in which file, tensor, key or argument.
 * Sizes      One idiom: `size_t *inout_count` holds the capacity of the caller's buffer in elements on entry, and the
 *            number of elements written on return. With a NULL buffer the call returns NESTLING_OK and only writes the
 *            number needed. If the buffer is too small, the status is NESTLING_ERROR_BUFFER_TOO_SMALL, the number
 *            needed is written to *inout_count, and nothing else is.
 * Options    Option structs begin with `uint32_t struct_size`, which the caller sets to sizeof the struct (the
 *            ..._INIT macros do). Zero in any later field means the default; a NULL pointer means all defaults. Structs
 *            only ever grow at the end, so a program built against an older header keeps working; fields that a newer
 *            program sets and this library does not know are refused with NESTLING_ERROR_UNSUPPORTED.
 * Ownership  Handles come from `open`, `create`, `derive` and `retain`, each of which gives the caller one reference, to
 *            be given back with `release`. A child keeps its parent alive: release in any order. Buffers belong to the
 *            caller. The library never returns memory that the caller must free.
 * Text       Strings are UTF-8. Where a length accompanies a string, it may contain NUL characters.
 * Batches    Sequences lie back to back, without padding: `offsets` has sequence_count + 1 entries, begins with 0, never
 *            falls, and sequence i is the elements offsets[i] ..< offsets[i + 1]. Per-token results have the same form.
 * Bits       The result of a sequence does not depend on what else is in the batch, on the number of threads, or on how
 *            work was divided: on machines with the same instruction set it is the same bit for bit.
 * Threads    Models and tokenizers are immutable: any number of threads may use one at once. A session serves one thread
 *            at a time (a second one is refused, not harmed). Callbacks run on the calling thread. The library has one
 *            pool of worker threads, sized to the processors that the process may use (affinity and cgroup quota).
 *            After fork() the child may use the models, tokenizers and idle sessions that it inherited.
 * Trust      Checkpoints, tokenizers, texts and token ids may come from anyone: bad input gives a status. Pointers and
 *            capacities passed by the caller are trusted. A checkpoint's files must not be truncated by others while a
 *            model that maps them is open (set map_weights to -1 to read them into memory instead).
 */
#ifndef NESTLING_H
#define NESTLING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NESTLING_API __attribute__((visibility("default")))
#define NESTLING_MUST_USE __attribute__((warn_unused_result))
#else
#define NESTLING_API
#define NESTLING_MUST_USE
#endif

/* ---------------------------------------------------------------------------------------------------------------- */
/* Version                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------- */

#define NESTLING_VERSION_MAJOR 0
#define NESTLING_VERSION_MINOR 1
#define NESTLING_VERSION_PATCH 0

/* Rises when a program must be rebuilt; it is the number in the library's soname. */
#define NESTLING_ABI_VERSION 0

/* Returns the library's version as major * 1000000 + minor * 1000 + patch. Any thread.                    since 0.1 */
NESTLING_API uint32_t nestling_version_number(void);

/* Returns the ABI version that the library was built with; compare with NESTLING_ABI_VERSION. Any thread. since 0.1 */
NESTLING_API uint32_t nestling_abi_version(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Status                                                                                                           */
/* ---------------------------------------------------------------------------------------------------------------- */

/* 0 or a negative NESTLING_ERROR_... code. */
typedef int32_t nestling_status;

enum {
    NESTLING_OK = 0,
    NESTLING_ERROR_INVALID_ARGUMENT = -1, /* the caller passed something that cannot be meant                        */
    NESTLING_ERROR_NOT_FOUND = -2,        /* a file, tensor, head or token that was asked for does not exist         */
    NESTLING_ERROR_IO = -3,               /* the operating system refused to read or write                           */
    NESTLING_ERROR_CORRUPT = -4,          /* a file is damaged or contradicts itself                                 */
    NESTLING_ERROR_UNSUPPORTED = -5,      /* well formed, but it says something that this library cannot do          */
    NESTLING_ERROR_OUT_OF_MEMORY = -6,    /* memory ran out, or a limit that the caller set would be passed          */
    NESTLING_ERROR_BUFFER_TOO_SMALL = -7, /* *inout_count now tells the number of elements needed                    */
    NESTLING_ERROR_CANCELLED = -8,        /* the progress callback asked to stop; session and model remain usable    */
    NESTLING_ERROR_INTERNAL = -9          /* a mistake of the library: please report it                              */
};

/* Returns the name of a status, for example "CORRUPT"; "UNKNOWN" for others. Static storage. Any thread.   since 0.1 */
NESTLING_API const char *nestling_status_name(nestling_status status);

/* Returns one line about the last call on this thread that failed; "" if none has. Never NULL.
 * lifetime       until the next call of this library on this thread.
 * threads        any; each has its own.                                                                    since 0.1 */
NESTLING_API const char *nestling_last_error_message(void);

/* Returns a JSON object that tells the version, the instruction set in use ("avx512bf16", "avx512vnni",
 * "avx512", "avx2vnni", "avx2" or "portable"; the environment variable NESTLING_ISA chooses a lower one at start) and the
 * number of threads.
 *
 * buffer         receives the text, NUL-terminated; NULL to ask for the size.
 * inout_count    capacity in bytes, then bytes needed including the NUL.
 * returns        NESTLING_OK, NESTLING_ERROR_INVALID_ARGUMENT, NESTLING_ERROR_BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_build_info(char *buffer, size_t *inout_count);

/* Reports progress of long work on the calling thread. `stage` names the phase ("load", "tokenize", "encode", "save");
 * `done` rises to `total`. A return value other than 0 cancels: the call returns NESTLING_ERROR_CANCELLED. */
typedef int32_t (*nestling_progress)(const char *stage, uint64_t done, uint64_t total, void *user_data);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Threads                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------- */

/* Sets how many threads one call may use, the caller's included, in the whole process. Never more run at once than the
 * process may use processors: those that affinity and cgroup quota allow when the library is first used, or as many as the
 * environment variable NESTLING_PROCESSORS says.
 * count          1 to 1024; 0 restores the default: all these processors.
 * returns        NESTLING_OK, NESTLING_ERROR_INVALID_ARGUMENT.
 * threads        any; calls in progress finish as they began.                                              since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_set_thread_count(int32_t count);

/* Returns how many threads one call may use. Any thread.                                                   since 0.1 */
NESTLING_API int32_t nestling_thread_count(void);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Models                                                                                                           */
/* ---------------------------------------------------------------------------------------------------------------- */

/* Architecture and weights; immutable, shared by any number of threads, reference counted. */
typedef struct nestling_model nestling_model;

/* How the weights of linear layers are stored and multiplied. Norms, activations, residuals, softmax and all sums are
 * float32 in every case; the products of attention are float32, or bfloat16 with sums in float32 with any other dtype. */
enum {
    NESTLING_DTYPE_DEFAULT = 0,  /* as the checkpoint is packed (see NESTLING_SAVE_PACKED); float32 for ordinary ones */
    NESTLING_DTYPE_FLOAT32 = 1,
    NESTLING_DTYPE_BFLOAT16 = 2, /* weights and inputs of products rounded to bfloat16, sums in float32; also the embedding
                                    tables                                                                           */
    NESTLING_DTYPE_INT8 = 3,     /* weights in 8 bits with a scale for each output; inputs of products in 8 bits with a
                                    scale for each token, chosen as it runs; exact integer sums. Tables as BFLOAT16.  */
    NESTLING_DTYPE_INT4 = 4      /* weights in 4 bits with a scale for each output and 32 inputs; inputs as INT8     */
};

/* How token vectors become a sequence vector. */
enum {
    NESTLING_POOLING_DEFAULT = 0, /* as the checkpoint says (1_Pooling); mean if it says nothing                     */
    NESTLING_POOLING_CLS = 1,     /* the first token                                                                 */
    NESTLING_POOLING_MEAN = 2,    /* the mean, weighted by size where tokens were merged                             */
    NESTLING_POOLING_MAX = 3,     /* the greatest value of each dimension                                            */
    NESTLING_POOLING_LAST = 4,    /* the last token                                                                  */
    NESTLING_POOLING_WEIGHTED_MEAN = 5, /* the mean weighted by position, 1 for the first token                      */
    NESTLING_POOLING_MEAN_SQRT_LENGTH = 6 /* the sum over the square root of the length                              */
};

/* What is read off the end of the network besides hidden states. */
enum {
    NESTLING_HEAD_DEFAULT = 0,                 /* the one that the checkpoint's config names                         */
    NESTLING_HEAD_MASKED_LM = 1,               /* per token, one score per vocabulary entry                          */
    NESTLING_HEAD_SEQUENCE_CLASSIFICATION = 2, /* per sequence, and per image, one score per label                   */
    NESTLING_HEAD_TOKEN_CLASSIFICATION = 3,    /* per token, one score per label                                     */
    NESTLING_HEAD_QUESTION_ANSWERING = 4,      /* per token, two scores: the answer starts here, ends here           */
    NESTLING_HEAD_REPLACED_TOKEN = 5,          /* per token, one score: the token was replaced (ELECTRA)             */
    NESTLING_HEAD_CAUSAL_LM = 6                /* per token, one score per vocabulary entry: the next token          */
};

/* Which network of a checkpoint that has one for texts and one for images (CLIP, SigLIP). */
enum {
    NESTLING_TOWER_DEFAULT = 0, /* the only one; where there are two, opening is refused: one must be chosen         */
    NESTLING_TOWER_TEXT = 1,    /* token ids to vectors: text_embeds of transformers                                 */
    NESTLING_TOWER_VISION = 2   /* images to vectors: image_embeds of transformers                                   */
};

typedef struct nestling_open_options {
    uint32_t struct_size;       /* sizeof(nestling_open_options)                                                     */
    uint32_t dtype;             /* NESTLING_DTYPE_...                                                                */
    int32_t map_weights;        /* 0 or 1: map the files (default); -1: read them into memory                        */
    uint32_t reserved;          /* 0                                                                                 */
    nestling_progress progress; /* NULL: none                                                                        */
    void *user_data;            /* passed to progress                                                                */
    uint32_t tower;             /* NESTLING_TOWER_...                                                     since 0.2  */
    uint32_t zero;              /* 0                                                                                 */
} nestling_open_options;
#define NESTLING_OPEN_OPTIONS_INIT { sizeof(nestling_open_options), 0, 0, 0, NULL, NULL, 0, 0 }

/* Opens a checkpoint directory as Hugging Face transformers or sentence-transformers writes it: config.json;
 * model.safetensors or the shards of model.safetensors.index.json (F32, F16, BF16); if present tokenizer.json or
 * vocab.txt, modules.json with its pooling, dense and normalize folders, sentence_bert_config.json,
 * config_sentence_transformers.json, and nestling.json, which nestling_model_save may have written. Opening a checkpoint
 * that was saved packed copies no weights: they are used where the file is mapped, and processes share them.
 *
 * A GGUF file (version 2 or 3, little-endian, all in one file) is a checkpoint too, its tokenizer included: of the
 * architectures llama, qwen2, qwen3, gemma, gemma2, gemma3 and gemma3n, with tensors of F32, F16, BF16, Q4_0, Q4_1, Q5_0,
 * Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS, MXFP4, TQ1_0 and TQ2_0. A tokenizer of a kind that is not known leaves a model
 * without one, which takes token ids. Its pooling_type (mean, first or last token) pools as sentence-transformers does; files do
 * not say whether vectors are normalized, so they are not. Keys of the architecture that are not known are UNSUPPORTED.
 * nestling_model_save writes weights in blocks as F32.
 *
 * path           the directory; or a GGUF file, or a directory that holds one and no config.json.
 * options        NULL for defaults; read during the call only.
 * out_model      the caller owns one reference.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND, IO, CORRUPT, UNSUPPORTED, OUT_OF_MEMORY, CANCELLED.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_open(
    const char *path, const nestling_open_options *options, nestling_model **out_model);

/* One file of a checkpoint that the caller holds in memory. */
typedef struct nestling_file {
    const char *name; /* as in the directory, for example "config.json" or "1_Pooling/config.json"                   */
    const void *data;
    size_t size;
} nestling_file;

/* Opens a checkpoint whose files lie in memory.
 *
 * files          `count` files; their data must stay as they are until the model and all models derived from it are
 *                released (embedding tables are used in place). A GGUF file is known by its name, which ends with ".gguf".
 * Otherwise as nestling_model_open.                                                                        since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_open_memory(
    const nestling_file *files, size_t count, const nestling_open_options *options, nestling_model **out_model);

/* Adds a reference and returns the model; NULL gives NULL. Any thread.                                     since 0.1 */
NESTLING_API nestling_model *nestling_model_retain(nestling_model *model);

/* Gives a reference back; the last one frees the model. NULL is ignored. Any thread.                       since 0.1 */
NESTLING_API void nestling_model_release(nestling_model *model);

typedef struct nestling_model_info {
    uint32_t struct_size;       /* in: sizeof(nestling_model_info); only that much is written                        */
    uint32_t default_head;      /* NESTLING_HEAD_..., 0 if the config names none                                     */
    uint32_t heads;             /* bit 1 << NESTLING_HEAD_... for each head that the checkpoint carries              */
    uint32_t pooling;           /* NESTLING_POOLING_... that the checkpoint asks for; 0: none of these               */
    uint32_t layers;            /* blocks                                                                            */
    uint32_t hidden_size;       /* elements of one token's hidden state                                              */
    uint32_t output_dimensions; /* elements of one sequence vector                                                   */
    uint32_t vocabulary_size;   /* token ids are 0 ..< vocabulary_size; 0: the model takes images                    */
    uint32_t token_types;       /* token type ids are 0 ..< token_types; 0: the model has none                       */
    uint32_t maximum_tokens;    /* the longest sequence that the positions allow; UINT32_MAX: unlimited              */
    uint32_t text_tokens;       /* texts are cut to this many tokens, special ones included                          */
    uint32_t labels;            /* scores per row of the default head                                                */
    uint32_t has_tokenizer;     /* 1 or 0                                                                            */
    uint32_t normalizes;        /* 1 if the checkpoint asks for vectors of length 1                                  */
    uint64_t parameters;        /* weights that this model uses                                                      */
    uint64_t weight_bytes;      /* memory of the weights, shared with all models derived from the same one           */
} nestling_model_info;

/* Tells the sizes of a model.
 * out_info       its struct_size must be set.
 * returns        NESTLING_OK, INVALID_ARGUMENT.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_get_info(
    const nestling_model *model, nestling_model_info *out_info);

/* Describes a model as a JSON object: "family", the sizes of nestling_model_info by their names there, "kept_layers",
 * "ffn_widths" and "heads" (one number for each layer in use), "pooling", "prompts", "output_heads", "labels" and others.
 * "image" is null, or tells of a model that takes images {"channels", "height", "width", "patch_height", "patch_width",
 * "prefix_tokens"}: the size of images in training and of a patch, and how many rows come before those of the patches.
 * "tower" is null, "text" or "vision". "logit_scale" and "logit_bias" are null, or tell of a tower how its vectors are scored
 * with those of the other one: logit_scale * dot(t, i) + logit_bias, both scaled to length 1. "tokenizer_config" is null,
 * or what a GGUF file says of its tokenizer in the words of a tokenizer_config.json, "chat_template" among them.
 * Sizes as in nestling_build_info.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_describe(
    const nestling_model *model, char *buffer, size_t *inout_count);

/* Says what a reduction (see "Reductions" below) is expected to gain on one sequence, without running anything, as a JSON
 * object:
 *     {"tokens": 512, "remaining": [496, ...],     tokens before, and after each layer
 *      "multiply_adds": ...,                        of a vector without reduction: linear layers and the products of attention
 *      "reduced_multiply_adds": ...,                of the reduced run
 *      "overhead_multiply_adds": ...,               of reducing: what the method multiplies, and for the rest of its work an
 *                                                   equivalent: 1,000,000 for each layer that reduces, 50,000 for each token that
 *                                                   it looks at, 20 for each element of a token that leaves its row
 *      "speed_up": 1.37,                            multiply_adds / (reduced_multiply_adds + overhead_multiply_adds)
 *      "pays": true}                                speed_up is at least 1.02
 * It is a model of the work, not a measurement. Where the vector is made of the first or the last token, it counts the last
 * layer as it runs: for that token, and for keys and values of the others. Later versions may add keys.
 *
 * tokens         of the sequence; 1 to what the model's positions allow.
 * reduction      the JSON object.
 * Sizes as in nestling_build_info.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_estimate_reduction(
    const nestling_model *model, uint32_t tokens, const char *reduction, char *buffer, size_t *inout_count);

/* Checks a checkpoint directory, or a GGUF file, without loading its weights: settings and tokenizer can be read; every tensor that the
 * family needs is there with the right shape and a readable dtype; every number is finite if `values` is not 0. Writes a
 * JSON report: {"valid": true|false, "problems": [...], "family": ..., "tensors": ..., "unused_tensors": [...],
 * "parameters": ..., "tokenizer_vocabulary": ..., "values_checked": ...}. A checkpoint with problems is a successful check:
 * the status tells only whether the check could be made.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND, IO, BUFFER_TOO_SMALL, OUT_OF_MEMORY.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_check(
    const char *path, int32_t values, char *buffer, size_t *inout_count);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Submodels: nested parts of one set of weights (MatFormer, arXiv 2310.07707; Matryoshka, arXiv 2205.13147)         */
/* ---------------------------------------------------------------------------------------------------------------- */

/* What a submodel keeps. All widths are prefixes: the first neurons, the first heads, the first dimensions. */
typedef struct nestling_submodel_spec {
    uint32_t struct_size;       /* sizeof(nestling_submodel_spec)                                                    */
    uint32_t output_dimensions; /* leading dimensions of sequence vectors; 0: all                                    */
    double ffn_ratio;           /* share of each layer's FFN width, 0 < ratio <= 1, rounded to the nearest width,
                                   at least 1; 0: all. Not together with ffn_widths.                                 */
    double head_ratio;          /* the same for attention heads                                                      */
    const int32_t *layers;      /* indices of the layers to keep, rising; NULL: all                                  */
    size_t layer_count;
    const int32_t *ffn_widths;  /* one width for each kept layer, or a single one for all; NULL: see ffn_ratio       */
    size_t ffn_width_count;
    const int32_t *heads;       /* one number of heads for each kept layer, or a single one for all                  */
    size_t head_count;
} nestling_submodel_spec;
#define NESTLING_SUBMODEL_SPEC_INIT { sizeof(nestling_submodel_spec), 0, 0, 0, NULL, 0, NULL, 0, NULL, 0 }

/* Derives a submodel that shares the weights of `model` and copies none of them. It takes microseconds, and any number
 * of submodels may be alive and in use at once. `model` may itself be a submodel.
 *
 * spec           read during the call only.
 * out_model      the caller owns one reference; it keeps the weights alive.
 * returns        NESTLING_OK, INVALID_ARGUMENT (names the field and the layer), OUT_OF_MEMORY.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_derive(
    const nestling_model *model, const nestling_submodel_spec *spec, nestling_model **out_model);

typedef struct nestling_save_options {
    uint32_t struct_size;       /* sizeof(nestling_save_options)                                                     */
    int32_t overwrite;          /* 0 or -1: refuse a directory that holds a checkpoint (default); 1: replace it      */
    nestling_progress progress; /* NULL: none                                                                        */
    void *user_data;
    uint32_t form;              /* NESTLING_SAVE_...                                                                 */
    uint32_t reserved;          /* 0                                                                                 */
} nestling_save_options;
#define NESTLING_SAVE_OPTIONS_INIT { sizeof(nestling_save_options), 0, NULL, NULL, 0, 0 }

enum {
    NESTLING_SAVE_DEFAULT = 0,  /* as the model was opened                                                           */
    NESTLING_SAVE_ORDINARY = 1, /* tensors as transformers has them, in the types in which they were opened          */
    NESTLING_SAVE_PACKED = 2    /* the weights as they lie in memory, in the model's dtype: opens at once, is mapped and used
                                   in place, gives the same bits as this model; only Nestling reads it               */
};

/* Saves a model or submodel as a checkpoint directory: weights, tokenizer and settings.
 * What transformers can express (one FFN width, fewer layers) loads there and gives the same hidden states. What it
 * cannot is written to nestling.json, which Nestling reads and which names, under "not_in_transformers", each such
 * property.
 *
 * path           created if missing; its parent must exist.
 * returns        NESTLING_OK, INVALID_ARGUMENT, IO, UNSUPPORTED, OUT_OF_MEMORY, CANCELLED. On failure nothing usable
 *                is left under the final file names.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_save(
    const nestling_model *model, const char *path, const nestling_save_options *options);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Sessions: running a model                                                                                        */
/* ---------------------------------------------------------------------------------------------------------------- */

/* The mutable state of running one model: workspace memory. One thread at a time. */
typedef struct nestling_session nestling_session;

typedef struct nestling_session_options {
    uint32_t struct_size;   /* sizeof(nestling_session_options)                                                      */
    uint32_t slice_tokens;  /* a batch is run in slices of at most this many tokens (whole sequences; a longer single
                               sequence is a slice of its own). 0: 4096. Bounds the memory, not the batch.           */
    uint64_t memory_limit;  /* bytes that the workspace may take, and the matrices of many-to-many reductions
                               (token_transforming) with it; runs that need more are refused with OUT_OF_MEMORY.
                               0: no limit                                                                           */
    int32_t thread_count;   /* threads that calls of this session may use; 0: nestling_thread_count()                */
    uint32_t reserved;      /* 0                                                                                     */
} nestling_session_options;
#define NESTLING_SESSION_OPTIONS_INIT { sizeof(nestling_session_options), 0, 0, 0, 0 }

/* Tells how many bytes of workspace a session needs for runs whose longest slice has `tokens` tokens; nothing is
 * allocated. `tokens` 0 means the slice_tokens of the options.
 * returns        NESTLING_OK, INVALID_ARGUMENT.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_estimate(
    const nestling_model *model, const nestling_session_options *options, uint32_t tokens, uint64_t *out_bytes);

/* Creates a session. It keeps the model alive. Memory is taken when the first run needs it.
 * returns        NESTLING_OK, INVALID_ARGUMENT, OUT_OF_MEMORY.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_create(
    const nestling_model *model, const nestling_session_options *options, nestling_session **out_session);

/* Frees a session; NULL is ignored. No call may be in progress on it.                                      since 0.1 */
NESTLING_API void nestling_session_release(nestling_session *session);

/* `layer` of nestling_run_options: the embedding output, before the first block. */
#define NESTLING_LAYER_EMBEDDINGS (-1)

/* Reductions: how a run shortens its sequences. In each layer that reduces, each sequence loses tokens on its own count,
 * between the attention sublayer (with residual and norm) and what follows it. A JSON object; unknown keys are refused by
 * name. Keys that all methods take:
 *     "method"         see below
 *     "r"              tokens fewer in each layer that reduces: a number for all, or a list, one for each; 0 where it ends
 *     "schedule"       of a single r: "constant" (default), "decreasing" (2r falling to 0), "increasing"
 *     "ratio"          instead of r: about this share of the tokens remains after the last layer
 *     "flops"          instead of r: the constant r with which the multiply-adds of the run come closest to this share of the
 *                      full run's; see nestling_model_estimate_reduction for what is counted
 *     "keep"           instead of r: this share of the unprotected tokens, rounded up, remains after each layer that reduces
 *     "layers"         the layers that reduce, counted from 1; all unless given. Those past the last one do not count.
 *     "protect"        tokens that neither merge nor are merged into nor pruned: "special" (default: first and last of a text;
 *                      what comes before the patches of an image), "first", "last", "none", or [leading, trailing] numbers
 *     "proportional_attention"   add log(size) to each key's score in later layers; true unless the method says otherwise
 * Amounts are clamped to what a method can take in one layer. Methods, and their own keys with defaults:
 *     "tome"           the most similar pairs merge, even places into odd ones (arXiv 2210.09461). A merge puts the tokens that
 *                      have not merged before those that others may merge into, as the published procedure does, and the next
 *                      layer counts even and odd in that order; rows keep the order of the sequence. At most half of the
 *                      unprotected tokens.
 *     "pitome"         as tome among the tokens that are most like all others, which take turns in the order of that likeness
 *                      (arXiv 2405.16148). "margin": 0.9 falling over the layers to 0. At most half.
 *     "local"          as tome among neighbours: time and memory grow with the length, not its square (arXiv 2405.17951).
 *                      "band": 1 (tokens 2i and 2j + 1 may merge if |i - j| < band); "causal": false (true: only into later
 *                      tokens). At most half.
 *     "tofu"           tome's pairs; the first "prune_layers" (half of them) drop the even one, later ones merge and keep the
 *                      greater length (arXiv 2312.01026). At most half.
 *     "evit"           tokens to which the first one attends least become their sum weighted by that attention (arXiv
 *                      2202.07800). "fuse": true (false: they are dropped). proportional_attention false.
 *                      The paper's: {"method": "evit", "keep": 0.7, "layers": [4, 7, 10]}. All but one become one.
 *     "attention_received"   tokens to which all attend least are pruned (as arXiv 2001.08950); costs half of an attention.
 *                      proportional_attention has no effect. All that are not protected, but one if none is.
 *     "maelre"         as local, layer by layer; while a sequence has more than "exact": 512 tokens, its queries meet the means of
 *                      "groups": 256 runs of neighbouring keys and values with the log of their sizes' sum (after arXiv
 *                      2507.19409; the approximation is ours; layers with a window stay exact). "band": 1. At most half.
 *     "token_transforming"   every token spreads over those that stay by the softmax of cosines (after arXiv 2506.05709; the
 *                      formula is ours). "temperature": 0.1; "score": "class" (the first token's attention decides which stay;
 *                      default if it is protected) or "received". For a few layers: costs tokens before times after. All but
 *                      one.
 * What is merged keeps its mass: means of token vectors are those of what every original token is part of. Pruned tokens are
 * in no vector; with `unmerge` they have the last state that they had (through the final norm, and the head).
 *
 * How to run. All calls below share this struct; each says which fields it reads beyond the common ones (reduction,
 * token_type_ids, progress, user_data). */
typedef struct nestling_run_options {
    uint32_t struct_size;          /* sizeof(nestling_run_options)                                                   */
    uint32_t pooling;              /* encode: NESTLING_POOLING_...                                                   */
    int32_t normalize;             /* encode: 0: as the checkpoint says; 1: scale vectors to length 1; -1: do not    */
    uint32_t output_dimensions;    /* encode: keep the leading dimensions, before normalizing; 0: all                */
    uint32_t head;                 /* logits: NESTLING_HEAD_...                                                      */
    int32_t layer;                 /* hidden_states: 0: the last hidden state; k: after block k (1 is the first; the
                                      last is followed by the final norm, if there is one); NESTLING_LAYER_EMBEDDINGS */
    int32_t unmerge;               /* hidden_states, logits per token: 1: give every original token the row of the
                                      token it was merged into; 0 or -1: only the rows that are left                 */
    uint32_t reserved;             /* 0                                                                              */
    const char *reduction;         /* NULL: none. A JSON object that says how tokens are merged or pruned while the model runs,
                                      for example {"method": "tome", "r": 8}; see "Reductions" below                 */
    const int32_t *token_type_ids; /* one per token, or NULL: all 0. Not for texts.                                  */
    const char *prompt;            /* encode_texts: put before each text; NULL: the checkpoint's default prompt, if
                                      any; "": none                                                                  */
    const char *prompt_name;       /* encode_texts: a prompt of config_sentence_transformers.json, instead of prompt */
    nestling_progress progress;    /* NULL: none; total counts sequences                                             */
    void *user_data;
} nestling_run_options;
#define NESTLING_RUN_OPTIONS_INIT { sizeof(nestling_run_options), 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL }

/* Sequence vectors from token ids. Per call: pooling, normalize, output_dimensions.
 *
 * Where a vector is made of the first or the last token (NESTLING_POOLING_CLS, _LAST, most poolers of images), the last layer
 * makes keys and values of all tokens and runs for that one alone. Scores of whole sequences (nestling_session_logits) are
 * made like that, too. The bits are those that all hidden states would give.
 *
 * token_ids      offsets[sequence_count] ids, special tokens included.
 * offsets        sequence_count + 1 entries (see Batches above). A sequence must have at least one token.
 * options        NULL for defaults.
 * vectors        receives [sequence_count, output dimensions], row after row; NULL to ask for the size.
 * inout_count    floats.
 * returns        NESTLING_OK, INVALID_ARGUMENT (names sequence and position), UNSUPPORTED, OUT_OF_MEMORY,
 *                BUFFER_TOO_SMALL, CANCELLED.
 * threads        one at a time per session.                                                                since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_encode(
    nestling_session *session, const int32_t *token_ids, const size_t *offsets, size_t sequence_count,
    const nestling_run_options *options, float *vectors, size_t *inout_count);

/* Sequence vectors from texts, by the checkpoint's tokenizer; texts are cut to the model's text_tokens.
 *
 * texts          sequence_count pointers to UTF-8.
 * lengths        their bytes; NULL if all texts are NUL-terminated.
 * returns        also NOT_FOUND if the checkpoint has no tokenizer. Invalid UTF-8 is an INVALID_ARGUMENT that names the
 *                text and the byte.
 * Otherwise as nestling_session_encode.                                                                    since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_encode_texts(
    nestling_session *session, const char *const *texts, const size_t *lengths, size_t sequence_count,
    const nestling_run_options *options, float *vectors, size_t *inout_count);

/* Hidden states of every token. Per call: layer, unmerge.
 *
 * states         receives [rows, hidden_size]; NULL to ask for the size. Where tokens have several streams (Gemma 3n), rows of
 *                all layers but the last hold them side by side: "hidden_sizes" of nestling_model_describe.
 * inout_count    floats.
 * out_offsets    NULL, or sequence_count + 1 entries that receive the row where each sequence begins. Without reduction,
 *                and with unmerge, they equal `offsets`.
 * Otherwise as nestling_session_encode.                                                                    since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_hidden_states(
    nestling_session *session, const int32_t *token_ids, const size_t *offsets, size_t sequence_count,
    const nestling_run_options *options, float *states, size_t *inout_count, size_t *out_offsets);

/* Scores of a head. Per call: head, unmerge.
 *
 * logits         receives [rows, scores], where a row is a sequence (SEQUENCE_CLASSIFICATION) or a token (the others).
 * out_offsets    NULL, or sequence_count + 1 row offsets.
 * returns        also NOT_FOUND if the checkpoint does not carry the head.
 * Otherwise as nestling_session_hidden_states.                                                             since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_logits(
    nestling_session *session, const int32_t *token_ids, const size_t *offsets, size_t sequence_count,
    const nestling_run_options *options, float *logits, size_t *inout_count, size_t *out_offsets);

/* How the pixels of an image are stored. Decoding files is the caller's; what comes out of a decoder goes in here.
 *
 * U8 and F32 pixels are prepared as the checkpoint's preprocessor_config.json (or the "image_processor" of its
 * processor_config.json) says: resized, cropped at the centre, rescaled, normalized, padded. Known are ViTImageProcessor,
 * DeiTImageProcessor, BitImageProcessor, CLIPImageProcessor and SiglipImageProcessor, under their older names, too. The result
 * is that of transformers 5 with its Pillow backend: U8 pixels are resampled with Pillow's arithmetic, in 8 bits.
 *
 * Channels   1: gray, taken as three equal colours. 3: red, green, blue. 4: with alpha, and the picture is laid on white.
 * F32        0 to 1 for what U8 has as 0 to 255; resampled without rounding to 8 bits, which the result may differ by. Up to
 *            half of a level (0.5 / 255) outside, pixels are clipped; farther outside, infinite or not a number:
 *            INVALID_ARGUMENT, if the result depends on the pixel.
 * PREPARED   finite numbers, or INVALID_ARGUMENT. No preprocessor_config.json is needed.
 * Limits     65535 pixels on a side, 2^28 in all; 2^26 after preparation. */
enum {
    NESTLING_PIXELS_U8 = 0,      /* 0 to 255                                                                         */
    NESTLING_PIXELS_F32 = 1,     /* float, 0 to 1                                                                    */
    NESTLING_PIXELS_PREPARED = 2 /* float, as the network takes them: resized, cropped and normalized already        */
};

/* An image, as the caller holds it. In an array of images all have the same struct_size, which is the distance from one to
 * the next. */
typedef struct nestling_image {
    uint32_t struct_size;   /* sizeof(nestling_image)                                                                */
    uint32_t format;        /* NESTLING_PIXELS_...                                                                   */
    const void *pixels;     /* the first channel of the first pixel of the first row                                 */
    uint32_t width;         /* pixels of a row                                                                       */
    uint32_t height;        /* rows                                                                                  */
    uint32_t channels;      /* PREPARED: as many as the model takes; else 1, 3 or 4                                  */
    uint32_t reserved;      /* 0                                                                                     */
    int64_t row_stride;     /* bytes from a row to the next; negative if the first row lies last in memory. A stride of
                               0 is that of memory without gaps: [channels, height, width] for PREPARED,
                               [height, width, channels] for the others                                              */
    int64_t pixel_stride;   /* bytes from a pixel to the next in its row                                             */
    int64_t channel_stride; /* bytes from a channel of a pixel to the next                                           */
} nestling_image;
#define NESTLING_IMAGE_INIT { sizeof(nestling_image), 0, NULL, 0, 0, 0, 0, 0, 0, 0 }

/* Prepares images on threads, and gives their pixels as the network takes them: to look at, to keep, or to pass on as
 * NESTLING_PIXELS_PREPARED. Those that are prepared already are copied.
 *
 * images         image_count images, read during the call only.
 * pixels         receives [channels, height, width] of each image, back to back; NULL to ask for the sizes, which does not
 *                look at pixels.
 * inout_count    capacity in floats, then floats of all images.
 * out_sizes      NULL, or receives height and width of each prepared image: 2 * image_count numbers. Most settings give
 *                all images one size; a resized shortest edge without a crop does not.
 * returns        NESTLING_OK, INVALID_ARGUMENT (names the image: sizes, channels and strides that cannot be meant, pixels
 *                that are none; or the model takes token ids), UNSUPPORTED (the checkpoint does not say how pixels are
 *                prepared, or in a way that this library does not know), CORRUPT (its settings), OUT_OF_MEMORY,
 *                BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_prepare_images(
    const nestling_model *model, const nestling_image *images, size_t image_count, float *pixels, size_t *inout_count,
    uint32_t *out_sizes);

/* Vectors of images: what the model's pooler makes of each (in transformers, pooler_output), or the hidden state of its class
 * token where it has no pooler. Per call: pooling, normalize, output_dimensions. A pooling takes the place of the class token;
 * what follows it in the pooler stays.
 *
 * images         image_count images, read during the call only. They may have different sizes: positions are interpolated, as
 *                transformers does with interpolate_pos_encoding. What is left of an image at its right and lower edges, less
 *                than a patch, is not read (Swin: is filled up with zeros).
 * options        NULL for defaults. token_type_ids, prompt and prompt_name must be NULL.
 * returns        NESTLING_OK, INVALID_ARGUMENT (names the image: sizes, channels and strides that cannot be meant, less than
 *                one patch, pixels that are none; or the model takes token ids), UNSUPPORTED and CORRUPT (as for
 *                nestling_model_prepare_images), OUT_OF_MEMORY, BUFFER_TOO_SMALL, CANCELLED.
 * Otherwise as nestling_session_encode.                                                                    since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_encode_images(
    nestling_session *session, const nestling_image *images, size_t image_count, const nestling_run_options *options,
    float *vectors, size_t *inout_count);

/* Hidden states of images. The rows of an image are those of its class token, distillation token and registers, as far as
 * the model has them, in this order, then one for each patch, row by row from the upper left. Per call: layer, unmerge. Where
 * patches merge between stages (Swin) the states after a block have the size that its stage has, or, for the last block of a
 * stage, the next one: "hidden_sizes" of nestling_model_describe lists it; it is *inout_count over the rows. A reduction is
 * UNSUPPORTED.
 *
 * states, inout_count, out_offsets   as in nestling_session_hidden_states.
 * Otherwise as nestling_session_encode_images.                                                             since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_image_hidden_states(
    nestling_session *session, const nestling_image *images, size_t image_count, const nestling_run_options *options,
    float *states, size_t *inout_count, size_t *out_offsets);

/* Scores of a head for images: NESTLING_HEAD_SEQUENCE_CLASSIFICATION gives a row for each image. Per call: head, unmerge.
 *
 * logits, inout_count, out_offsets   as in nestling_session_logits.
 * returns        also NOT_FOUND if the checkpoint does not carry the head.
 * Otherwise as nestling_session_encode_images.                                                             since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_image_logits(
    nestling_session *session, const nestling_image *images, size_t image_count, const nestling_run_options *options,
    float *logits, size_t *inout_count, size_t *out_offsets);

/* Where each original token went in this session's last run: map[i] is the row, within its own sequence, of the token
 * that original token i is part of after the last layer: -1 if it was pruned, and the row with its greatest share where it is
 * part of several (token_transforming). Without reduction it is the token's own position, or that of the patch that it was merged
 * into by the network itself (Swin).
 *
 * layer          0: after the last layer; k: after layer k.
 * map            one entry per token of the last run; NULL to ask for the size.
 * inout_count    entries.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND before the first run, BUFFER_TOO_SMALL.
 * threads        one at a time per session.                                                                since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_session_token_map(
    nestling_session *session, uint32_t layer, int32_t *map, size_t *inout_count);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Generating                                                                                                       */
/* ---------------------------------------------------------------------------------------------------------------- */

/* Generates texts with one model (a decoder: its heads include CAUSAL_LM), any number of them at once: they join and leave between
 * steps (continuous batching). What a text becomes does not depend on what else runs. One thread at a time. */
typedef struct nestling_generator nestling_generator;

/* What a generator remembers of one sequence: keys and values of its tokens. Shared, never changed, reference counted. */
typedef struct nestling_sequence nestling_sequence;

/* In what keys and values are kept. */
enum {
    NESTLING_CACHE_DEFAULT = 0,  /* float32 for a model of float32 weights, else bfloat16                            */
    NESTLING_CACHE_FLOAT32 = 1,  /* exact; attention is computed in float32                                          */
    NESTLING_CACHE_BFLOAT16 = 2, /* half the memory; attention is computed in bfloat16 with float32 sums             */
    NESTLING_CACHE_INT8 = 3      /* a quarter: 8 bits with a scale for each token and head; attention as BFLOAT16    */
};

typedef struct nestling_generator_options {
    uint32_t struct_size;      /* sizeof(nestling_generator_options)                                                 */
    uint32_t cache;            /* NESTLING_CACHE_...                                                                 */
    uint64_t cache_limit;      /* bytes of keys and values of all texts; 0: no limit. Texts that find no room wait; one that
                                  finds none though it is alone ends with FINISH_FAILED and OUT_OF_MEMORY            */
    uint64_t memory_limit;     /* bytes of activations; 0: no limit                                                  */
    uint32_t slice_tokens;     /* tokens of prompts that one step runs; 0: 512                                       */
    uint32_t maximum_requests; /* texts that run at once, others wait; 0: 64                                         */
    int32_t thread_count;      /* 0: as set for the process; 1 to 1024                                               */
    uint32_t reserved;         /* 0                                                                                  */
} nestling_generator_options;
#define NESTLING_GENERATOR_OPTIONS_INIT { sizeof(nestling_generator_options), 0, 0, 0, 0, 0, 0, 0 }

/* Why a text has ended. */
enum {
    NESTLING_FINISH_NONE = 0,        /* it has not                                                                   */
    NESTLING_FINISH_LENGTH = 1,      /* as many tokens as were asked for                                             */
    NESTLING_FINISH_STOP_TOKEN = 2,  /* a token that ends texts, which is the last one                               */
    NESTLING_FINISH_STOP_STRING = 3, /* one of the stop strings, which is not part of the text                       */
    NESTLING_FINISH_CONTEXT = 4,     /* the model's context is full                                                  */
    NESTLING_FINISH_FAILED = 5       /* see status; other texts go on                                                */
};

/* A piece of a generated text. All pointers are valid during the callback only. */
typedef struct nestling_generated {
    uint32_t struct_size;                  /* bytes of this struct that the library knows                            */
    uint32_t finish;                       /* NESTLING_FINISH_...                                                    */
    nestling_status status;                /* of FINISH_FAILED; else NESTLING_OK                                     */
    int32_t token;                         /* its id; -1 for what was still waiting when the text ended              */
    const char *text;                      /* the whole characters that the token completes, NUL-terminated; "" if it completes
                                              none, is one that ends texts, or the model has no tokenizer. Special tokens have no
                                              text                                                                   */
    size_t text_length;                    /* bytes                                                                  */
    double log_probability;                /* natural logarithm, by the model, before any option of sampling; 0 if not asked for */
    const int32_t *leading_tokens;         /* the most probable tokens by the model, falling                         */
    const double *leading_log_probabilities;
    size_t leading_count;
    const char *message;                   /* of FINISH_FAILED; else ""                                              */
} nestling_generated;

/* Hears the pieces of a text. Returns 0 to go on; anything else ends the text, of which nothing more is heard. It must not call
 * the generator. */
typedef int (*nestling_on_generated)(uint64_t request, const nestling_generated *piece, void *user_data);

/* Changes the scores of the next token, for constrained decoding: -infinity forbids one. Returns 0, or anything else to end the
 * text (FINISH_FAILED, CANCELLED). With a draft it is also asked about tokens that are only guessed. It must not call the
 * generator.
 * generated      the tokens generated so far, `count` of them.
 * scores         one for each of `vocabulary` tokens.                                                                  */
typedef int (*nestling_constrain)(
    uint64_t request, const int32_t *generated, size_t count, float *scores, size_t vocabulary, void *user_data);

/* How one text is gone on with. In the order in which they apply to the scores z of the vocabulary (that of transformers):
 * repetition_penalty r: z / r if z > 0, else z r, for tokens of the prompt and generated ones; presence and frequency: z - presence
 * - frequency n for tokens generated n times; biases are added; temperature t: softmax(z / t); the top_k greatest; of these the
 * fewest greatest whose sum is at least top_p; of these those of at least min_p times the greatest. */
typedef struct nestling_generation_options {
    uint32_t struct_size;             /* sizeof(nestling_generation_options)                                         */
    uint32_t max_new_tokens;          /* 0: as far as the context reaches                                            */
    uint32_t min_new_tokens;          /* nothing ends the text before                                                */
    uint32_t top_k;                   /* 0: as generation_config.json says, or all; UINT32_MAX: all                  */
    float temperature;                /* 0: as generation_config.json says, or greedy; -1: greedy: always the greatest score */
    float top_p;                      /* 0: as generation_config.json says, or 1 (all)                               */
    float min_p;                      /* 0: as generation_config.json says, or none; -1: none                        */
    float repetition_penalty;         /* 0: as generation_config.json says, or 1 (none)                              */
    float presence_penalty;           /* 0: none                                                                     */
    float frequency_penalty;          /* 0: none                                                                     */
    uint64_t seed;                    /* the same seed gives the same tokens, whatever else runs                     */
    const int32_t *bias_tokens;       /* `bias_count` token ids and what is added to their scores                    */
    const float *biases;
    size_t bias_count;
    const int32_t *stop_tokens;       /* tokens that end the text, besides those of the checkpoint                   */
    size_t stop_token_count;
    const char *const *stop_strings;  /* NUL-terminated strings that end the text; they need a tokenizer             */
    size_t stop_string_count;
    int32_t ignore_end_of_text;       /* 1: the checkpoint's tokens that end texts do not; 0 or -1: they do          */
    int32_t log_probabilities;        /* n > 0: of the token and of n leading ones; -1: of the token; 0: none        */
    const nestling_model *draft;      /* NULL, or a submodel of the same weights that guesses tokens ahead (speculative decoding with
                                         a nested draft; arXiv 2211.17192, 2310.07707). The tokens are the same with temperature
                                         -1; their distribution is otherwise. It keeps no keys and values of its own */
    uint32_t draft_tokens;            /* guessed at once, at most; fewer where guesses turn out wrong; 0: 5          */
    uint32_t lookup_tokens;           /* n > 0: instead of a draft, guesses are what followed the last time that up to n last tokens
                                         were seen (prompt lookup)                                                   */
    const nestling_sequence *prefix;  /* NULL, or a sequence of a generator of the same model and cache; as far as its tokens are
                                         the prompt's, they are not run again. Texts that run share prefixes by themselves */
    nestling_on_generated generated;  /* hears the pieces; must be set                                               */
    nestling_constrain constrain;     /* NULL: none                                                                  */
    void *user_data;                  /* passed to both                                                              */
} nestling_generation_options;
#define NESTLING_GENERATION_OPTIONS_INIT \
    { sizeof(nestling_generation_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 0, NULL, 0, 0, \
      NULL, NULL, NULL, NULL }

/* Creates a generator. It keeps the model alive.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND (the checkpoint has no head that scores the next token), UNSUPPORTED (its
 *                tokens see later ones), CORRUPT (generation_config.json).
 * threads        any.                                                                                      since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_create(
    const nestling_model *model, const nestling_generator_options *options, nestling_generator **out_generator);

/* Frees a generator and ends its texts unheard; NULL is ignored. No call may be in progress on it.         since 0.2 */
NESTLING_API void nestling_generator_release(nestling_generator *generator);

/* Adds a text that begins with a prompt; nestling_generator_step runs it.
 *
 * token_ids      `count` ids, special tokens included; at least one.
 * options        `generated` must be set. Read during the call only, but for callbacks, user_data, draft and prefix.
 * out_request    receives the number by which callbacks name the text, from 1; NULL: not wanted.
 * returns        NESTLING_OK, INVALID_ARGUMENT (empty or too long a prompt, ids past the vocabulary, options that cannot be
 *                meant), NOT_FOUND (stop strings without a tokenizer).
 * threads        one at a time per generator.                                                              since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_add(
    nestling_generator *generator, const int32_t *token_ids, size_t count, const nestling_generation_options *options,
    uint64_t *out_request);

/* Adds a text that begins with `text`, `length` bytes of UTF-8, by the model's tokenizer with its special tokens. Chat templates
 * are the caller's.
 * returns        also NOT_FOUND if the checkpoint has no tokenizer.
 * Otherwise as nestling_generator_add.                                                                     since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_add_text(
    nestling_generator *generator, const char *text, size_t length, const nestling_generation_options *options,
    uint64_t *out_request);

/* Runs one step: a token of every text that is being generated (several, where guesses are right), and slices of waiting prompts.
 * Callbacks are called on this thread.
 *
 * progress       NULL, or called between layers with stage "decode"; what it cancels can be tried again.
 * out_remaining  receives the number of texts that have not ended; NULL: not wanted.
 * returns        NESTLING_OK, INVALID_ARGUMENT, OUT_OF_MEMORY, CANCELLED. What goes wrong with one text is told to its callback.
 * threads        one at a time per generator.                                                              since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_step(
    nestling_generator *generator, nestling_progress progress, void *user_data, size_t *out_remaining);

/* Ends a text; its callback hears nothing more. NESTLING_ERROR_NOT_FOUND if it has ended already.
 * threads        one at a time per generator.                                                              since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_cancel(nestling_generator *generator, uint64_t request);

/* Returns a JSON object of counts since the generator was made: "prompt_tokens", "shared_tokens", "generated_tokens", "steps",
 * "draft_steps", "guessed_tokens", "accepted_tokens", "restarts", "requests", "cache_bytes", "maximum_tokens".
 * buffer, inout_count   as in nestling_build_info.
 * threads        one at a time per generator.                                                              since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_describe(
    nestling_generator *generator, char *buffer, size_t *inout_count);

/* How probable given texts are: the natural logarithm of the probability of every token, given those before it. The first token
 * of each sequence gets 0. exp(-mean) of the others is the perplexity.
 *
 * token_ids, offsets, sequence_count   as in nestling_session_encode.
 * log_probabilities   receives offsets[sequence_count] numbers; NULL to ask for the size.
 * progress       NULL, or called with stage "score"; total counts sequences.
 * returns        NESTLING_OK, INVALID_ARGUMENT, CORRUPT (the model's scores are not numbers), OUT_OF_MEMORY, BUFFER_TOO_SMALL,
 *                CANCELLED.
 * threads        one at a time per generator.                                                              since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_score(
    nestling_generator *generator, const int32_t *token_ids, const size_t *offsets, size_t sequence_count,
    nestling_progress progress, void *user_data, double *log_probabilities, size_t *inout_count);

/* Gives what is remembered of a text that is running, to be the prefix of others; copies nothing.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND (it has ended, or waits).
 * threads        one at a time per generator.                                                              since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_get_sequence(
    nestling_generator *generator, uint64_t request, nestling_sequence **out_sequence);

/* Writes a sequence to memory. The bytes do not depend on the instruction set.
 * buffer         receives the bytes; NULL to ask for the size.
 * inout_count    bytes.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_sequence_save(
    const nestling_sequence *sequence, void *buffer, size_t *inout_count);

/* Makes a sequence of what nestling_sequence_save wrote, by a generator of the same model and cache. The bytes may come from
 * anyone; they are read during the call only.
 * returns        NESTLING_OK, INVALID_ARGUMENT, CORRUPT, OUT_OF_MEMORY.
 * threads        any.                                                                                      since 0.2 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_generator_restore(
    nestling_generator *generator, const void *data, size_t size, nestling_sequence **out_sequence);

/* Tokens of a sequence; 0 for NULL. Any thread.                                                            since 0.2 */
NESTLING_API size_t nestling_sequence_tokens(const nestling_sequence *sequence);

/* Gives a reference back; the last one frees the sequence. NULL is ignored. Any thread.                    since 0.2 */
NESTLING_API void nestling_sequence_release(nestling_sequence *sequence);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Tokenizers                                                                                                       */
/* ---------------------------------------------------------------------------------------------------------------- */

/* Text to token ids and back; immutable, shared by any number of threads, reference counted. */
typedef struct nestling_tokenizer nestling_tokenizer;

/* Opens a tokenizer: a tokenizer.json, a SentencePiece model, a vocab.txt or a GGUF file, or a directory that holds one.
 * In a directory the first of these is taken: tokenizer.json; tokenizer.model, spiece.model, sentencepiece.bpe.model or
 * spm.model; vocab.txt; vocab.json with merges.txt. tokenizer_config.json beside them is read as well.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND, IO, CORRUPT, UNSUPPORTED, OUT_OF_MEMORY.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_open(
    const char *path, nestling_tokenizer **out_tokenizer);

/* Opens a tokenizer.json or a SentencePiece model that the caller holds in memory; the bytes are read during the call only.
 * Otherwise as nestling_tokenizer_open.                                                                    since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_open_memory(
    const void *data, size_t size, nestling_tokenizer **out_tokenizer);

/* Opens a tokenizer from files in memory: those that nestling_tokenizer_open looks for in a directory, under their names.
 *
 * files          `count` files, read during the call only. Files that belong to no tokenizer are ignored.
 * returns        NOT_FOUND if no tokenizer is among them.
 * Otherwise as nestling_tokenizer_open.                                                                    since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_open_files(
    const nestling_file *files, size_t count, nestling_tokenizer **out_tokenizer);

/* Gives the tokenizer of a model, as one reference that the caller owns.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND, UNSUPPORTED (a GGUF file's, of a kind that is not known).
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_model_get_tokenizer(
    const nestling_model *model, nestling_tokenizer **out_tokenizer);

/* Adds a reference and returns the tokenizer; NULL gives NULL. Any thread.                                 since 0.1 */
NESTLING_API nestling_tokenizer *nestling_tokenizer_retain(nestling_tokenizer *tokenizer);

/* Gives a reference back; the last one frees the tokenizer. NULL is ignored. Any thread.                   since 0.1 */
NESTLING_API void nestling_tokenizer_release(nestling_tokenizer *tokenizer);

/* Which text is cut where the tokens are more than maximum_tokens. */
enum {
    NESTLING_TRUNCATE_LONGEST_FIRST = 0, /* of a pair the longer one, until both fit (default)                       */
    NESTLING_TRUNCATE_ONLY_FIRST = 1,    /* the first one; an error if that is not enough                            */
    NESTLING_TRUNCATE_ONLY_SECOND = 2    /* the second one; an error if there is none, or if that is not enough      */
};

/* Which end of a text is cut off. */
enum { NESTLING_SIDE_RIGHT = 0, NESTLING_SIDE_LEFT = 1 };

/* What nestling_tokenizer_encode_batch keeps of each token. */
enum {
    NESTLING_DETAILS_NONE = 0,      /* id, type id, special mask                                                     */
    NESTLING_DETAILS_BYTES = 1,     /* also word, sequence, and the place in the text counted in bytes               */
    NESTLING_DETAILS_CHARACTERS = 2 /* the same, the place counted in characters (Unicode code points)               */
};

typedef struct nestling_tokenize_options {
    uint32_t struct_size;       /* sizeof(nestling_tokenize_options)                                                 */
    int32_t special_tokens;     /* 0 or 1: add them (default); -1: do not                                            */
    uint32_t maximum_tokens;    /* cut to this many tokens, special ones included; 0: do not cut                     */
    uint32_t stride;            /* tokens that a part cut off shares with the part before it; fewer than a part has  */
    const char *second_text;    /* encode: NULL, or the second text of a pair                                        */
    size_t second_length;       /* encode: its bytes                                                                 */
    int32_t truncation;         /* NESTLING_TRUNCATE_...: which text is cut                                          */
    int32_t truncation_side;    /* NESTLING_SIDE_...: which end of it                                                */
    int32_t overflowing;        /* encode_batch: 1: keep the parts that were cut off; 0 or -1: drop them (default)   */
    int32_t details;            /* encode_batch: NESTLING_DETAILS_...                                                */
    uint32_t threads;           /* encode_batch: at most this many, 1024 at most; 0: as set for the process          */
    uint32_t reserved;          /* 0                                                                                 */
    nestling_progress progress; /* encode_batch: NULL: none; the stage is "tokenize", total counts texts             */
    void *user_data;            /* passed to progress                                                                */
    const size_t *plain_ranges; /* encode: NULL, or [plain_range_count][2]: bytes begin ..< end of the text, rising, that
                                   are text and nothing else: no added token (so no special one) is found that has a
                                   byte in them. For what strangers wrote into a chat; not of second_text            */
    size_t plain_range_count;   /* encode: how many they are                                                         */
} nestling_tokenize_options;
#define NESTLING_TOKENIZE_OPTIONS_INIT \
    { sizeof(nestling_tokenize_options), 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0 }

/* What else nestling_tokenizer_encode can tell of each token. Each array is NULL, or has room for as many elements as the
 * ids. */
typedef struct nestling_token_details {
    uint32_t struct_size;  /* sizeof(nestling_token_details)                                                         */
    int32_t characters;    /* 1: starts and ends count characters (Unicode code points); 0 or -1: bytes (default)    */
    int32_t *type_ids;     /* token type ids                                                                         */
    uint64_t *starts;      /* where the part of the text begins that the token stands for; 0 for special tokens      */
    uint64_t *ends;        /* and where it ends; in a pair, each text is counted from its own beginning              */
    int32_t *word_ids;     /* the word (piece of the pre-tokenizer) that the token is of; -1 for special tokens      */
    int32_t *sequence_ids; /* 0: the first text, 1: the second; -1 for special tokens                                */
    uint8_t *special_mask; /* 1 for special tokens that were added, else 0                                           */
} nestling_token_details;
#define NESTLING_TOKEN_DETAILS_INIT { sizeof(nestling_token_details), 0, NULL, NULL, NULL, NULL, NULL, NULL }

/* Token ids of one text.
 *
 * text, length   UTF-8 and its bytes.
 * options        NULL for defaults; read during the call only. Options of encode_batch alone must be left at 0.
 * ids            receives the ids; NULL to ask for the number.
 * details        NULL, or where to write what else is wanted; read during the call only.
 * returns        NESTLING_OK, INVALID_ARGUMENT (invalid UTF-8: names the byte; a text that cannot be cut as the options
 *                say), CORRUPT (the text needs an unknown token that the vocabulary lacks), UNSUPPORTED (a regular
 *                expression of the tokenizer takes too long on the text), BUFFER_TOO_SMALL, OUT_OF_MEMORY (also if the
 *                tokenizer's file would make many times as much of the text as tokenizers do).
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_encode(
    const nestling_tokenizer *tokenizer, const char *text, size_t length, const nestling_tokenize_options *options,
    int32_t *ids, const nestling_token_details *details, size_t *inout_count);

/* What texts became: encodings, back to back. Made by nestling_tokenizer_encode_batch; immutable, shared by any number of
 * threads, reference counted. */
typedef struct nestling_encodings nestling_encodings;

/* The arrays of a nestling_encodings. They belong to it and live as long as it does. Encoding e is the elements
 * offsets[e] ..< offsets[e + 1] of every array that has one element for each token. */
typedef struct nestling_encodings_content {
    uint32_t struct_size;        /* in: sizeof(nestling_encodings_content); only that much is written                */
    uint32_t reserved;           /* out: 0                                                                           */
    size_t text_count;           /* texts, or pairs of texts, that were given                                        */
    size_t encoding_count;       /* text_count, and one for each part that was cut off, if those were asked for      */
    size_t token_count;          /* of all encodings together                                                        */
    const size_t *parts;         /* [text_count + 1]: text t became encodings parts[t] ..< parts[t + 1]: first what
                                    was kept, then what was cut off, in order; of a pair, all combinations           */
    const size_t *offsets;       /* [encoding_count + 1]                                                             */
    const int32_t *ids;          /* [token_count]                                                                    */
    const int32_t *type_ids;     /* [token_count]                                                                    */
    const uint8_t *special_mask; /* [token_count]: 1 for special tokens that were added, else 0                      */
    const uint64_t *starts;      /* [token_count], as in nestling_token_details; NULL with NESTLING_DETAILS_NONE     */
    const uint64_t *ends;        /* the same                                                                         */
    const int32_t *word_ids;     /* the same                                                                         */
    const int32_t *sequence_ids; /* the same                                                                         */
} nestling_encodings_content;
#define NESTLING_ENCODINGS_CONTENT_INIT \
    { sizeof(nestling_encodings_content), 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* Token ids of many texts, on threads. Each text gets the ids that nestling_tokenizer_encode gives it, whatever the others
 * are and however many threads there are.
 *
 * texts          text_count pointers to UTF-8.
 * lengths        their bytes; NULL if all texts are NUL-terminated.
 * second_texts   NULL, or text_count pointers to the second texts of pairs; NULL for a text that has none.
 * second_lengths their bytes; NULL if all second texts are NUL-terminated. NULL without second_texts.
 * options        NULL for defaults; read during the call only. second_text must be NULL.
 * out_encodings  the caller owns one reference. It does not keep the tokenizer alive and does not need it.
 * returns        as nestling_tokenizer_encode, but for the buffers; CANCELLED. If several texts cannot be encoded, the
 *                message is about the first of them, by number.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_encode_batch(
    const nestling_tokenizer *tokenizer, const char *const *texts, const size_t *lengths,
    const char *const *second_texts, const size_t *second_lengths, size_t text_count,
    const nestling_tokenize_options *options, nestling_encodings **out_encodings);

/* Tells where the arrays of `encodings` are. Arrays without elements may be NULL or not.
 * returns        NESTLING_OK, INVALID_ARGUMENT.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_encodings_get_content(
    const nestling_encodings *encodings, nestling_encodings_content *out_content);

/* Adds a reference and returns the encodings; NULL gives NULL. Any thread.                                 since 0.1 */
NESTLING_API nestling_encodings *nestling_encodings_retain(nestling_encodings *encodings);

/* Gives a reference back; the last one frees the encodings and their arrays. NULL is ignored. Any thread.  since 0.1 */
NESTLING_API void nestling_encodings_release(nestling_encodings *encodings);

/* Text of token ids, UTF-8 and NUL-terminated.
 *
 * skip_special   not 0: leave special tokens out.
 * buffer         receives the text; NULL to ask for the size.
 * inout_count    bytes, the NUL included.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL, OUT_OF_MEMORY (also if the tokenizer's file would make
 *                many times as much of the ids as tokenizers do). Ids past the vocabulary are left out.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_decode(
    const nestling_tokenizer *tokenizer, const int32_t *ids, size_t count, int32_t skip_special,
    char *buffer, size_t *inout_count);

/* Texts of many sequences of token ids, on threads, UTF-8, back to back and without NULs between or after them.
 *
 * ids            offsets[sequence_count] ids.
 * offsets        sequence_count + 1 entries (see Batches above). A sequence may be empty.
 * skip_special   not 0: leave special tokens out.
 * buffer         receives the texts; NULL to ask for the size.
 * inout_count    bytes.
 * out_text_offsets  NULL, or sequence_count + 1 entries that receive the byte where each text begins and the last one
 *                ends; also when only the size is asked for.
 * returns        as nestling_tokenizer_decode; the message names the first sequence, by number, that cannot be decoded.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_decode_batch(
    const nestling_tokenizer *tokenizer, const int32_t *ids, const size_t *offsets, size_t sequence_count,
    int32_t skip_special, char *buffer, size_t *inout_count, size_t *out_text_offsets);

/* Turns token ids into text as they come, for example from a model that generates them. One thread at a time (a second
 * one is refused, not harmed). */
typedef struct nestling_decode_stream nestling_decode_stream;

/* Begins a text. The stream keeps the tokenizer alive.
 * skip_special   not 0: leave special tokens out.
 * returns        NESTLING_OK, INVALID_ARGUMENT.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_decode_stream_create(
    const nestling_tokenizer *tokenizer, int32_t skip_special, nestling_decode_stream **out_stream);

/* Takes the next id and gives the text that it completes: "" if the ids that follow must decide, so never half a
 * character. All texts together, with that of nestling_decode_stream_finish, are the text of all ids.
 *
 * buffer         receives the text, NUL-terminated; NULL to ask for the size.
 * inout_count    bytes, the NUL included. When only the size is asked for, and when the buffer is too small, the id is
 *                not taken: call again with the same one.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL, OUT_OF_MEMORY; after a failure the stream is as it was.
 *                Ids past the vocabulary have no text.
 * threads        one at a time per stream.                                                                 since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_decode_stream_append(
    nestling_decode_stream *stream, int32_t id, char *buffer, size_t *inout_count);

/* Ends the text: gives what waited for ids that did not come, incomplete characters as U+FFFD. The stream is then as new.
 * Sizes as in nestling_decode_stream_append: when only the size is asked for, and when the buffer is too small, the text
 * is not ended.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL, OUT_OF_MEMORY; after a failure the stream is as it was.
 * threads        one at a time per stream.                                                                 since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_decode_stream_finish(
    nestling_decode_stream *stream, char *buffer, size_t *inout_count);

/* Frees a stream; NULL is ignored. No call may be in progress on it.                                       since 0.1 */
NESTLING_API void nestling_decode_stream_release(nestling_decode_stream *stream);

/* Describes a tokenizer as a JSON object:
 *     {"model": "BPE",                                      or "WordPiece", "Unigram", "WordLevel"
 *      "vocabulary_size": 1005, "vocabulary_size_without_added": 1000,
 *      "special_tokens_to_add": {"single": 2, "pair": 3},   how many encoding adds to one text, and to a pair
 *      "added_tokens": [                                    in order of their ids
 *          {"id": 0, "content": "<s>", "special": true, "lstrip": false, "rstrip": false, "single_word": false,
 *           "normalized": false}, ...],
 *      "truncation": null, or {"max_length": 512, "stride": 0, "strategy": "longest_first" | "only_first" | "only_second",
 *                              "direction": "right" | "left"},
 *      "padding": null, or {"length": null or a number, "pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>",
 *                           "direction": "right" | "left", "pad_to_multiple_of": null or a number}}
 * truncation and padding are what the tokenizer's file asks for; nothing applies them by itself. Later versions may add
 * keys.
 *
 * buffer         receives the text, NUL-terminated; NULL to ask for the size.
 * inout_count    bytes, the NUL included.
 * returns        NESTLING_OK, INVALID_ARGUMENT, BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_describe(
    const nestling_tokenizer *tokenizer, char *buffer, size_t *inout_count);

/* Returns how many entries the vocabulary has, added tokens included; 0 for NULL. Any thread.              since 0.1 */
NESTLING_API uint32_t nestling_tokenizer_vocabulary_size(const nestling_tokenizer *tokenizer);

/* Finds the id of a vocabulary entry.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_token_to_id(
    const nestling_tokenizer *tokenizer, const char *token, int32_t *out_id);

/* Finds the vocabulary entry of an id, NUL-terminated. Sizes as in nestling_tokenizer_decode.
 * returns        NESTLING_OK, INVALID_ARGUMENT, NOT_FOUND, BUFFER_TOO_SMALL.
 * threads        any.                                                                                      since 0.1 */
NESTLING_API NESTLING_MUST_USE nestling_status nestling_tokenizer_id_to_token(
    const nestling_tokenizer *tokenizer, int32_t id, char *buffer, size_t *inout_count);

#ifdef __cplusplus
}
#endif

#endif /* NESTLING_H */
