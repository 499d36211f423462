"""The schema as instructions, and the JSON found in what a model says."""

import json
import time

import pytest

from agents.llm.structured import extract_json, with_schema_instructions
from agents.llm.types import ImagePart, Message

SCHEMA = {"type": "object", "properties": {"größe": {"type": "integer"}}}
FOUR_MB = 4 * 1024 * 1024


def test_the_schema_joins_the_first_system_message():
    messages = (Message("system", "Be brief."), Message("user", "Hi"), Message("system", "Later."))

    system, *others = with_schema_instructions(messages, SCHEMA)

    assert system.role == "system"
    assert system.content.startswith("Be brief.\n\nAnswer with JSON alone")
    assert json.loads(system.content.partition("JSON schema:\n")[2]) == SCHEMA
    assert "größe" in system.content
    assert tuple(others) == messages[1:]


@pytest.mark.parametrize("messages", [(), (Message("user", "Hi"),)])
def test_a_system_message_is_made_where_there_is_none(messages):
    made = with_schema_instructions(messages, SCHEMA)

    assert made[0].role == "system"
    assert made[0].content.startswith("Answer with JSON alone")
    assert made[1:] == messages


def test_a_system_message_of_parts_keeps_them():
    picture = ImagePart("https://example.com/a.png")
    (system,) = with_schema_instructions([Message("system", "Look.", parts=("Look.", picture))], SCHEMA)

    assert system.parts[:2] == ("Look.", picture)
    assert system.content == f"Look.\n\n{system.parts[2]}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Sure! {"a": 1} Anything else?', '{"a": 1}'),
        ('```json\n{"a": [1, {"b": "}"}]}\n```', '{"a": [1, {"b": "}"}]}'),
        ('First:\n```python\nx = {y}\n```\nthen\n```json\n{"a": 1}\n```\n```\n{"a": 2}\n```', '{"a": 1}'),
        ('Use {placeholders} and {"key"}: {"a": "\\" { ["}', '{"a": "\\" { ["}'),
        ("The list is [1, 2.5e3, true].", "[1, 2.5e3, true]"),
        ("{ }", "{ }"),
        ('{"a": {"b": 1},}\nOnce more: {"a": 1}', '{"a": 1}'),
        ('[["a",]]] [1]', "[1]"),
        ('<think>{"a": 0}</think>\n\n{"a": 1}', '{"a": 1}'),
        (f'n: {{"a": {"9" * 5000}}}', f'{{"a": {"9" * 5000}}}'),
        ('{"a": NaN} or', '{"a": NaN}'),
        ('\ufeff{"a": 1}', '{"a": 1}'),
    ],
)
def test_the_first_complete_value_is_found(text, found):
    assert extract_json(text) == found


def test_only_the_kind_of_value_that_will_do_is_found():
    text = 'As [1] and [2] say: {"a": [3]}'

    assert extract_json(text) == "[1]"
    assert extract_json(text, "{") == '{"a": [3]}'
    assert extract_json('{"a": 1} [2]', "[") == "[2]"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('Here: {"a": [1, 2], "b": 3,} done', '{"a": [1, 2], "b": 3,} done'),
        ('[{"a": 1}, {"a": 2},]', '[{"a": 1}, {"a": 2},]'),
        ('Cut: {"items": [{"a": 1}, {"a', '{"items": [{"a": 1}, {"a'),
        ('{"text": "Call f({}) and', '{"text": "Call f({}) and'),
        ('[{"text": "see [1] and', '[{"text": "see [1] and'),
        ('{"path": "C:\\dir", "b": {"c": 1}}', '{"path": "C:\\dir", "b": {"c": 1}}'),
        ('{"a": 1, b: 2, "c": {"d": 3}}', '{"a": 1, b: 2, "c": {"d": 3}}'),
        ('{"a": "said "{}"", "b": {"c": 1}}', '{"a": "said "{}"", "b": {"c": 1}}'),
        ("[1, 2,, [3]]", "[1, 2,, [3]]"),
        ("```json\nbug\n```", "bug\n"),
        ("No idea.", "No idea."),
        ("", ""),
    ],
)
def test_nothing_is_repaired_and_no_part_stands_for_the_whole(text, left):
    with pytest.raises(json.JSONDecodeError):
        json.loads(extract_json(text))
    assert extract_json(text) == left


HOSTILE = {
    "opening brackets": "[",
    "opening braces": '{"a":',
    "brackets apart": "[x",
    "values that break": '[1,x{"a":1,}',
    "strings without end": '["\\"',
    "lists without end": "[1,1,1,[",
    "spaces": "[" + " " * 9_000,
    "lines": '{"a"\n\n',
    "fences": "```json\n",
    "thoughts": "</think>",
    "digits": "[9",
    "broken values": '{"a",{}}',
    "brackets by turns": "[{",
    "escapes": '{"a\\',
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_of_4_mb_takes_no_longer_than_its_length_allows(unit):
    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        started = time.process_time()
        extract_json(text)
        return time.process_time() - started

    assert seconds(FOUR_MB) < max(2.0, 20 * seconds(FOUR_MB // 4))


def test_a_large_answer_in_prose_is_found_whole():
    value = json.dumps({"rows": [{"n": n, "text": "x" * 50} for n in range(50_000)]})

    assert extract_json(f"Here you are:\n```json\n{value}\n```") == value
