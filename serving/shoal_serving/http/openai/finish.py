"""Why an answer ended, in OpenAI's words."""

from shoal_serving.generate.request import Delta, Finish


def finish_of(delta: Delta, called: bool = False) -> str | None:
    """`stop`, `length` or `tool_calls`; None while it goes on. `called`: it ended to call tools."""
    if delta.finish is None:
        return None
    return "tool_calls" if called and delta.finish is Finish.STOP else delta.finish.value
