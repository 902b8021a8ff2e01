import json
from datetime import datetime

import pytest
from chat_templates import CHATML, HERMES, LLAMA, PARTS

from shoal.errors import InvalidRequest, ModelLoadFailed
from shoal_serving.generate.chat import ChatTemplate, open_chat_template
from shoal_serving.tasks.folder import ModelFolder

HELLO = [{"role": "user", "content": "Hello <b>你好</b>"}]
TOOLS = [{"type": "function", "function": {"name": "now", "description": "it's <now>"}}]


@pytest.fixture
def opened(tmp_path):
    """Opens the templates of a folder with these files; JSON where a content is no text."""

    def build(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return open_chat_template(ModelFolder(tmp_path))

    return build


def template(source, **specials):
    return ChatTemplate({"default": source}, specials)


def test_chatml_ends_where_the_assistant_begins():
    assert template(CHATML).render(HELLO) == (
        "<|im_start|>user\nHello <b>你好</b><|im_end|>\n<|im_start|>assistant\n"
    )
    assert template(CHATML).render(HELLO, add_generation_prompt=False).endswith("<|im_end|>\n")


def test_llama_has_its_first_token_a_date_and_trimmed_texts():
    made = template(LLAMA, bos_token="<|begin_of_text|>")
    messages = [{"role": "user", "content": "  Hi \n"}]
    assert made.render(messages, variables={"date_string": "26 Jul 2024"}) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        "Today: 26 Jul 2024<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert str(datetime.now().astimezone().year) in made.render(messages)


def test_tools_are_json_without_escapes_for_html():
    text = template(HERMES).render(HELLO, tools=TOOLS)
    assert json.dumps(TOOLS[0]) in text
    assert "it's <now>" in text
    assert json.dumps(TOOLS[0], indent=4) in template(LLAMA, bos_token="").render(
        HELLO, tools=TOOLS
    )


def test_no_tools_are_none():
    source = "{{ tools is none }}"
    assert template(source).render(HELLO, tools=[]) == template(source).render(HELLO) == "True"


def test_a_call_that_was_made_is_written_as_the_model_wrote_it():
    call = {"id": "1", "type": "function"}
    call["function"] = {"name": "now", "arguments": '{"zone": "法国"}'}
    messages = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}]
    text = template(HERMES).render(messages, add_generation_prompt=False)
    assert text.endswith(
        '<|im_start|>assistant\n<tool_call>\n{"name": "now", "arguments": {"zone": "法国"}}\n'
        "</tool_call><|im_end|>\n"
    )


@pytest.mark.parametrize("arguments", ['{"a"', "[1]", "3", "[" * 100_000])
def test_arguments_that_are_no_object_are_named(arguments):
    call = {"function": {"name": "now", "arguments": arguments}}
    field = r"messages\[0\]\.tool_calls\[0\]\.function\.arguments: expected a JSON object"
    with pytest.raises(InvalidRequest, match=field):
        template(HERMES).render([{"role": "assistant", "tool_calls": [call]}])


def test_a_template_refuses_in_its_own_words():
    with pytest.raises(InvalidRequest, match="refuses this: there is no role pirate"):
        template(LLAMA, bos_token="").render([{"role": "pirate", "content": "Arr"}])


def test_whatever_goes_wrong_in_a_template_is_a_request_that_it_cannot_write():
    with pytest.raises(InvalidRequest, match="cannot write this: ZeroDivisionError"):
        template("{{ 1 / variable }}").render(HELLO, variables={"variable": 0})
    with pytest.raises(InvalidRequest, match="refuses this: 'dict object' has no"):
        template("{{ messages[0].nothing.more }}").render(HELLO)


def test_parts_of_text_become_one_string():
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": "this?"}]
    text = template(CHATML).render([{"role": "user", "content": parts}])
    assert "user\nWhat is\nthis?<|im_end|>" in text


def test_parts_stay_parts_for_a_template_that_reads_them():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "c"}]
    assert template(PARTS).render(messages) == "user:[a][b]assistant:c"
    renamed = PARTS.replace(
        "for part in message.content", "set all = message['content'] %}{%- for part in all"
    )
    assert template(renamed).render(messages) == "user:[a][b]assistant:c"


def test_an_image_is_refused_by_name():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]
    with pytest.raises(InvalidRequest, match=r"content\[1\]: .* 'image_url'") as caught:
        template(PARTS).render([{"role": "user", "content": parts}])
    assert caught.value.param == "messages[0].content[1]"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "expected 1 to 4096 messages, got 0"),
        (HELLO * 5000, "got 5000"),
        ([{"content": "a"}], r"messages\[0\]: expected an object with a role"),
        (["a"], r"messages\[0\]: expected an object with a role"),
        ([{"role": "user", "content": 3}], r"messages\[0\]\.content: expected a string"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"content\[0\]\.text: expected"),
        ([{"role": "user", "tool_calls": {}}], r"tool_calls: expected an array"),
        ([{"role": "user", "tool_calls": [{}]}], r"tool_calls\[0\]: expected an object with a f"),
    ],
)
def test_messages_of_another_shape_are_named(messages, said):
    with pytest.raises(InvalidRequest, match=said):
        template(CHATML).render(messages)


def test_the_messages_of_the_caller_are_left_as_they_are():
    messages = [{"role": "user", "content": None, "tool_calls": None}]
    template(CHATML).render(messages)
    assert messages == [{"role": "user", "content": None, "tool_calls": None}]


def test_the_last_message_can_be_gone_on_with():
    messages = [*HELLO, {"role": "assistant", "content": "The capital is"}]
    going_on = {"add_generation_prompt": False, "continue_final_message": True}
    assert template(CHATML).render(messages, **going_on).endswith("assistant\nThe capital is")
    assert template(LLAMA, bos_token="").render(messages, **going_on).endswith("\n\nThe capital is")


def test_going_on_and_beginning_anew_exclude_each_other():
    with pytest.raises(InvalidRequest, match="set add_generation_prompt to false"):
        template(CHATML).render(HELLO, continue_final_message=True)
    calls = [{"role": "assistant", "content": [{"type": "text", "text": "a"}]}]
    with pytest.raises(InvalidRequest, match="must be a string"):
        template(PARTS).render(calls, add_generation_prompt=False, continue_final_message=True)
    with pytest.raises(InvalidRequest, match="does not write the last message"):
        template("x").render(HELLO, add_generation_prompt=False, continue_final_message=True)


def test_variables_reach_the_template():
    text = template(HERMES).render(HELLO, variables={"enable_thinking": False})
    assert text.endswith("<think>\n\n</think>\n\n")


@pytest.mark.parametrize("name", ["messages", "bos_token", "raise_exception", "range"])
def test_variables_of_the_template_itself_cannot_be_set(name):
    with pytest.raises(InvalidRequest, match=f"variable '{name}' cannot be set"):
        template(CHATML).render(HELLO, variables={name: "x"})


@pytest.mark.parametrize(
    ("source", "variable"),
    [
        ("{{ 'x' * n }}", 10**12),
        ("{{ n * [0] }}", 10**12),
        ("{% for i in range(n) %}x{% endfor %}", 10**9),
        ("{% for a in range(99999) %}{{ messages[0].content * 99 }}{% endfor %}", 0),
        ("{{ n | tojson }}", None),
        ("{{ ''.__class__.__mro__ }}{{ n }}", 0),
    ],
)
def test_no_request_makes_a_template_run_for_ever_or_fill_the_memory(source, variable):
    if variable is None:
        for _ in range(100_000):
            variable = [variable]
    with pytest.raises(InvalidRequest):
        template(source).render(HELLO, variables={"n": variable})


def test_what_a_client_sends_is_never_a_template():
    messages = [{"role": "user", "content": "{{ messages }}{% raw %}"}]
    assert "user\n{{ messages }}{% raw %}<|im_end|>" in template(CHATML).render(messages)


def test_loop_controls_and_marks_for_training_are_known():
    source = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}"
    source += "{% break %}{% endfor %}"
    assert template(source).render([*HELLO, *HELLO]) == HELLO[0]["content"]


def test_lines_of_blocks_alone_leave_nothing():
    assert template("{% if true %}\n  {% set a = 1 %}\nx\n{% endif %}\n").render(HELLO) == "x\n"


def test_the_template_is_in_the_tokenizers_configuration(opened):
    made = opened({"tokenizer_config.json": {"chat_template": CHATML, "bos_token": "<s>"}})
    assert made.render(HELLO).startswith("<|im_start|>user")


def test_special_tokens_are_known_to_the_template(opened):
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    config["chat_template"] = "{{ bos_token }}{{ messages[0].role }}{{ eos_token }}"
    assert opened({"tokenizer_config.json": config}).render(HELLO) == "<s>user</s>"


def test_a_file_of_its_own_goes_first(opened):
    made = opened({"tokenizer_config.json": {"chat_template": "old"}, "chat_template.jinja": "new"})
    assert made.render(HELLO) == "new"


NAMED = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config.json": {"chat_template": NAMED}},
        {"chat_template.jinja": "plain", "additional_chat_templates/tool_use.jinja": "tools"},
    ],
)
def test_tools_have_a_template_of_their_own_where_there_is_one(opened, files):
    made = opened(files)
    assert made.render(HELLO) == "plain"
    assert made.render(HELLO, tools=TOOLS) == made.render(HELLO, name="tool_use") == "tools"
    assert made.source(tools=True) == "tools"
    with pytest.raises(InvalidRequest, match="no chat template 'rag'; it has default, tool_use"):
        made.render(HELLO, name="rag")


def test_a_folder_may_have_no_template(opened):
    assert opened({"tokenizer_config.json": {}}) is None


def test_a_template_that_is_none_does_not_load():
    with pytest.raises(ModelLoadFailed, match="'default' cannot be used: line 2"):
        template("a\n{% if %}")


@pytest.mark.parametrize("value", [3, [{"name": "default"}], ["a"], {"default": "a"}])
def test_a_configuration_that_holds_no_template_is_named(opened, value):
    with pytest.raises(
        ModelLoadFailed, match=r"in tokenizer_config\.json cannot be used: is neither"
    ):
        opened({"tokenizer_config.json": {"chat_template": value}})


def test_a_file_that_is_no_text_is_named(opened, tmp_path):
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ModelLoadFailed, match=r"in chat_template\.jinja cannot be used"):
        opened({})
