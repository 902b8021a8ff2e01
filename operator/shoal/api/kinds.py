"""The kinds and what people call them: `models`, `model`, `mdl`, `models.shoal.dev`."""

from typing import NamedTuple

from shoal.api.base import GROUP, VERSION
from shoal.api.fleet import Fleet
from shoal.api.model import Model


class Kind(NamedTuple):
    """A kind and its names."""

    type: type[Model] | type[Fleet]
    plural: str
    singular: str
    short: str
    namespaced: bool

    @property
    def full(self) -> str:
        """`model.shoal.dev`."""
        return f"{self.singular}.{GROUP}"

    def shown(self, name: str) -> str:
        """`model.shoal.dev/NAME`."""
        return f"{self.full}/{name}"

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that people call it."""
        full = f"{self.plural}.{VERSION}.{GROUP}"
        names = (self.plural, self.singular)
        return (*names, self.short, full, *(f"{name}.{GROUP}" for name in names))


MODELS = Kind(Model, "models", "model", "mdl", namespaced=True)
FLEETS = Kind(Fleet, "fleets", "fleet", "flt", namespaced=False)
KINDS = (MODELS, FLEETS)
