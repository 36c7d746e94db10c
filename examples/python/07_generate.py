"""Generating: as it comes, many at once, with a nested submodel that drafts for the whole model.

    python 07_generate.py examples/models/matlm
"""

import statistics
import sys
import time

import nestling

TOKENS = 150
PROMPTS = ["def read(self, ", "class Node:\n    def ", "import os\n"]


def run(model: nestling.Model, prompt: str, **options):
    """Seconds, ids and counts of one greedy text."""
    with model.generator() as generator:
        text = generator.add(prompt, max_new_tokens=TOKENS, temperature=0, ignore_eos=True, **options)
        start = time.perf_counter()
        generator.run()
        return time.perf_counter() - start, text.ids, generator.statistics()


def main(path: str) -> None:
    model = nestling.load(path)
    print("as it comes:")
    for piece in model.generate(PROMPTS[0], max_new_tokens=80, temperature=0.7, seed=7, stream=True):
        print(piece, end="", flush=True)

    print("\n\nseveral at once:")
    with model.generator() as generator:
        texts = [generator.add(prompt, max_new_tokens=40, temperature=0.7, seed=1) for prompt in PROMPTS]
        generator.run()
        for prompt, text in zip(PROMPTS, texts):
            print(f"{(prompt + text.text)!r} ({text.finish_reason})")

    print("\nthe same greedy texts, with and without a draft of the same weights, one at a time, in turns:")
    ways = {"alone": {}, "an eighth of the FFN drafts": {"draft": model.submodel(ffn=0.125)}}
    found = {name: [run(model, prompt, **options) for prompt in PROMPTS] for name, options in ways.items()}
    seconds = {name: [] for name in ways}
    for prompt in PROMPTS * 3:
        for name, options in ways.items():
            seconds[name].append(run(model, prompt, **options)[0])
    for name, texts in found.items():
        assert [ids for _, ids, _ in texts] == [ids for _, ids, _ in found["alone"]]
        counts = [counts for _, _, counts in texts]
        steps, guessed, accepted = (sum(c[key] for c in counts) for key in ("steps", "guessed_tokens", "accepted_tokens"))
        speed = TOKENS / statistics.median(seconds[name])
        right = f", {accepted} of {guessed} guesses right" if guessed else ""
        print(f"{name:28} {speed:6.0f} tokens/s, {steps} steps of the whole model{right}")

    for values in model.score(["import os\nimport sys\n", "zyxw vuts rqpo nmlk"]):
        print(f"mean log-probability of {len(values)} tokens: {values[1:].mean():.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
