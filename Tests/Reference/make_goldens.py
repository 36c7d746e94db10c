"""Writes the goldens of token merging and of submodels next to the tiny checkpoints of Tests/Fixtures.

    python Tests/Reference/make_goldens.py

needs NumPy, and safetensors for writing. README.md tells how the files are laid out.
"""

import json
import sys
from pathlib import Path

import numpy as np

import reducers
from encoder import Encoder, Part
from tome import Reduction, match

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures"
LENGTHS = [*range(1, 21), 33, 128]
MANY = LENGTHS[:-1]
FEW = [1, 2, 3, 4, 5, 8, 13, 20, 33]
MARGIN = 5e-5  # no decision of a golden is closer than this, so that float32 decides alike
POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

# name -> (the reduction as the C interface takes it, lengths, what is kept besides the last states)
CASES = {
    "r1": ({"r": 1}, MANY, ()),
    "r2": ({"r": 2}, LENGTHS, ("layers", "pooling")),
    "r5": ({"r": 5}, MANY, ()),
    "most": ({"r": 1000000}, LENGTHS, ("layers",)),
    "list": ({"r": [3, 0, 2]}, FEW, ()),
    "short_list": ({"r": [0, 4]}, FEW, ()),
    "decreasing": ({"r": 3, "schedule": "decreasing"}, FEW, ()),
    "increasing": ({"r": 3, "schedule": "increasing"}, FEW, ()),
    "half": ({"ratio": 0.5}, MANY, ()),
    "three_quarters": ({"ratio": 0.75}, FEW, ()),
    "protect_none": ({"r": 3, "protect": "none"}, FEW, ()),
    "protect_first": ({"r": 3, "protect": "first"}, FEW, ()),
    "protect_last": ({"r": 1000000, "protect": "last"}, FEW, ()),
    "plain_attention": ({"r": 3, "proportional_attention": False}, FEW, ()),
}

CHECKPOINTS = {
    "bert/base": tuple(CASES),
    "mpnet/base": ("r2", "most", "half"),
    "modernbert/base": ("r2", "most", "half", "decreasing", "plain_attention"),
}

# Images: name -> the reduction. Only the class token is special in a ViT.
IMAGE_CASES = {
    "r2": {"r": 2, "protect": "first"},
    "r5": {"r": 5, "protect": "first"},
    "most": {"r": 1000000, "protect": "first"},
    "plain_attention": {"r": 3, "protect": "first", "proportional_attention": False},
}
IMAGES = 3

# The other methods: name -> the reduction as the C interface takes it.
REDUCERS = {
    "pitome": {"method": "pitome", "r": 2},
    "pitome_keep": {"method": "pitome", "keep": 0.7, "margin": 0.5, "layers": [1, 3], "protect": "first"},
    "evit": {"method": "evit", "keep": 0.7, "layers": [1, 3], "protect": "first"},
    "evit_drop": {"method": "evit", "r": 2, "fuse": False, "protect": "special"},
    "attention_received": {"method": "attention_received", "r": [3, 1, 2]},
    "attention_received_most": {"method": "attention_received", "r": 1000000, "protect": "none"},
    "tofu": {"method": "tofu", "r": 2},
    "tofu_merge": {"method": "tofu", "ratio": 0.5, "prune_layers": 0},
    "local": {"method": "local", "r": 3},
    "local_band": {"method": "local", "r": 2, "band": 3, "protect": "none"},
    "local_causal": {"method": "local", "r": 1000000, "band": 2, "causal": True, "protect": [2, 1]},
    "transforming": {"method": "token_transforming", "keep": 0.6, "layers": [1, 2]},
    "transforming_received": {"method": "token_transforming", "r": [2, 0, 1], "temperature": 0.2, "score": "received",
                              "protect": "none", "proportional_attention": False},
    "maelre": {"method": "maelre", "r": 3, "exact": 12, "groups": 5},
    "maelre_plain": {"method": "maelre", "keep": 0.8, "exact": 4, "groups": 4, "band": 2, "proportional_attention": False},
}
REDUCED_LENGTHS = [1, 2, 3, 4, 5, 8, 13, 20]
REDUCED_CHECKPOINTS = {
    "bert/base": tuple(REDUCERS),
    "mpnet/base": ("pitome", "attention_received", "transforming", "maelre"),
    "modernbert/base": ("evit", "attention_received", "tofu", "local_causal", "transforming", "maelre"),
}

# checkpoint -> name -> Part: prefixes of each kept layer
PARTS = {
    "bert/base": {
        "ffn_uniform": Part(feed_forward_widths=[38, 38, 38]),
        "ffn_mixed": Part(feed_forward_widths=[1, 76, 33]),
        "heads_mixed": Part(heads=[1, 4, 3]),
        "layers": Part(layers=[0, 2]),
        "everything": Part(layers=[1, 2], feed_forward_widths=[17, 50], heads=[3, 2]),
    },
    "mpnet/base": {
        "everything": Part(layers=[1], feed_forward_widths=[45], heads=[3]),
    },
    "modernbert/base": {
        "ffn_uniform": Part(feed_forward_widths=[31, 31, 31, 31]),
        "everything": Part(layers=[0, 1, 3], feed_forward_widths=[70, 9, 33], heads=[2, 4, 1]),
    },
}


def save(tensors, path):
    from safetensors.numpy import save_file  # who only reads goldens need not have the package

    save_file(tensors, path)


def choose_sequences(encoder, lengths, reductions_of):
    """Sequences of `lengths` in which no reduction of `reductions_of(length)` decides by less than MARGIN.

    returns: [(ids [n], types [n] or None)]
    """
    vocabulary = encoder.configuration["vocab_size"]
    typed = encoder.configuration.get("type_vocab_size", 0) > 1
    sequences = []
    for length in lengths:
        for seed in range(1000):
            random = np.random.default_rng([length, seed])
            ids = random.integers(3, vocabulary, length)
            types = (np.arange(length) >= random.integers(0, length + 1)).astype(int) if typed else None
            if all(encoder.run(ids, types, reduction).margin > MARGIN for reduction in reductions_of(length)):
                break
        else:
            raise RuntimeError(f"no sequence of {length} tokens decides clearly")
        sequences.append((ids, types))
    return sequences


def pack(sequences):
    """The tensors `ids`, `offsets` and, if there are any, `token_type_ids`."""
    tensors = {"ids": np.concatenate([ids for ids, _ in sequences]).astype(np.int32),
               "offsets": np.cumsum([0] + [len(ids) for ids, _ in sequences]).astype(np.int32)}
    if sequences[0][1] is not None:
        tensors["token_type_ids"] = np.concatenate([types for _, types in sequences]).astype(np.int32)
    return tensors


def make_merging(name):
    """Writes tome.safetensors and tome.json of a checkpoint."""
    encoder = Encoder(FIXTURES / name)
    sequences = choose_sequences(encoder, LENGTHS, lambda length: [
        Reduction(**CASES[case][0]) for case in CHECKPOINTS[name] if length in CASES[case][1]])
    tensors = pack(sequences)
    description = {}
    for case in CHECKPOINTS[name]:
        settings, lengths, extras = CASES[case]
        chosen = [index for index, length in enumerate(LENGTHS) if length in lengths]
        runs = [encoder.run(*sequences[index], Reduction(**settings)) for index in chosen]
        description[case] = {"reduction": {"method": "tome"} | settings, "sequences": chosen}

        def put(key, arrays, kind=np.float32):
            tensors[f"{case}.{key}"] = np.concatenate(arrays).astype(kind)

        put("offsets", [[0], np.cumsum([len(run.states[-1]) for run in runs])], np.int32)
        put("sizes", [run.sizes[-1] for run in runs], np.int32)
        put("map", [run.maps[-1] for run in runs], np.int32)
        put("states", [run.states[-1] for run in runs])
        put("pooled.mean", [run.pooled("mean")[None] for run in runs])
        if "pooling" in extras:
            for mode in POOLING_MODES:
                put("pooled." + mode, [run.pooled(mode)[None] for run in runs])
        if "layers" in extras:
            for layer in range(1, len(encoder.layers)):
                put(f"offsets.{layer}", [[0], np.cumsum([len(run.states[layer]) for run in runs])], np.int32)
                put(f"map.{layer}", [run.maps[layer] for run in runs], np.int32)
                keep = [run for run in runs if len(run.maps[0]) <= 20]
                put(f"states.{layer}", [run.states[layer] for run in keep])
    save(tensors, FIXTURES / name / "tome.safetensors")
    (FIXTURES / name / "tome.json").write_text(json.dumps(description, indent=1) + "\n")


def make_image_merging(name):
    """Writes tome.safetensors and tome.json of a checkpoint of images: the pixels, and every layer of every case."""
    encoder = Encoder(FIXTURES / name)
    side, channels = encoder.configuration["image_size"], encoder.configuration["num_channels"]
    images = []
    for index in range(IMAGES):
        for seed in range(1000):
            random = np.random.default_rng([index, seed])
            # Few bits, so that git stores them in little room.
            image = (random.integers(-64, 65, (channels, side, side)) / 32).astype(np.float32)
            if all(encoder.run(image, reduction=Reduction(**case)).margin > MARGIN for case in IMAGE_CASES.values()):
                break
        else:
            raise RuntimeError("no image decides clearly")
        images.append(image)
    tensors = {f"pixels.{index}": image for index, image in enumerate(images)}
    for case, settings in IMAGE_CASES.items():
        for index, image in enumerate(images):
            run = encoder.run(image, reduction=Reduction(**settings))
            for layer in range(1, len(encoder.layers) + 1):
                tensors[f"{case}.map.{layer}.{index}"] = run.maps[layer].astype(np.int32)
                tensors[f"{case}.states.{layer}.{index}"] = run.states[layer].astype(np.float32)
    save(tensors, FIXTURES / name / "tome.safetensors")
    described = {case: {"method": "tome"} | settings for case, settings in IMAGE_CASES.items()}
    (FIXTURES / name / "tome.json").write_text(json.dumps(described, indent=1) + "\n")


def reduction(case):
    """The reduction of a case of REDUCERS."""
    settings = dict(REDUCERS[case])
    common = {key: settings.pop(key) for key in list(settings) if key in reducers.Reduction.__dataclass_fields__}
    return reducers.Reduction(**common, options=settings)


def make_reducers(name):
    """Writes reducers.safetensors and reducers.json of a checkpoint: like tome, with the unmerged states as well."""
    encoder = Encoder(FIXTURES / name)
    cases = REDUCED_CHECKPOINTS[name]
    sequences = choose_sequences(encoder, REDUCED_LENGTHS, lambda _: [reduction(case) for case in cases])
    tensors = pack(sequences)
    for case in cases:
        runs = [encoder.run(*sequence, reduction(case)) for sequence in sequences]

        def put(key, arrays, kind=np.float32):
            tensors[f"{case}.{key}"] = np.concatenate(arrays).astype(kind)

        put("offsets", [[0], np.cumsum([len(run.states[-1]) for run in runs])], np.int32)
        for layer in range(1, len(encoder.layers) + 1):
            put(f"map.{layer}", [run.maps[layer] for run in runs], np.int32)
        put("states", [run.states[-1] for run in runs])
        put("unmerged", [run.last.restored(run.states[-1], encoder.finish) for run in runs])
        put("pooled.mean", [run.last.pooled_mean(run.states[-1])[None] for run in runs])
    save(tensors, FIXTURES / name / "reducers.safetensors")
    (FIXTURES / name / "reducers.json").write_text(json.dumps({case: REDUCERS[case] for case in cases}, indent=1) + "\n")


def make_submodels(name):
    """Writes submodel.safetensors and submodel.json of a checkpoint."""
    encoder = Encoder(FIXTURES / name)
    random = np.random.default_rng(7)
    typed = encoder.configuration.get("type_vocab_size", 0) > 1
    sequences = []
    for length in (1, 2, 17, 40):
        ids = random.integers(3, encoder.configuration["vocab_size"], length)
        sequences.append((ids, random.integers(0, 2, length) if typed else None))
    tensors = pack(sequences)
    description = {}
    for case, part in PARTS[name].items():
        runs = [encoder.run(ids, types, part=part) for ids, types in sequences]
        tensors[f"{case}.states"] = np.concatenate([run.states[-1] for run in runs]).astype(np.float32)
        description[case] = {"layers": part.layers, "ffn_widths": part.feed_forward_widths, "heads": part.heads}
    save(tensors, FIXTURES / name / "submodel.safetensors")
    (FIXTURES / name / "submodel.json").write_text(json.dumps(description, indent=1) + "\n")


def make_matching():
    """Writes matching/golden.safetensors: the matching alone, on metrics with many exact ties and rows of zeros. Rows are
    axes times powers of two, so that every similarity is exactly 0 or 1 in any precision."""
    tensors = {}
    random = np.random.default_rng(11)
    index = 0
    for length in (1, 2, 3, 4, 5, 6, 9, 10, 31):
        for protect in ("special", "first", "last", "none"):
            for r in (1, 2, length):
                metric = np.eye(4)[random.integers(0, 4, length)] * random.choice([1.0, 2.0, 4.0], (length, 1))
                metric[random.random(length) < 0.15] = 0
                found = match(metric, r, Reduction(protect=protect).protected(length))
                key = f"{index:03}"
                tensors[key + ".metric"] = metric.astype(np.float32)
                tensors[key + ".r"] = np.array([r], np.int32)
                tensors[key + ".protected"] = Reduction(protect=protect).protected(length).astype(np.int32)
                tensors[key + ".sources"] = found.sources.astype(np.int32)
                tensors[key + ".destinations"] = found.destinations.astype(np.int32)
                index += 1
    (FIXTURES / "matching").mkdir(exist_ok=True)
    save(tensors, FIXTURES / "matching" / "golden.safetensors")


def main():
    for name in CHECKPOINTS:
        make_merging(name)
    make_image_merging("vit/base")
    for name in REDUCED_CHECKPOINTS:
        make_reducers(name)
    for name in PARTS:
        make_submodels(name)
    make_matching()
    for path in [*FIXTURES.glob("*/base/tome.safetensors"), *FIXTURES.glob("*/base/reducers.safetensors"),
                 *FIXTURES.glob("*/base/submodel.safetensors"),
                 FIXTURES / "matching" / "golden.safetensors"]:
        path.chmod(0o644)
        print(f"{path.relative_to(FIXTURES)} {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
