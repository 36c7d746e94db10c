"""One checkpoint, many sizes: nested submodels that share the weights of one loaded model (MatFormer).

    python 02_submodel.py path/to/all-MiniLM-L6-v2 [folder to save the half-width model to]

A checkpoint that was not trained for it loses quality when it is cut; one that was, keeps most of it.
"""

import sys
import time

import nestling

SENTENCES = ["A small bird sings in the old tree.", "The train to the coast leaves at half past nine."] * 32


def main(path: str, folder: str = "") -> None:
    model = nestling.load(path)
    ids = model.tokenize(SENTENCES)
    full = model.encode(ids)
    names, models, made = [], [], []
    for name, spec in [
        ("the whole model", {}),
        ("three quarters of FFN", {"ffn": 0.75}),
        ("half of FFN", {"ffn": 0.5}),
        ("a quarter of FFN", {"ffn": 0.25}),
        ("half of the heads", {"heads": 0.5}),
        ("without the last layer", {"layers": list(range(max(model.layers - 1, 1)))}),
    ]:
        start = time.perf_counter()
        models.append(model.submodel(**spec))
        made.append(time.perf_counter() - start)
        names.append(name)

    best = [float("inf")] * len(models)
    for _ in range(7):  # they take turns, so that all see the same machine
        for index, small in enumerate(models):
            start = time.perf_counter()
            small.encode(ids)
            best[index] = min(best[index], time.perf_counter() - start)

    print(f"{'':24} {'parameters':>12} {'made in':>10} {'per sentence':>13} {'speed-up':>9} {'agreement':>10}")
    for name, small, creation, seconds in zip(names, models, made, best):
        agreement = model.similarity(small.encode(ids), full).diagonal().mean()
        speed = f"{1000 * seconds / len(ids):10.2f} ms {best[0] / seconds:8.2f}x"
        print(f"{name:24} {small.parameters:12,} {1e6 * creation:7.0f} us {speed} {agreement:10.3f}")

    if folder:
        model.submodel(ffn=0.5).save(folder, overwrite=True)
        print(f"\nhalf of FFN, saved as an ordinary checkpoint: {folder}\n{nestling.load(folder)}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
