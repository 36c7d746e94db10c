"""The model card: what was trained on what and how, and how good each width is."""

import platform

import torch

import evaluation
from matformer import MatFormer

CARD = """---
language: [en]
license: other
license_name: psf-2.0
license_link: https://docs.python.org/3/license.html
library_name: transformers
pipeline_tag: text-generation
tags: [matformer, nested, byte-level, speculative-decoding]
---

# MatLM: a small MatFormer language model of bytes

A decoder of {parameters:,} parameters that continues Python code and documentation, byte by byte. Its FFN is
nested (MatFormer, [arXiv 2310.07707](https://arxiv.org/abs/2310.07707)): the first 1/8, 1/4 and 1/2 of the
neurons of each layer make smaller models that were trained inside the whole one. Attention is the same in all of
them, so that a narrow model can draft on the keys and values of the whole one.

It is made by `examples/training/train_matlm.py` of Nestling and shows nested models and speculative decoding. It
is no use for anything else: what it writes looks like Python and means nothing.

```python
import nestling
model = nestling.load("matlm")
small = model.submodel(ffn=0.25)
print(model.generate("def read(self, ", max_new_tokens=200, temperature=0.0, draft=small))
```

In transformers it is a `LlamaForCausalLM`: `AutoModelForCausalLM.from_pretrained("matlm")`.

## Shape

{layers} layers, hidden {hidden}, {heads} heads of {head} with {kv_heads} for keys and values, gated FFN of {ffn}
(silu), rotary positions, tied embeddings, context {context}. Tokens are bytes (0 to 255), the end of a text (256,
which also begins one) and padding (257). Weights are bfloat16.

## Results

Text that was held out, {evaluated:,} bytes. "Same next byte": how often the width's most probable byte is that of
the whole model. "Of n": how many of n greedily drafted bytes the whole model would have written too, with a draft
that runs on the whole model's keys and values.

{table}

## Training

{train_bytes:,} bytes of {train_texts} texts, {validation_bytes:,} bytes of {validation_texts} texts held out: the
sources of the standard library of Python {python} that carry no permission notice of their own, without tests,
tables and packages that distributions ship apart, and the texts of `help()`. SHA-256 of all contents in order:
`{sha256}`.

{steps:,} steps, {tokens:,} tokens, {minutes:.0f} minutes on {device} ({threads} threads, PyTorch {torch}), seed {seed}.
Muon for matrices, shell by shell, learning rate {lr}, AdamW for the rest at a fifth of it; warm-up, plateau, and
linear decay over the last 40%. Widths enter from narrow to wide, at {widen} of the training. The widest so far
learns from the text (cross-entropy), the narrower ones in turn, one in each step, from the widest
(Kullback-Leibler divergence). {again}:

    python train_matlm.py --output matlm --steps {steps} --seed {seed} --threads {threads}{sizes}

## Licence

The text is that of Python: Copyright © Python Software Foundation; All Rights Reserved; under the PSF License
Agreement (PSF-2.0), of which `LICENSE.python.txt` is a copy, with the years. It lets derived works be shared if the
licence and the notice go with them and the changes are summed up: nothing of Python is in here but these weights, which are
statistics of its bytes. The weights come under the same licence.
"""


def write(model: MatFormer, data: dict[str, object], report: dict, training: dict[str, object]) -> str:
    shape = model.shape
    return CARD.format(
        **data,
        **vars(shape),
        **training,
        head=shape.head,
        table=evaluation.table(report),
        python=platform.python_version(),
        torch=torch.__version__,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )
