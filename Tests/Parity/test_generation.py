"""Generating with fresh random decoders of every family: Nestling through its cache, several texts at once, prompts in slices,
against transformers, one text at a time in float64."""

import nestling
import numpy as np
import pytest
import torch
from drawing import assert_close
from make_decoder_fixtures import make_model
from make_fixtures import load
from test_decoders import CAUSAL, FAMILIES, SEEDS, draw_scaling, draw_settings, plain

NEW_TOKENS = 200
CONTEXT = 320
PROMPTS = (1, 5, 33, 70, 100)


def draw(family, seed):
    """A configuration with room for the texts."""
    settings = plain(draw_settings(family, np.random.default_rng([seed, *family.encode()])))
    if settings.get("sliding_window") == 1:
        # The cache of transformers then keeps all tokens, and gives other texts than the same model without a cache.
        settings["sliding_window"] = 2
    return settings | {"n_positions" if family == "GPT2" else "max_position_embeddings": CONTEXT}


def prompts_of(settings, seed):
    random = np.random.default_rng([seed, 4])
    return [random.integers(0, settings["vocab_size"], length).tolist() for length in PROMPTS]


def generate(model, prompt, **options):
    """The tokens that transformers generates after `prompt`, through its own cache."""
    ids = torch.tensor([prompt])
    # Nothing ends these texts: their weights are random.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    with torch.no_grad():
        text = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False, **options)
    return text[0, len(prompt):].tolist()


def log_probabilities(model, ids):
    """`[tokens, vocabulary]` of the whole text at once."""
    with torch.no_grad():
        return torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), -1).numpy()


def compare(class_name, settings, seed, directory):
    make_model(class_name, settings, seed).save_pretrained(directory)
    theirs = load(class_name, directory).double()
    ours = nestling.load(directory)
    vocabulary = settings["vocab_size"]
    prompts = prompts_of(settings, seed)
    options = dict(max_new_tokens=NEW_TOKENS, temperature=0.0, ignore_eos=True)
    # Prompts in slices; texts wait, join others that are on their way, and leave them.
    with ours.generator(slice_tokens=13, maximum_requests=3) as generator:
        texts = [generator.add(prompt, logprobs=vocabulary, **options) for prompt in prompts]
        generator.run()
    for prompt, text in zip(prompts, texts):
        assert text.finish_reason == "length" and text.error is None
        assert text.ids == generate(theirs, prompt), f"prompt of {len(prompt)}"
        wanted = log_probabilities(theirs, prompt + text.ids)[len(prompt) - 1:-1]
        found = np.empty_like(wanted)
        for row, entry in enumerate(text.logprobs):
            tokens, values = zip(*entry.top)
            found[row, list(tokens)] = values
        assert_close(found, wanted, f"log-probabilities after a prompt of {len(prompt)}")
    wanted = [log_probabilities(theirs, prompt) for prompt in prompts]
    for prompt, found, all_scores in zip(prompts, ours.score(prompts), wanted):
        expected = [0.0] + [all_scores[i, token] for i, token in enumerate(prompt[1:])]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    return ours, theirs, prompts, [text.ids for text in texts]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy(family, seed, tmp_path):
    compare(CAUSAL.get(family, family + "ForCausalLM"), draw(family, seed), seed, tmp_path)


@pytest.mark.parametrize("kind", ("linear", "llama3", "yarn"))
def test_rope_scaling(kind, tmp_path):
    """Scalings whose angles do not depend on the length: of the others a text's planned length decides."""
    random = np.random.default_rng([8, *kind.encode()])
    settings = draw("Llama", 8)
    settings["head_dim"] = 4 * int(random.integers(2, 6))
    settings["rope_parameters"] = draw_scaling(kind, settings["head_dim"], random)
    compare("LlamaForCausalLM", settings, 8, tmp_path)


@pytest.mark.parametrize("family", ("Llama", "Gemma3", "GPT2"))
def test_drafts_and_penalties(family, tmp_path):
    """Drafts leave greedy texts as they are; a repetition penalty and forbidden tokens are those of transformers."""
    settings = draw(family, 21)
    ours, theirs, prompts, texts = compare(CAUSAL.get(family, family + "ForCausalLM"), settings, 21, tmp_path)
    options = dict(max_new_tokens=NEW_TOKENS, temperature=0.0, ignore_eos=True)
    width = ours.describe()["ffn_widths"][0]
    draft = ours.submodel(ffn=max(1, width // 3))
    assert ours.generate(prompts, draft=draft, draft_tokens=4, **options) == texts
    assert ours.generate(prompts, prompt_lookup=3, **options) == texts
    for prompt in prompts[1:3]:
        wanted = generate(theirs, prompt, repetition_penalty=1.3)
        assert ours.generate(prompt, repetition_penalty=1.3, **options) == wanted
        forbidden = texts[0][:3]
        wanted = generate(theirs, prompt, suppress_tokens=forbidden)
        assert ours.generate(prompt, logit_bias={token: -np.inf for token in forbidden}, **options) == wanted
