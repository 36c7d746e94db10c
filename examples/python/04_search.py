"""A tiny semantic search: embed documents once, find the best ones for each question.

    python 04_search.py path/to/all-MiniLM-L6-v2 [file with one document per line]
    echo "where do birds sleep?" | python 04_search.py path/to/all-MiniLM-L6-v2

With a terminal it asks; otherwise it reads questions from its input, and has two of its own if there are none.
"""

import sys

import numpy as np

import nestling

DOCUMENTS = [
    "Most songbirds sleep on branches; only during breeding do they sit on the nest at night.",
    "A nestling stays in the nest and is fed by its parents until its feathers have grown.",
    "The railway line along the coast was opened in 1868 and is still in use.",
    "Tickets are cheaper when they are bought at least a week before the journey.",
    "Let the dough rest for an hour before you bake it.",
    "Bread goes stale faster in the refrigerator than in a paper bag.",
]


def main(path: str, file: str = "") -> None:
    documents = DOCUMENTS
    if file:
        with open(file, encoding="utf-8", errors="replace") as lines:
            documents = [line.strip() for line in lines if line.strip()]
    model = nestling.load(path)
    vectors = model.encode_document(documents, normalize_embeddings=True, show_progress_bar=len(documents) > 1000)

    def search(question: str) -> None:
        query = model.encode_query(question, normalize_embeddings=True)
        scores = vectors @ query  # cosine, because all have length 1
        for index in np.argsort(-scores)[:3]:
            print(f"    {scores[index]:.2f}  {documents[index]}")

    if sys.stdin.isatty():
        print("Ask something; an empty line ends.")
        while question := input("> ").strip():
            search(question)
        return
    questions = [line.strip() for line in sys.stdin if line.strip()]
    for question in questions or ["where do birds spend the night?", "how do I save money on train fares?"]:
        print(question)
        search(question)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
