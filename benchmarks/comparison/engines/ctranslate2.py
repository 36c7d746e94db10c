"""CTranslate2: its converted encoder, told the lengths of padded rows.

float32, and int8 as "int8_float32" (int8 matrix products, the rest float32); it has no bfloat16 on CPUs. On processors that
are not Intel's it avoids MKL and AVX-512 unless told otherwise; all four combinations are tried.
"""

from pathlib import Path

import numpy as np

from . import engine_threads, once, padded_runner, with_workers

PACKAGES = ("ctranslate2",)


def variants(dtype):
    if dtype not in ("float32", "int8"):
        return {}
    environments = {"default": {}, "MKL": {"CT2_USE_MKL": "1"}}
    if "avx512f" in Path("/proc/cpuinfo").read_text():
        environments |= {"AVX-512": {"CT2_FORCE_CPU_ISA": "AVX512"},
                         "MKL, AVX-512": {"CT2_USE_MKL": "1", "CT2_FORCE_CPU_ISA": "AVX512"}}
    return with_workers({name: {"environment": environment} for name, environment in environments.items()})


def prepare(model, dtype):
    import ctranslate2
    import transformers

    transformers.logging.set_verbosity_error()
    once(Path(model.converted) / "ctranslate2",
         lambda folder: ctranslate2.converters.TransformersConverter(model.directory).convert(str(folder), force=True))


def load(model, dtype, threads, settings):
    import ctranslate2

    encoder = ctranslate2.Encoder(
        str(Path(model.converted) / "ctranslate2"), device="cpu",
        compute_type={"float32": "float32", "int8": "int8_float32"}[dtype],
        inter_threads=threads if settings.get("workers") else 1, intra_threads=engine_threads(threads, settings))

    def forward(inputs):
        lengths = inputs["attention_mask"].sum(axis=1).astype(np.int32)
        found = encoder.forward_batch(ctranslate2.StorageView.from_array(inputs["input_ids"].astype(np.int32)),
                                      ctranslate2.StorageView.from_array(lengths))
        return np.array(found.last_hidden_state)

    return padded_runner(model, forward, threads, settings)
