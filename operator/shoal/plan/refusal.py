"""What a check says that objects."""

from dataclasses import dataclass

from shoal.api import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: the reason, and a sentence that says what to do."""

    reason: Reason
    message: str
