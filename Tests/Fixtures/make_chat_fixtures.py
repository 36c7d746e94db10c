"""Makes chat/golden.json: what transformers makes of chats with the templates of chat/.

    python Tests/Fixtures/make_chat_fixtures.py        needs transformers

The templates are written for these tests, in the ways of the models that their first lines name. golden.json lists cases:
"template" (a file), "arguments" (of apply_chat_template, messages among them), and "text", or "error" where the template
refuses the chat. "ids" are those of "tokenizer", one of Tests/TokenizersTests/Fixtures, which itself begins texts with a token.
"""

import json
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import transformers

HERE = pathlib.Path(__file__).resolve().parent
CHAT = HERE / "chat"
SPECIAL = {
    "bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "cls_token": "<|im_start|>", "sep_token": "<|im_end|>",
}  # fmt: skip

ASK = [{"role": "user", "content": "  What is the capital of Norway?\n"}]
TALK = [
    {"role": "system", "content": "Be brief. <b>&\"'</b>"},
    {"role": "user", "content": "Hello\tthere, \u00e9l\u00e8ve \U0001f600"},
    {"role": "assistant", "content": " Hi! "},
    {"role": "user", "content": "{{ 1 + 1 }} {% raw %}?"},
]
ANSWERED = [*TALK, {"role": "assistant", "content": "It is  "}]
REASONED = [
    {"role": "user", "content": "3 * 4?"},
    {"role": "assistant", "content": "<think>\nthree fours\n</think>\n\n12", "name": None},
    {"role": "user", "content": "And 5?"},
    {"role": "assistant", "content": "15", "reasoning_content": "three fives"},
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place, in \u00b0C <now>",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
TIME = {"type": "function", "function": {"name": "time", "description": "", "parameters": {}, "return": {"type": "string"}}}
CALLED = [
    {"role": "user", "content": "Is it cold in Troms\u00f8?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"place": "Troms\u00f8"}}}]},
    {"role": "tool", "tool_call_id": "call00001", "content": "-4"},
]  # fmt: skip
PARTS = [{"role": "user", "content": [
    {"type": "image"}, {"type": "text", "text": " What is this? "}, {"type": "text", "text": "And why?"}]}]  # fmt: skip
LONG = [{"role": ("user", "assistant")[index % 2], "content": f"message {index}\n"} for index in range(9)]
DOCUMENTS = [{"title": "the first", "text": "one\ntwo\tthree"}, {"title": "", "text": ""}]
DATE = {"date_string": "26 Jul 2024"}
FINAL = {"continue_final_message": True}
PROMPT = {"add_generation_prompt": True}

CASES = [
    *[(name, {"conversation": chat} | more) for name in ("chatml", "ends", "thinking")
      for chat, more in ((ASK, {}), (ASK, PROMPT), (TALK, PROMPT), (ANSWERED, FINAL), (LONG, {}))],
    *[("headers", {"conversation": chat} | DATE | more) for chat, more in (
        (ASK, PROMPT), (TALK, {}), (ANSWERED, FINAL), (CALLED, {"tools": [WEATHER, TIME]} | PROMPT), (CALLED, {}),
        ([*ASK, {"role": "tool", "content": {"a": ["<", 1, None]}}], {}),
        ([{"role": "assistant", "tool_calls": [{}, {}]}], {}))],
    *[("brackets", {"conversation": chat} | more) for chat, more in (
        (ASK, {}), (TALK, {}), (ANSWERED, FINAL), (CALLED, {"tools": [WEATHER, TIME]}), (CALLED, {}), (LONG, {}),
        (ASK + ASK, {}), ([{"role": "critic", "content": "no"}], {}), (CALLED[:1] + [
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "time", "arguments": {}}}]}], {}))],
    *[("thinking", {"conversation": chat} | more) for chat, more in (
        (REASONED, {}), (REASONED[:3], PROMPT), (REASONED[:3], PROMPT | {"enable_thinking": False}),
        (REASONED, {"continue_final_message": "reasoning_content"}),
        (CALLED, {"tools": [WEATHER, TIME]} | PROMPT), (TALK[:1] + CALLED, {"tools": [TIME]}), (CALLED + CALLED[2:] * 2, {}),
        ([REASONED[0], {"role": "assistant", "content": "12", "thinking": "fours"}], {}))],
    *[("turns", {"conversation": chat} | more) for chat, more in (
        (ASK, PROMPT), (TALK, {}), (ANSWERED, FINAL), (PARTS, PROMPT), (PARTS, FINAL), (ASK + ASK, {}),
        ([{"role": "user", "content": 3}], {}), (ASK, {"bos_token": "[instead]"}))],
    *[("documents", {"conversation": chat} | more) for chat, more in (
        (TALK, {"documents": DOCUMENTS}), (LONG, {"loudly": True}), (ANSWERED, FINAL), (ASK, {"documents": []}))],
]  # fmt: skip


def main():
    source = "llama3.json"
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(HERE.parent / "TokenizersTests" / "Fixtures" / source), **SPECIAL
    )
    cases = []
    for name, arguments in CASES:
        case = {"template": f"{name}.jinja", "arguments": arguments}
        template = (CHAT / case["template"]).read_text(encoding="utf-8")
        try:
            case["text"] = tokenizer.apply_chat_template(chat_template=template, tokenize=False, **arguments)
            case["ids"] = tokenizer.apply_chat_template(chat_template=template, return_dict=False, **arguments)
        except Exception as error:
            case["error"] = str(error)
        cases.append(case)
    golden = {"special_tokens": SPECIAL, "tokenizer": source, "cases": cases}
    lines = json.dumps(golden, ensure_ascii=True, separators=(",", ":")).replace('{"template"', '\n{"template"')
    (CHAT / "golden.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
