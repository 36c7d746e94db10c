"""In place of sentence-transformers: the same class name, arguments and results, without PyTorch.

    python 05_sentence_transformer.py path/to/all-MiniLM-L6-v2

Only the import differs from a program that uses sentence_transformers.
"""

import sys

from nestling import SentenceTransformer

QUERIES = ["How do young birds learn to fly?", "How can I bake bread at home?"]
DOCUMENTS = [
    "Fledglings practise by flapping on the edge of the nest.",
    "Mix flour, water, salt and yeast, and let the dough rise.",
    "The museum is closed on Mondays.",
]


def main(path: str) -> None:
    model = SentenceTransformer(path)
    print(
        f"{model}\ndimensions {model.get_sentence_embedding_dimension()}, texts up to {model.max_seq_length} tokens\n"
    )

    queries = model.encode_query(QUERIES)
    documents = model.encode_document(DOCUMENTS)
    for query, scores in zip(QUERIES, model.similarity(queries, documents)):
        best = int(scores.argmax())
        print(f"{query}\n    {DOCUMENTS[best]}  ({float(scores[best]):.2f})")

    short = model.encode(DOCUMENTS, truncate_dim=64, normalize_embeddings=True)
    bits = model.encode(DOCUMENTS, precision="ubinary")
    words = model.encode(DOCUMENTS[0], output_value="token_embeddings")
    print(f"\ntruncated {short.shape} {short.dtype}, bits {bits.shape} {bits.dtype}, per token {tuple(words.shape)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
