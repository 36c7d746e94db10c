"""What Nestling does, on a real model: nearest neighbours by the whole model, by nested parts, and with token merging.

    python demo.py path/to/all-MiniLM-L6-v2

Every variant shares the weights of the one loaded model. For each: time per sentence and speed-up; agreement with the
whole model, as the mean cosine of the vectors and as how many sentences keep their nearest neighbour; resident memory
of this process. The model was not trained to be cut, so agreement falls as it shrinks.
"""

import sys
import time

import numpy as np

import nestling

SENTENCES = [
    "A small bird sings in the old tree.",
    "Birdsong fills the garden at dawn.",
    "The nestling waits for its mother to bring food.",
    "Young birds are fed by their parents until they can fly.",
    "The train to the coast leaves at half past nine.",
    "When does the next train to the sea depart?",
    "Tickets are cheaper if you book a week in advance.",
    "How can I save money on rail travel?",
    "Let the dough rest for an hour before you bake it.",
    "Freshly baked bread smells of warm yeast.",
    "Whisk the eggs with sugar until the mixture is pale.",
    "Beat sugar and eggs together for the cake.",
    "The doctor advised him to sleep more and worry less.",
    "A good night's rest is the best medicine, said the physician.",
    "The committee postponed the vote until next month.",
    "Parliament delayed its decision on the new law.",
    "Heavy rain flooded the streets of the old town.",
    "After the storm, water stood knee-deep in the market square.",
    "The violinist practised the same bar for hours.",
    "Musicians repeat difficult passages until they are perfect.",
    "Its battery lasts two days on a single charge.",
    "I only need to plug in this phone every other evening.",
    "The library lends books, films and even tools.",
    "You can borrow a drill from the public library.",
]
SHOWN = (0, 4, 13)  # sentences whose neighbours are printed for each variant
ROUNDS = 15


def resident() -> float:
    """Megabytes of this process in memory."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def neighbours(vectors: np.ndarray) -> np.ndarray:
    """For each vector the index of the most similar other one."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return scores.argmax(axis=1)


def race(variants: list, ids: list) -> list:
    """The best time of each variant per sentence, in milliseconds. They take turns: all see the same machine."""
    best = [np.inf] * len(variants)
    for _ in range(ROUNDS):
        for index, (_, model, reduction) in enumerate(variants):
            start = time.perf_counter()
            model.encode(ids, reduction=reduction)
            best[index] = min(best[index], time.perf_counter() - start)
    return [1000 * seconds / len(ids) for seconds in best]


def main(path: str) -> None:
    before = resident()
    start = time.perf_counter()
    model = nestling.load(path)
    info = nestling.build_info()
    print(f"{model}\nloaded in {time.perf_counter() - start:.2f} s, {resident() - before:.0f} MB; {info}\n")

    variants: list = [("the whole model", model, None)]
    variants += [(f"FFN ratio {ratio:g}", model.submodel(ffn=ratio), None) for ratio in (1.0, 0.75, 0.5, 0.25)]
    variants += [(f"token merging, r = {r}", model, nestling.ToMe(r=r)) for r in (1, 2)]
    variants += [("token merging, half remain", model, nestling.ToMe(ratio=0.5))]
    variants += [("FFN ratio 0.75 and r = 1", model.submodel(ffn=0.75), nestling.ToMe(r=1))]

    ids = model.tokenize(SENTENCES)
    whole = model.encode(ids, normalize_embeddings=True)
    nearest = neighbours(whole)
    agreement = []
    for name, part, reduction in variants:
        vectors = part.encode(ids, normalize_embeddings=True, reduction=reduction)
        found = neighbours(vectors)
        same = int((found == nearest).sum())
        cosine = float((vectors * whole).sum(axis=1).mean())
        agreement.append(f"{cosine:8.3f} {same:6} of {len(ids)} {resident():9.0f} MB")
        print(f"Nearest neighbours, {name}")
        for index in range(len(ids)) if part is model and reduction is None else SHOWN:
            other = found[index]
            mark = " " if other == nearest[index] else "*"
            print(f"  {SENTENCES[index]}\n    {mark} {vectors[index] @ vectors[other]:.2f}  {SENTENCES[other]}")
        print()

    print(f"{'':28} {'per sentence':>11} {'speed-up':>9} {'cosine':>8} {'same neighbour':>12} {'resident':>9}")
    times = race(variants, ids)
    for (name, _, _), milliseconds, rest in zip(variants, times, agreement):
        print(f"{name:28} {milliseconds:8.3f} ms {times[0] / milliseconds:8.2f}x {rest}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
