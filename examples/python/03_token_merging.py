"""Shorter sequences while the model runs: token merging (ToMe), and a look at which words became one.

python 03_token_merging.py path/to/all-MiniLM-L6-v2
"""

import sys
import time

import nestling

TEXT = (
    "The small bird that had built its nest in the old tree by the river sang all morning, and the children who were "
    "walking to school along the river stopped under the tree to listen to the bird until the school bell rang."
)


def main(path: str) -> None:
    model = nestling.load(path)
    ids = model.tokenize(TEXT)
    full = model.encode(ids)

    print(f"{'':16} {'tokens left':>12} {'per text':>10} {'agreement':>10}")
    for name, reduction in [
        ("nothing merged", None),
        ("r = 2", nestling.ToMe(r=2)),
        ("r = 4", nestling.ToMe(r=4)),
        ("r = 8", nestling.ToMe(r=8)),
        ("half remain", nestling.ToMe(ratio=0.5)),
    ]:
        left = len(model.hidden_states(ids, reduction=reduction))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            vectors = model.encode([ids] * 20, reduction=reduction)
            times.append((time.perf_counter() - start) / 20)
        agreement = model.similarity(vectors[0], full)[0, 0]
        print(f"{name:16} {left:5} of {len(ids):3} {1000 * min(times):7.2f} ms {agreement:10.3f}")

    # The token map says for each token in which row it ended: tokens of the same row became one.
    rows = model.token_map(ids, reduction=nestling.ToMe(ratio=0.5))
    groups: dict = {}
    for token, row in zip(ids, rows.tolist()):
        groups.setdefault(row, []).append(model.tokenizer.id_to_token(token))
    print("\nbecame one:")
    for words in groups.values():
        if len(words) > 1:
            print("    " + " ".join(words))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
