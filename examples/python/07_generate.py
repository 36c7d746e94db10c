"""Generating: as it comes, many at once, with a nested submodel that drafts for the whole model.

    python 07_generate.py examples/models/matlm
"""

import sys
import time

import nestling

PROMPTS = ["def read(self, ", "class Node:\n    def ", "import os\n"]


def main(path: str) -> None:
    model = nestling.load(path)
    print("as it comes:")
    for piece in model.generate(PROMPTS[0], max_new_tokens=80, temperature=0.7, seed=7, stream=True):
        print(piece, end="", flush=True)

    print("\n\nseveral at once, which come and go:")
    with model.generator() as generator:
        texts = [generator.add(prompt, max_new_tokens=40, temperature=0.7, seed=1) for prompt in PROMPTS]
        while generator.step():
            pass
        for prompt, text in zip(PROMPTS, texts):
            print(f"{(prompt + text.text)!r} ({text.finish_reason})")

    print("\nthe same greedy text, with and without a draft of the same weights:")
    for name, options in [("alone", {}), ("a quarter of FFN drafts", {"draft": model.submodel(ffn=0.25)})]:
        with model.generator() as generator:
            text = generator.add(PROMPTS[0], max_new_tokens=150, temperature=0, ignore_eos=True, **options)
            start = time.perf_counter()
            generator.run()
            seconds = time.perf_counter() - start
            counts = generator.statistics()
        print(f"{name:24} {len(text.ids) / seconds:6.0f} tokens/s in {counts['steps']} steps of the whole model")

    scores = model.score(["import os\nimport sys\n", "zyxw vuts rqpo nmlk"])
    for values in scores:
        print(f"mean log-probability of {len(values)} tokens: {values[1:].mean():.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
