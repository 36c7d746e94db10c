"""onnxruntime: the exported model after onnxruntime.transformers' BERT optimizer (fused attention, layer norms, GELU).

Graph optimization at its highest level, spinning of its threads as by default. bfloat16: none on x86. int8: dynamic
quantization of the fused model's matrix products, weights per tensor or per channel, over the whole range or 7 bits of it
(reduce_range, for machines without VNNI).
"""

from pathlib import Path

import numpy as np

from . import engine_threads, once, padded_runner, with_workers

PACKAGES = ("onnxruntime",)
QUANTIZED = {"per tensor": {"per_channel": False, "reduce_range": False},
             "per channel": {"per_channel": True, "reduce_range": False},
             "per tensor, 7 bits": {"per_channel": False, "reduce_range": True},
             "per channel, 7 bits": {"per_channel": True, "reduce_range": True}}


def folder_name(variant):
    return "onnxruntime-int8-" + variant.replace(", ", "-").replace(" ", "-")


def variants(dtype):
    if dtype == "float32":
        return with_workers({"fused": {"folder": "onnxruntime"}})
    if dtype == "int8":
        return with_workers({name: {"folder": folder_name(name)} for name in QUANTIZED})
    return {}


def prepare(model, dtype):
    converted = Path(model.converted)
    once(converted / "onnxruntime", lambda folder: export(model, folder))
    for name, options in QUANTIZED.items() if dtype == "int8" else ():
        once(converted / folder_name(name), lambda folder: quantize(converted / "onnxruntime", folder, options))


def export(model, folder):
    """Writes the fused model."""
    import torch
    import transformers
    from onnxruntime.transformers import optimizer

    transformers.logging.set_verbosity_error()
    network = transformers.AutoModel.from_pretrained(model.directory, attn_implementation="eager").eval()

    class States(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, input_ids, attention_mask):
            return self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    exported = folder / "exported.onnx"
    example = torch.ones(2, 16, dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(States(), (example, example), str(exported), dynamo=False, opset_version=17,
                      input_names=["input_ids", "attention_mask"], output_names=["states"],
                      dynamic_axes={"input_ids": axes, "attention_mask": axes, "states": axes})
    fused = optimizer.optimize_model(str(exported), model_type="bert", opt_level=0, use_gpu=False,
                                     num_heads=network.config.num_attention_heads, hidden_size=network.config.hidden_size)
    exported.unlink()
    counts = fused.get_fused_operator_statistics()
    if counts["Attention"] != network.config.num_hidden_layers:
        raise RuntimeError(f"no attention was fused: {counts}")
    fused.save_model_to_file(str(folder / "model.onnx"))


def quantize(source, folder, options):
    """Writes an int8 model."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Shape inference knows no types behind fused operators; everything here is float.
    quantize_dynamic(str(source / "model.onnx"), str(folder / "model.onnx"), op_types_to_quantize=["MatMul", "Attention"],
                     weight_type=QuantType.QInt8, extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT}, **options)


def load(model, dtype, threads, settings):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = engine_threads(threads, settings)
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    path = str(Path(model.converted) / settings["folder"] / "model.onnx")
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def forward(ids, mask):
        return session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids) if mask is None else mask})[0]

    return padded_runner(forward, threads, settings)
