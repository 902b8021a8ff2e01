"""How large a grammar may be, before anything reads it."""

from typing import Any

from shoal.errors import InvalidRequest

# OpenAI takes 120,000 characters of names and values in a schema.
MOST_BYTES = 256 * 1024
# llguidance's reader of JSON stops at 128, of which the frame around a schema takes some.
MOST_LEVELS = 100


def check_text(text: str, what: str, param: str | None) -> None:
    """Refuse a text that is too long, or no Unicode.

    Raises:
        InvalidRequest: naming `what` it is.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the {what} is not valid Unicode: {error.reason}", param) from error
    if size > MOST_BYTES:
        raise InvalidRequest(
            f"the {what} is too large: {size} bytes, and {MOST_BYTES} are the most", param
        )


def check_levels(value: Any, param: str | None) -> None:
    """Refuse a JSON value that is nested too deeply. Works level by level, without recursion.

    Raises:
        InvalidRequest: it is.
    """
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidRequest(
        f"the schema is nested too deeply: {MOST_LEVELS} levels of JSON are the most", param
    )


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
