"""The C interface as ctypes sees it: structures, callback, constants and one table of functions.

This module mirrors ``include/nestling.h`` and holds no logic. Two tests keep it honest: one parses the header and
compares every function with the table, the other compiles a C program that prints the size of every structure and the
offset of every field.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

#: NESTLING_ABI_VERSION of the header that this module mirrors; it is the number in the library's soname.
ABI_VERSION = 0


# Handles


class ModelHandle(ctypes.Structure):
    """Opaque ``nestling_model``."""


class SessionHandle(ctypes.Structure):
    """Opaque ``nestling_session``."""


class GeneratorHandle(ctypes.Structure):
    """Opaque ``nestling_generator``."""


class SequenceHandle(ctypes.Structure):
    """Opaque ``nestling_sequence``."""


class TokenizerHandle(ctypes.Structure):
    """Opaque ``nestling_tokenizer``."""


class EncodingsHandle(ctypes.Structure):
    """Opaque ``nestling_encodings``."""


class DecodeStreamHandle(ctypes.Structure):
    """Opaque ``nestling_decode_stream``."""


# Constants

STATUS_OK = 0
STATUS_BUFFER_TOO_SMALL = -7

DTYPES = {"default": 0, "float32": 1, "bfloat16": 2, "int8": 3, "int4": 4}
TOWERS = {None: 0, "text": 1, "vision": 2}
SAVE_FORMS = {None: 0, False: 1, True: 2}

POOLINGS = {
    "default": 0,
    "cls": 1,
    "mean": 2,
    "max": 3,
    "last": 4,
    "weighted_mean": 5,
    "mean_sqrt_length": 6,
}

HEADS = {
    "default": 0,
    "masked_lm": 1,
    "sequence_classification": 2,
    "token_classification": 3,
    "question_answering": 4,
    "replaced_token": 5,
    "causal_lm": 6,
}

CACHES = {"default": 0, "float32": 1, "bfloat16": 2, "int8": 3}

FINISHES = {"none": 0, "length": 1, "stop_token": 2, "stop_string": 3, "context": 4, "failed": 5}

LAYER_EMBEDDINGS = -1

PIXELS = {"u8": 0, "f32": 1, "prepared": 2}

TRUNCATIONS = {"longest_first": 0, "only_first": 1, "only_second": 2}

SIDES = {"right": 0, "left": 1}

DETAILS = {"none": 0, "bytes": 1, "characters": 2}


# Structures


class SizedStructure(ctypes.Structure):
    """A structure of the header that begins with ``struct_size``, which is set here, once, for all of them."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(self), **fields)


#: ``nestling_progress``: (stage, done, total, user_data) -> 0 to go on, anything else to cancel.
Progress = ctypes.CFUNCTYPE(c_int32, c_char_p, c_uint64, c_uint64, c_void_p)


class OpenOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("dtype", c_uint32),
        ("map_weights", c_int32),
        ("reserved", c_uint32),
        ("progress", Progress),
        ("user_data", c_void_p),
        ("tower", c_uint32),
        ("zero", c_uint32),
    ]


class File(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("data", c_void_p),
        ("size", c_size_t),
    ]


class ModelInfo(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("default_head", c_uint32),
        ("heads", c_uint32),
        ("pooling", c_uint32),
        ("layers", c_uint32),
        ("hidden_size", c_uint32),
        ("output_dimensions", c_uint32),
        ("vocabulary_size", c_uint32),
        ("token_types", c_uint32),
        ("maximum_tokens", c_uint32),
        ("text_tokens", c_uint32),
        ("labels", c_uint32),
        ("has_tokenizer", c_uint32),
        ("normalizes", c_uint32),
        ("parameters", c_uint64),
        ("weight_bytes", c_uint64),
    ]


class SubmodelSpec(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("output_dimensions", c_uint32),
        ("ffn_ratio", c_double),
        ("head_ratio", c_double),
        ("layers", POINTER(c_int32)),
        ("layer_count", c_size_t),
        ("ffn_widths", POINTER(c_int32)),
        ("ffn_width_count", c_size_t),
        ("heads", POINTER(c_int32)),
        ("head_count", c_size_t),
    ]


class SaveOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("overwrite", c_int32),
        ("progress", Progress),
        ("user_data", c_void_p),
        ("form", c_uint32),
        ("reserved", c_uint32),
    ]


class SessionOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("slice_tokens", c_uint32),
        ("memory_limit", c_uint64),
        ("thread_count", c_int32),
        ("reserved", c_uint32),
    ]


class RunOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("pooling", c_uint32),
        ("normalize", c_int32),
        ("output_dimensions", c_uint32),
        ("head", c_uint32),
        ("layer", c_int32),
        ("unmerge", c_int32),
        ("reserved", c_uint32),
        ("reduction", c_char_p),
        ("token_type_ids", POINTER(c_int32)),
        ("prompt", c_char_p),
        ("prompt_name", c_char_p),
        ("progress", Progress),
        ("user_data", c_void_p),
    ]


class Image(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("format", c_uint32),
        ("pixels", c_void_p),
        ("width", c_uint32),
        ("height", c_uint32),
        ("channels", c_uint32),
        ("reserved", c_uint32),
        ("row_stride", c_int64),
        ("pixel_stride", c_int64),
        ("channel_stride", c_int64),
    ]


class GeneratorOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("cache", c_uint32),
        ("cache_limit", c_uint64),
        ("memory_limit", c_uint64),
        ("slice_tokens", c_uint32),
        ("maximum_requests", c_uint32),
        ("thread_count", c_int32),
        ("reserved", c_uint32),
    ]


class Generated(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("finish", c_uint32),
        ("status", c_int32),
        ("token", c_int32),
        ("text", c_void_p),
        ("text_length", c_size_t),
        ("log_probability", c_double),
        ("leading_tokens", POINTER(c_int32)),
        ("leading_log_probabilities", POINTER(c_double)),
        ("leading_count", c_size_t),
        ("message", c_char_p),
    ]


#: ``nestling_on_generated``: (request, piece, user_data) -> 0 to go on, anything else to end the text.
OnGenerated = ctypes.CFUNCTYPE(c_int32, c_uint64, POINTER(Generated), c_void_p)

#: ``nestling_constrain``: (request, generated, count, scores, vocabulary, user_data) -> 0 to go on.
Constrain = ctypes.CFUNCTYPE(c_int32, c_uint64, POINTER(c_int32), c_size_t, POINTER(c_float), c_size_t, c_void_p)


class GenerationOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("max_new_tokens", c_uint32),
        ("min_new_tokens", c_uint32),
        ("top_k", c_uint32),
        ("temperature", c_float),
        ("top_p", c_float),
        ("min_p", c_float),
        ("repetition_penalty", c_float),
        ("presence_penalty", c_float),
        ("frequency_penalty", c_float),
        ("seed", c_uint64),
        ("bias_tokens", POINTER(c_int32)),
        ("biases", POINTER(c_float)),
        ("bias_count", c_size_t),
        ("stop_tokens", POINTER(c_int32)),
        ("stop_token_count", c_size_t),
        ("stop_strings", POINTER(c_char_p)),
        ("stop_string_count", c_size_t),
        ("ignore_end_of_text", c_int32),
        ("log_probabilities", c_int32),
        ("draft", POINTER(ModelHandle)),
        ("draft_tokens", c_uint32),
        ("lookup_tokens", c_uint32),
        ("prefix", POINTER(SequenceHandle)),
        ("generated", OnGenerated),
        ("constrain", Constrain),
        ("user_data", c_void_p),
    ]


class TokenizeOptions(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("special_tokens", c_int32),
        ("maximum_tokens", c_uint32),
        ("stride", c_uint32),
        ("second_text", c_char_p),
        ("second_length", c_size_t),
        ("truncation", c_int32),
        ("truncation_side", c_int32),
        ("overflowing", c_int32),
        ("details", c_int32),
        ("threads", c_uint32),
        ("reserved", c_uint32),
        ("progress", Progress),
        ("user_data", c_void_p),
        ("plain_ranges", POINTER(c_size_t)),
        ("plain_range_count", c_size_t),
    ]


class TokenDetails(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("characters", c_int32),
        ("type_ids", POINTER(c_int32)),
        ("starts", POINTER(c_uint64)),
        ("ends", POINTER(c_uint64)),
        ("word_ids", POINTER(c_int32)),
        ("sequence_ids", POINTER(c_int32)),
        ("special_mask", POINTER(c_uint8)),
    ]


class EncodingsContent(SizedStructure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("text_count", c_size_t),
        ("encoding_count", c_size_t),
        ("token_count", c_size_t),
        ("parts", POINTER(c_size_t)),
        ("offsets", POINTER(c_size_t)),
        ("ids", POINTER(c_int32)),
        ("type_ids", POINTER(c_int32)),
        ("special_mask", POINTER(c_uint8)),
        ("starts", POINTER(c_uint64)),
        ("ends", POINTER(c_uint64)),
        ("word_ids", POINTER(c_int32)),
        ("sequence_ids", POINTER(c_int32)),
    ]


#: Every structure with a layout, by its name in the header.
STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "nestling_open_options": OpenOptions,
    "nestling_file": File,
    "nestling_model_info": ModelInfo,
    "nestling_submodel_spec": SubmodelSpec,
    "nestling_save_options": SaveOptions,
    "nestling_session_options": SessionOptions,
    "nestling_run_options": RunOptions,
    "nestling_image": Image,
    "nestling_generator_options": GeneratorOptions,
    "nestling_generated": Generated,
    "nestling_generation_options": GenerationOptions,
    "nestling_tokenize_options": TokenizeOptions,
    "nestling_token_details": TokenDetails,
    "nestling_encodings_content": EncodingsContent,
}


# Functions


class Status(c_int32):
    """Result type of the functions that can fail: marks them in the table, so that each result is checked."""


_Model = POINTER(ModelHandle)
_Session = POINTER(SessionHandle)
_Generator = POINTER(GeneratorHandle)
_Sequence = POINTER(SequenceHandle)
_Tokenizer = POINTER(TokenizerHandle)
_Encodings = POINTER(EncodingsHandle)
_DecodeStream = POINTER(DecodeStreamHandle)
_Int32s = POINTER(c_int32)
_Floats = POINTER(c_float)
_Doubles = POINTER(c_double)
_Sizes = POINTER(c_size_t)
_Texts = POINTER(c_char_p)

#: (name, result type, argument types), in the order of the header.
FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("nestling_version_number", c_uint32, ()),
    ("nestling_abi_version", c_uint32, ()),
    ("nestling_status_name", c_char_p, (Status,)),
    ("nestling_last_error_message", c_char_p, ()),
    ("nestling_build_info", Status, (c_char_p, _Sizes)),
    ("nestling_set_thread_count", Status, (c_int32,)),
    ("nestling_thread_count", c_int32, ()),
    ("nestling_model_open", Status, (c_char_p, POINTER(OpenOptions), POINTER(_Model))),
    ("nestling_model_open_memory", Status, (POINTER(File), c_size_t, POINTER(OpenOptions), POINTER(_Model))),
    ("nestling_model_retain", _Model, (_Model,)),
    ("nestling_model_release", None, (_Model,)),
    ("nestling_model_get_info", Status, (_Model, POINTER(ModelInfo))),
    ("nestling_model_describe", Status, (_Model, c_char_p, _Sizes)),
    ("nestling_model_estimate_reduction", Status, (_Model, c_uint32, c_char_p, c_char_p, _Sizes)),
    ("nestling_check", Status, (c_char_p, c_int32, c_char_p, _Sizes)),
    ("nestling_model_derive", Status, (_Model, POINTER(SubmodelSpec), POINTER(_Model))),
    ("nestling_model_save", Status, (_Model, c_char_p, POINTER(SaveOptions))),
    ("nestling_session_estimate", Status, (_Model, POINTER(SessionOptions), c_uint32, POINTER(c_uint64))),
    ("nestling_session_create", Status, (_Model, POINTER(SessionOptions), POINTER(_Session))),
    ("nestling_session_release", None, (_Session,)),
    (
        "nestling_session_encode",
        Status,
        (_Session, _Int32s, _Sizes, c_size_t, POINTER(RunOptions), _Floats, _Sizes),
    ),
    (
        "nestling_session_encode_texts",
        Status,
        (_Session, _Texts, _Sizes, c_size_t, POINTER(RunOptions), _Floats, _Sizes),
    ),
    (
        "nestling_session_hidden_states",
        Status,
        (_Session, _Int32s, _Sizes, c_size_t, POINTER(RunOptions), _Floats, _Sizes, _Sizes),
    ),
    (
        "nestling_session_logits",
        Status,
        (_Session, _Int32s, _Sizes, c_size_t, POINTER(RunOptions), _Floats, _Sizes, _Sizes),
    ),
    (
        "nestling_model_prepare_images",
        Status,
        (_Model, POINTER(Image), c_size_t, _Floats, _Sizes, POINTER(c_uint32)),
    ),
    (
        "nestling_session_encode_images",
        Status,
        (_Session, POINTER(Image), c_size_t, POINTER(RunOptions), _Floats, _Sizes),
    ),
    (
        "nestling_session_image_hidden_states",
        Status,
        (_Session, POINTER(Image), c_size_t, POINTER(RunOptions), _Floats, _Sizes, _Sizes),
    ),
    (
        "nestling_session_image_logits",
        Status,
        (_Session, POINTER(Image), c_size_t, POINTER(RunOptions), _Floats, _Sizes, _Sizes),
    ),
    ("nestling_session_token_map", Status, (_Session, c_uint32, _Int32s, _Sizes)),
    ("nestling_generator_create", Status, (_Model, POINTER(GeneratorOptions), POINTER(_Generator))),
    ("nestling_generator_release", None, (_Generator,)),
    (
        "nestling_generator_add",
        Status,
        (_Generator, _Int32s, c_size_t, POINTER(GenerationOptions), POINTER(c_uint64)),
    ),
    (
        "nestling_generator_add_text",
        Status,
        (_Generator, c_char_p, c_size_t, POINTER(GenerationOptions), POINTER(c_uint64)),
    ),
    ("nestling_generator_step", Status, (_Generator, Progress, c_void_p, _Sizes)),
    ("nestling_generator_cancel", Status, (_Generator, c_uint64)),
    ("nestling_generator_describe", Status, (_Generator, c_char_p, _Sizes)),
    (
        "nestling_generator_score",
        Status,
        (_Generator, _Int32s, _Sizes, c_size_t, Progress, c_void_p, _Doubles, _Sizes),
    ),
    ("nestling_generator_get_sequence", Status, (_Generator, c_uint64, POINTER(_Sequence))),
    ("nestling_sequence_save", Status, (_Sequence, c_void_p, _Sizes)),
    ("nestling_generator_restore", Status, (_Generator, c_void_p, c_size_t, POINTER(_Sequence))),
    ("nestling_sequence_tokens", c_size_t, (_Sequence,)),
    ("nestling_sequence_release", None, (_Sequence,)),
    ("nestling_tokenizer_open", Status, (c_char_p, POINTER(_Tokenizer))),
    ("nestling_tokenizer_open_memory", Status, (c_void_p, c_size_t, POINTER(_Tokenizer))),
    ("nestling_tokenizer_open_files", Status, (POINTER(File), c_size_t, POINTER(_Tokenizer))),
    ("nestling_model_get_tokenizer", Status, (_Model, POINTER(_Tokenizer))),
    ("nestling_tokenizer_retain", _Tokenizer, (_Tokenizer,)),
    ("nestling_tokenizer_release", None, (_Tokenizer,)),
    (
        "nestling_tokenizer_encode",
        Status,
        (_Tokenizer, c_char_p, c_size_t, POINTER(TokenizeOptions), _Int32s, POINTER(TokenDetails), _Sizes),
    ),
    (
        "nestling_tokenizer_encode_batch",
        Status,
        (_Tokenizer, _Texts, _Sizes, _Texts, _Sizes, c_size_t, POINTER(TokenizeOptions), POINTER(_Encodings)),
    ),
    ("nestling_encodings_get_content", Status, (_Encodings, POINTER(EncodingsContent))),
    ("nestling_encodings_retain", _Encodings, (_Encodings,)),
    ("nestling_encodings_release", None, (_Encodings,)),
    ("nestling_tokenizer_decode", Status, (_Tokenizer, _Int32s, c_size_t, c_int32, c_char_p, _Sizes)),
    (
        "nestling_tokenizer_decode_batch",
        Status,
        (_Tokenizer, _Int32s, _Sizes, c_size_t, c_int32, c_char_p, _Sizes, _Sizes),
    ),
    ("nestling_decode_stream_create", Status, (_Tokenizer, c_int32, POINTER(_DecodeStream))),
    ("nestling_decode_stream_append", Status, (_DecodeStream, c_int32, c_char_p, _Sizes)),
    ("nestling_decode_stream_finish", Status, (_DecodeStream, c_char_p, _Sizes)),
    ("nestling_decode_stream_release", None, (_DecodeStream,)),
    ("nestling_tokenizer_describe", Status, (_Tokenizer, c_char_p, _Sizes)),
    ("nestling_tokenizer_vocabulary_size", c_uint32, (_Tokenizer,)),
    ("nestling_tokenizer_token_to_id", Status, (_Tokenizer, c_char_p, _Int32s)),
    ("nestling_tokenizer_id_to_token", Status, (_Tokenizer, c_int32, c_char_p, _Sizes)),
)


def declare(library: ctypes.CDLL, check: Any) -> None:
    """Gives every function of `library` its types.

    Parameters
    ----------
    library
        The loaded library.
    check
        ctypes ``errcheck`` for the functions that return a status: called with (status, function, arguments).

    Raises
    ------
    AttributeError
        If a function is missing.
    """
    for name, result, arguments in FUNCTIONS:
        function = getattr(library, name)
        function.argtypes = arguments
        if result is Status:
            function.restype = c_int32
            function.errcheck = check
        else:
            function.restype = result
