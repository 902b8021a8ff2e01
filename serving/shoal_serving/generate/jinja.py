"""Jinja as chat templates expect it: transformers' environment, in a sandbox.

https://huggingface.co/docs/transformers/chat_templating_writing
"""

import json
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MOST_REPEATED = 100_000


def environment() -> Environment:
    """The environment that a model's templates are compiled in."""
    made = _Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    made.filters["tojson"] = _to_json
    made.globals["raise_exception"] = _refuse
    made.globals["strftime_now"] = _now
    return made


class _Sandbox(ImmutableSandboxedEnvironment):
    """Nothing is repeated too often: how often may be a variable that a client sets."""

    intercepted_binops = frozenset({"*"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for repeated, times in ((left, right), (right, left)):
            many = isinstance(repeated, str | list | tuple) and isinstance(times, int)
            if many and len(repeated) * times > _MOST_REPEATED:
                raise TemplateError(f"{times} repetitions are too many")
        return super().call_binop(context, operator, left, right)


class _Generation(Extension):
    """`{% generation %}` marks what the assistant wrote, for training; here it is as if absent."""

    tags = {"generation"}  # noqa: RUF012 - as the base class declares it

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is: Jinja's own filter writes it for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def loops_over_content(environment: Environment, source: str) -> bool:
    """Whether a template reads a message's content part by part, and not only as a string.

    It does where it has a loop over something called `content`, or over a variable that was set to
    something of that name.
    """
    tree = environment.parse(source)
    names = {"content"}
    for assign in tree.find_all(nodes.Assign):
        if isinstance(assign.target, nodes.Name) and _is_content(assign.node, names):
            names.add(assign.target.name)
    return any(_is_content(loop.iter, names) for loop in tree.find_all(nodes.For))


def _is_content(node: nodes.Node, names: set[str]) -> bool:
    match node:
        case nodes.Name(name=name):
            return name in names
        case nodes.Getattr(attr=attr):
            return attr == "content"
        case nodes.Getitem(arg=nodes.Const(value=value)):
            return bool(value == "content")
        case _:
            return False
