"""What went wrong, in kubectl's words on stderr, and the exit code that goes with it."""

import click

from shoal.errors import InvalidResource, RequestError, ResourceNotFound, ShoalError

FAILED = 1
INTERRUPTED = 130


def exit_code(error: Exception) -> int:
    """Tell of an error that ended a command.

    Anything that Shoal, click or the machine did not raise on purpose is a bug and is raised again.
    """
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, ExceptionGroup):
        return max(exit_code(each) for each in error.exceptions)
    if not isinstance(error, ShoalError | click.ClickException | OSError):
        raise error
    say(error)
    return FAILED


def say(error: Exception) -> None:
    """Tell of an error that need not end the command."""
    click.echo(_sentence(error), err=True)


def warn(text: str) -> None:
    """Tell of something that is no error."""
    click.echo(f"Warning: {text}", err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, ResourceNotFound):
        return f"Error from server (NotFound): {error}"
    if isinstance(error, RequestError):
        return f"Error from model: {error}"
    if isinstance(error, InvalidResource) and len(error.problems) > 1:
        return "\n* ".join((f"error: {error.resource} is invalid:", *error.problems))
    if isinstance(error, click.UsageError) and error.ctx:
        usage = f"See '{error.ctx.command_path} --help' for usage."
        return f"error: {error.format_message()}\n{usage}"
    if isinstance(error, click.ClickException):
        return f"error: {error.format_message()}"
    if isinstance(error, OSError) and error.filename:
        return f"error: {error.filename}: {error.strerror}"
    return f"error: {error}"
