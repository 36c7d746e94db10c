"""Sentence vectors: load a checkpoint, embed a few sentences, see which are close to each other.

python 01_embed.py path/to/all-MiniLM-L6-v2
"""

import sys

import nestling

SENTENCES = [
    "A small bird sings in the old tree.",
    "Birdsong fills the garden at dawn.",
    "The train to the coast leaves at half past nine.",
    "When does the next train depart?",
    "Whisk the eggs and fold in the flour.",
]


def main(path: str) -> None:
    with nestling.load(path) as model:
        print(model)
        vectors = model.encode(SENTENCES, normalize_embeddings=True)
        print(f"vectors: {vectors.shape[0]} x {vectors.shape[1]}, {vectors.dtype}\n")

        scores = model.similarity(vectors, vectors)
        for index, sentence in enumerate(SENTENCES):
            scores[index, index] = -1  # not itself
            nearest = scores[index].argmax()
            print(f"{sentence}\n    nearest: {SENTENCES[nearest]}  ({scores[index, nearest]:.2f})")

        alone = model.encode(SENTENCES[0], normalize_embeddings=True)
        print(f"\nalone and in the batch, the same bits: {bool((alone == vectors[0]).all())}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
