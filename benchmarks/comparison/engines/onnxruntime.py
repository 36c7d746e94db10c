"""onnxruntime: the exported model after onnxruntime.transformers' optimizer (fused attention, layer norms, GELU).

Graph optimization at its highest level, spinning of its threads as by default. bfloat16: none on x86. int8: dynamic
quantization of the fused model's matrix products, weights per tensor or per channel, over the whole range or 7 bits of it
(reduce_range, for machines without VNNI).
"""

from pathlib import Path

from . import engine_threads, once, padded_runner, result_module, with_workers

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


def divided(module, query, key, value, attention_mask, **options):
    """Attention of all pairs, for transformers: heads [b, heads, n, head size] to [b, n, heads, head size]."""
    import torch

    weights = torch.softmax(torch.matmul(query, key.transpose(2, 3)) / query.shape[-1] ** 0.5, dim=-1)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def export(model, folder):
    """Writes the fused model."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AttentionInterface

    AttentionInterface.register("divided", divided)
    # Without a mask the optimizer knows scores by their division only.
    module = result_module(model, "eager" if "attention_mask" in model.takes.AXES else "divided")
    exported = folder / "exported.onnx"
    axes = model.takes.AXES
    torch.onnx.export(module, tuple(torch.from_numpy(array) for array in model.takes.example().values()), str(exported),
                      dynamo=False, opset_version=17, input_names=list(axes), output_names=["result"],
                      dynamic_axes={**axes, "result": next(iter(axes.values()))})
    config = module.network.config
    fused = optimizer.optimize_model(str(exported), model_type=model.takes.OPTIMIZER, opt_level=0, use_gpu=False,
                                     num_heads=config.num_attention_heads, hidden_size=config.hidden_size)
    exported.unlink()
    counts = fused.get_fused_operator_statistics()
    if counts["Attention"] != config.num_hidden_layers:
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

    def forward(inputs):
        return session.run(None, inputs)[0]

    return padded_runner(model, forward, threads, settings)
