"""How far an engine's outputs are from PyTorch's in float32."""

import numpy as np

# (greatest relative error ||out - reference|| / ||reference||, least mean cosine of the rows) for a precision. Random ids
# are hard for int8: on MiniLM, scales per channel and token are 0.1 away, onnxruntime's single scale per tensor 0.37. The
# limit lets the latter pass, for it may be a peer's fastest; what each engine loses stands in the tables.
LIMITS = {"float32": (1e-4, 0.99999), "bfloat16": (0.03, 0.999), "int8": (0.4, 0.93), "int4": (0.6, 0.8)}


def compare(output, reference):
    """Relative error, mean and least cosine of rows."""
    if output.shape != reference.shape:
        raise ValueError(f"the shape is {output.shape}, not {reference.shape}")
    ours = output.reshape(-1, output.shape[-1]).astype(np.float64)
    theirs = reference.reshape(-1, reference.shape[-1]).astype(np.float64)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines = (ours * theirs).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return {"error": float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)),
            "cosine": float(cosines.mean()), "least_cosine": float(cosines.min())}


def agrees(quality, dtype):
    """NaN does not."""
    error, cosine = LIMITS[dtype]
    return bool(quality["error"] <= error and quality["cosine"] >= cosine)
