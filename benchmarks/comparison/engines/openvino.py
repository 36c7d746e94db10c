"""OpenVINO: the model converted from PyTorch, PERFORMANCE_HINT LATENCY, with dynamic shapes or reshaped to each fixed shape.

float32 and bfloat16 by INFERENCE_PRECISION_HINT. int8, either of two made by NNCF: static quantization of weights and
activations (nncf.quantize for transformers, calibrated on inputs that are not measured), or int8 weights with dynamic
quantization of activations (nncf.compress_weights and DYNAMIC_QUANTIZATION_GROUP_SIZE); what is not quantized is float32
or bfloat16. All are tried.
"""

import threading
from pathlib import Path

from . import once, padded_runner, result_module

PACKAGES = ("openvino",)


def variants(dtype):
    if dtype == "int8":
        kinds = {f"{title}, rest {rest}": {"file": f"openvino-int8/{file}.xml", "precision": hint, "group": group}
                 for title, file, groups in (("static int8", "static", {"": None}),
                                             ("dynamic int8", "dynamic", {" by 32": 32, " by 128": 128}))
                 for suffix, group in groups.items()
                 for rest, hint in (("float32" + suffix, "f32"), ("bfloat16" + suffix, "bf16"))}
    elif dtype in ("float32", "bfloat16"):
        kinds = {"": {"file": "openvino/model.xml", "precision": {"float32": "f32", "bfloat16": "bf16"}[dtype], "group": None}}
    else:
        return {}
    found = {}
    for name, settings in kinds.items():
        for shapes, more in (("dynamic shapes", {}), ("static shapes", {"static": True}),
                             ("dynamic shapes, a batch per thread", {"workers": True})):
            found[", ".join(filter(None, (name, shapes)))] = {**settings, **more}
    return found


def prepare(model, dtype):
    import openvino

    converted = Path(model.converted)

    def write(folder):
        openvino.save_model(convert(model), folder / "model.xml", compress_to_fp16=False)

    once(converted / "openvino", write)
    if dtype == "int8":
        once(converted / "openvino-int8", lambda folder: quantize(model, converted / "openvino" / "model.xml", folder))


def convert(model):
    """The checkpoint as an OpenVINO model from its inputs to the result."""
    import openvino
    import torch

    example = model.takes.example()
    converted = openvino.convert_model(result_module(model, "sdpa"),
                                       example_input=tuple(torch.from_numpy(array) for array in example.values()))
    for port, (name, axes) in zip(converted.inputs, model.takes.AXES.items()):
        port.get_tensor().set_names({name})
        port.get_node().set_element_type(openvino.Type(example[name].dtype))
        port.get_node().set_partial_shape(openvino.PartialShape(
            [-1 if axis in axes else size for axis, size in enumerate(example[name].shape)]))
    converted.validate_nodes_and_infer_types()
    return converted


def quantize(model, source, folder):
    """Writes both int8 models."""
    import logging

    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    rows = model.takes.calibration(model)
    core = openvino.Core()
    quantized = nncf.quantize(core.read_model(source), nncf.Dataset(rows), subset_size=len(rows),
                              model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(quantized, folder / "static.xml", compress_to_fp16=False)
    compressed = nncf.compress_weights(core.read_model(source), mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(compressed, folder / "dynamic.xml", compress_to_fp16=False)


def load(model, dtype, threads, settings):
    import openvino

    core = openvino.Core()
    graph = core.read_model(Path(model.converted) / settings["file"])
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
               "INFERENCE_PRECISION_HINT": settings["precision"]}
    if settings.get("workers"):
        options |= {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": threads}
    # By default OpenVINO quantizes activations where weights are compressed; say which groups, or none.
    options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = settings["group"] or 0
    compiled = {}
    requests = threading.local()
    if not settings.get("static"):
        compiled[None] = core.compile_model(graph, "CPU", options)

    def request_for(inputs):
        key = next(iter(inputs.values())).shape if settings.get("static") else None
        if key not in compiled:
            fixed = graph.clone()
            fixed.reshape({name: list(array.shape) for name, array in inputs.items()})
            compiled[key] = core.compile_model(fixed, "CPU", options)
        mine = requests.__dict__
        if key not in mine:
            mine[key] = compiled[key].create_infer_request()
        return mine[key]

    def forward(inputs):
        # Shared: neither inputs nor outputs are copied; an output is used before the next run of the same request.
        return request_for(inputs).infer(inputs, share_inputs=True, share_outputs=True)[0]

    return padded_runner(model, forward, threads, settings)
