"""Chats through templates: random conversations against `apply_chat_template` of transformers, texts and ids.

The templates are those of Tests/Fixtures/chat, and all *.jinja under the folder that NESTLING_CHAT_TEMPLATES names.
"""

import os
import random
from pathlib import Path

import nestling
import pytest
import strings
import transformers

TESTS = Path(__file__).resolve().parent.parent
TOKENIZER = TESTS / "TokenizersTests" / "Fixtures" / "llama3.json"
SPECIAL = {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "cls_token": "<|im_start|>", "sep_token": "<|im_end|>"}
FOLDERS = [TESTS / "Fixtures" / "chat", *filter(None, [os.environ.get("NESTLING_CHAT_TEMPLATES")])]
TEMPLATES = [path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.jinja"))]
ROUNDS = int(os.environ.get("NESTLING_PARITY_ROUNDS", "60"))
TEXTS = [text for text in strings.generate(500) if len(text) <= 120 and "\0" not in text]


def draw_text(generator):
    if generator.random() < 0.2:
        return generator.choice(["", " ", "\n\n", "<think>\nso\n</think>\n\nthus", "<|im_end|>", "{{ bos_token }}", "a \n"])
    return generator.choice(TEXTS)


def draw_tool(generator):
    return {"type": "function", "function": {
        "name": generator.choice(["look_up", "f"]), "description": draw_text(generator),
        "parameters": {"type": "object", "properties": {"q": {"type": "string", "enum": [draw_text(generator), "b"]}}}}}


def draw_message(generator, role):
    message = {"role": role, "content": draw_text(generator)}
    if generator.random() < 0.1:
        message["content"] = [{"type": "text", "text": draw_text(generator)}, {"type": "image", "image": object()}]
    if role == "assistant" and generator.random() < 0.25:
        arguments = {"q": draw_text(generator), "n": generator.randint(-3, 10**6), "x": [1.5, None, True]}
        message["tool_calls"] = [{"id": "abcdefghi", "type": "function",
                                  "function": {"name": "look_up", "arguments": arguments}}]
        message["content"] = generator.choice([None, "", message["content"]])
    if role == "assistant" and generator.random() < 0.2:
        message[generator.choice(["reasoning_content", "thinking", "reasoning"])] = draw_text(generator)
    if role == "tool":
        message |= {"tool_call_id": "abcdefghi", "name": "look_up"}
    return message


def draw_chat(generator):
    roles = ["system"] if generator.random() < 0.5 else []
    for index in range(generator.randint(1, 6)):
        roles.append(("user", "assistant")[index % 2] if generator.random() < 0.9 else "tool")
    return [draw_message(generator, role) for role in roles]


def draw_arguments(generator):
    arguments = {"conversation": draw_chat(generator)}
    if generator.random() < 0.3:
        arguments["tools"] = [draw_tool(generator) for _ in range(generator.randint(1, 2))]
    if generator.random() < 0.2:
        arguments["documents"] = [{"title": draw_text(generator), "text": draw_text(generator)}]
    ending = generator.random()
    if ending < 0.5:
        arguments["add_generation_prompt"] = True
    elif ending < 0.7:
        arguments["continue_final_message"] = generator.choice([True, True, "reasoning_content"])
    if generator.random() < 0.2:
        arguments["enable_thinking"] = generator.random() < 0.5
    return arguments


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_random_chats(path):
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(TOKENIZER), **SPECIAL)
    ours = nestling.Tokenizer.from_file(TOKENIZER)
    template = path.read_text(encoding="utf-8")
    generator = random.Random(path.stem)
    alike = 0
    for _ in range(ROUNDS):
        arguments = draw_arguments(generator) | {"chat_template": template}
        try:
            text = theirs.apply_chat_template(**arguments, tokenize=False)
        except Exception:
            with pytest.raises((nestling.Error, TypeError)):
                ours.apply_chat_template(**SPECIAL | arguments, tokenize=False)
            continue
        assert ours.apply_chat_template(**SPECIAL | arguments, tokenize=False) == text, arguments
        ids = theirs.apply_chat_template(**arguments, return_dict=False)
        assert ours.apply_chat_template(**SPECIAL | arguments) == ids
        alike += 1
    assert alike > ROUNDS // 10, "hardly any chat that the template takes"
