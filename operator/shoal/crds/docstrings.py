"""What docstrings say, read from the source when it is asked for: programs start without that."""

import ast
import inspect
import textwrap
from itertools import pairwise


def attribute_docstrings(kind: type) -> dict[str, str]:
    """What stands below each attribute of a class, or of those that it comes from."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.startswith("shoal."):
            found |= _own(one)
    return found


def paragraphs(docstring: str) -> str:
    """Its paragraphs, each in one line."""
    parts = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in parts)


def _own(kind: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for attribute, below in pairwise(definition.body):
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
            said = _text(below)
            if said:
                found[attribute.target.id] = paragraphs(said)
    return found


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else None
    return None
