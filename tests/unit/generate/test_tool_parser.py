import pytest
from chat_templates import CHATML, HERMES, LLAMA

from shoal_serving.generate.tools import (
    CallArguments,
    CallStarted,
    Content,
    ToolFormat,
    ToolParser,
    tool_format,
)

NAMES = ("now", "weather")
NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
ARGUMENTS = '{"city": "法国 \\"}{", "n": [1, 2]}'
CALL = f'<tool_call>\n{{"name": "weather", "arguments": {ARGUMENTS}}}\n</tool_call>'


def pieces(form, text, size=1000):
    """All pieces of a text that comes in parts of that size."""
    parser = ToolParser(form, NAMES)
    found = [p for i in range(0, len(text), size) for p in parser.push(text[i : i + size])]
    return [*found, *parser.flush()]


def read(form, text, size):
    """The content, and each call's name and arguments."""
    content, calls = "", []
    for piece in pieces(form, text, size):
        match piece:
            case Content(more):
                content += more
            case CallStarted(index, name):
                assert index == len(calls)
                calls.append((name, ""))
            case CallArguments(index, more):
                assert index == len(calls) - 1
                calls[index] = (calls[index][0], calls[index][1] + more)
    return content, calls


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ("", "", []),
        ("Hello.", "Hello.", []),
        (CALL, "", [("weather", ARGUMENTS)]),
        (f"\n\n{CALL}\n{NOW}\n", "", [("weather", ARGUMENTS), ("now", "{}")]),
        (f"Let me see.\n{NOW}", "Let me see.\n", [("now", "{}")]),
        (f"{NOW}\nDone.", "\nDone.", [("now", "{}")]),
        (f"{NOW} and <tool", " and <tool", [("now", "{}")]),
        (
            '<tool_call>{"arguments": {"a": 1}, "name": "now"}</tool_call>',
            "",
            [("now", '{"a": 1}')],
        ),
        (
            '<tool_call>{"id": 7, "name": "now", "arguments": {} , "x": [true] }</tool_call>',
            "",
            [("now", "{}")],
        ),
        (CALL.split("2]")[0], "", [("weather", ARGUMENTS.split("2]")[0])]),
        (CALL[:60], "", [("weather", CALL[45:60])]),
        ('<tool_call>{"name": "now", "arguments": {}}', "", [("now", "{}")]),
        (f'<tool_call>{{"name": "x{NOW}', f'<tool_call>{{"name": "x{NOW}', []),
        (f"a <tool_call> b {NOW}", "a <tool_call> b ", [("now", "{}")]),
    ],
)
def test_hermes_calls_are_told_from_text_however_it_is_cut(text, content, calls, size):
    assert read(ToolFormat.HERMES, text, size) == (content, calls)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "  \n",
        "a < b <tool> <tool_call",
        '<tool_call>\n{"name": "now", "argu',
        '<tool_call>{"name": "nothing", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "now", "arguments": "{}"}</tool_call>',
        '<tool_call>{"name": "now"}</tool_call>',
        '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
        '<tool_call>{"x": {"name": "now"}}</tool_call>',
        '<tool_call>{"name": "now" "arguments": {}}</tool_call>',
        '<tool_call>{"arguments": {"a": 1}, "name": "nothing"}</tool_call>',
        "<tool_call>[]</tool_call>",
        "<tool_call></tool_call>",
    ],
)
def test_what_only_looks_like_a_call_is_content_and_nothing_is_lost(text, size):
    assert read(ToolFormat.HERMES, text, size) == (text, [])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ('{"name": "now", "parameters": {"a": 1}}', "", [("now", '{"a": 1}')]),
        (
            ' <|python_tag|>{"type": "function", "name": "now", "parameters": {}}\n',
            "",
            [("now", "{}")],
        ),
        (
            '{"name": "now", "parameters": {}}; {"name": "weather", "parameters": {}};',
            "",
            [("now", "{}"), ("weather", "{}")],
        ),
        ('{"name": "now", "parameters": {}} it is', " it is", [("now", "{}")]),
        ('{"name": "now", "parameters": {"a"', "", [("now", '{"a"')]),
        ('{"name": "Bob", "age": 3}', '{"name": "Bob", "age": 3}', []),
        ('{"answer": {"name": "now"}}', '{"answer": {"name": "now"}}', []),
        ('See {"name": "now", "parameters": {}}', 'See {"name": "now", "parameters": {}}', []),
        ("<|python_tag|>print(1)", "<|python_tag|>print(1)", []),
        ("<|python", "<|python", []),
        ('{"name": "now"', '{"name": "now"', []),
    ],
)
def test_llama_calls_are_all_of_an_answer_or_none_of_it(text, content, calls, size):
    assert read(ToolFormat.LLAMA, text, size) == (content, calls)


def test_a_call_is_told_as_soon_as_it_is_one_and_its_arguments_as_they_come():
    parser = ToolParser(ToolFormat.HERMES, NAMES)
    assert parser.push('Ok.<tool_call>\n{"name": "now", "argu') == [Content("Ok.")]
    assert parser.push('ments": ') == []
    assert parser.push('{"zo') == [CallStarted(0, "now"), CallArguments(0, '{"zo')]
    assert parser.push('ne": 1}}\n</to') == [CallArguments(0, 'ne": 1}')]
    assert parser.push("ol_call>") == []
    assert parser.flush() == []


def test_content_waits_only_while_it_may_become_a_mark():
    parser = ToolParser(ToolFormat.HERMES, NAMES)
    assert parser.push("a <tool") == [Content("a ")]
    assert parser.push("box>") == [Content("<toolbox>")]
    assert ToolParser(ToolFormat.LLAMA, NAMES).push("Hi <|py") == [Content("Hi <|py")]


@pytest.mark.parametrize(
    ("template", "form"),
    [(HERMES, ToolFormat.HERMES), (LLAMA, ToolFormat.LLAMA), (CHATML, None)],
)
def test_the_format_is_read_from_the_template(template, form):
    assert tool_format(template) == form


def test_calls_in_another_language_are_not_taken_for_json():
    assert tool_format("<tool_call><function=now></function></tool_call>") is None
