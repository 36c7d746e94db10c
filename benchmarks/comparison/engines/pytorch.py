"""PyTorch: transformers' model in inference mode with fused attention (sdpa), eager.

bfloat16: the model in bfloat16. int8: dynamic quantization of the linear layers (torch.ao.quantization), with scales per
tensor or per channel, by the "x86" or the "onednn" kernels. torch.compile is left out: it needs a C++ compiler, and a
minute for each shape.
Settings: "ffn" keeps the first part of the FFN's width, the reference for a submodel.
"""

import warnings

from . import engine_threads, padded_runner, transformers_network, with_workers

PACKAGES = ("torch", "transformers")


def variants(dtype):
    if dtype in ("float32", "bfloat16"):
        return with_workers({"eager": {}})
    if dtype == "int8":
        kernels = {"per tensor, x86": {"per_channel": False, "kernels": "x86"},
                   "per channel, x86": {"per_channel": True, "kernels": "x86"},
                   "per channel, onednn": {"per_channel": True, "kernels": "onednn"}}
        return kernels | {"per tensor, x86, a batch per thread": {**kernels["per tensor, x86"], "workers": True}}
    return {}


def prepare(model, dtype):
    """Nothing: transformers reads the checkpoint."""


def quantize(network, settings):
    """Replaces linear layers by dynamically quantized ones."""
    import torch
    from torch.ao import quantization

    torch.backends.quantized.engine = settings["kernels"]
    scales = quantization.per_channel_dynamic_qconfig if settings["per_channel"] else quantization.default_dynamic_qconfig
    return quantization.quantize_dynamic(network, {torch.nn.Linear: scales}, dtype=torch.qint8)


def narrow(network, ratio):
    """Keeps the first part of every FFN."""
    import torch

    for layer in network.encoder.layer:
        up, down = layer.intermediate.dense, layer.output.dense
        width = int(up.out_features * ratio)
        up.weight, up.bias = torch.nn.Parameter(up.weight[:width]), torch.nn.Parameter(up.bias[:width])
        down.weight = torch.nn.Parameter(down.weight[:, :width].contiguous())


def load(model, dtype, threads, settings):
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(engine_threads(threads, settings))
    kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    network, result = transformers_network(model, dtype=kind, attn_implementation="sdpa")
    if "ffn" in settings:
        narrow(network, settings["ffn"])
    if dtype == "int8":
        network = quantize(network, settings)

    def forward(inputs):
        mask = inputs.get("attention_mask")
        if mask is not None and mask.all():
            inputs = {name: array for name, array in inputs.items() if name != "attention_mask"}
        with torch.inference_mode():
            return network(**{name: torch.from_numpy(array) for name, array in inputs.items()})[result].float().numpy()

    return padded_runner(model, forward, threads, settings)
