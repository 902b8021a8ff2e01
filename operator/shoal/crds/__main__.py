"""`python -m shoal.crds FOLDER...`: write the CustomResourceDefinitions into folders."""

import sys
from pathlib import Path
from typing import Any

import yaml

from shoal.crds import definitions

_NOTICE = "# Made from shoal.api by `make crds`; change that, not this.\n"


def files() -> dict[str, str]:
    """What each file says, by its name."""
    return {_name(one): _NOTICE + _text(one) for one in definitions()}


def write(folder: Path) -> None:
    """Write every file into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)


def _name(definition: dict[str, Any]) -> str:
    spec = definition["spec"]
    return f"{spec['group']}_{spec['names']['plural']}.yaml"


def _text(definition: dict[str, Any]) -> str:
    return yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _: Any) -> bool:
        return True


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write(Path(argument))
