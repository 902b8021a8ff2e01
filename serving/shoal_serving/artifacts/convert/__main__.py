"""`python -m shoal_serving.artifacts.convert FOLDER TASK OUT [PRECISION] [--lora PROJECTION,...]
[--int8-cache] [--device DEVICE]`

PRECISION is fp32, fp16, int8 or int4, the PROJECTIONs, such as q_proj, are those that adapters may
change, --int8-cache keeps keys and values as int8, and DEVICE is cpu or cuda; all are for
text-generation. Exits with 0, or with 1 and, for a `LoadError`, one line of JSON on standard
output: `{"reason", "message", "action"}`.
"""

import argparse
import json
import sys
from pathlib import Path

from shoal.errors import LoadError
from shoal_serving.artifacts.convert import Device, Precision, convert


def main() -> int:
    asked = _parser().parse_args()
    try:
        convert(
            asked.folder,
            asked.task,
            asked.out,
            asked.precision,
            asked.lora,
            asked.int8_cache,
            asked.device,
        )
    except LoadError as error:
        failure = {"reason": error.reason, "message": error.message, "action": error.action}
        sys.stdout.write(json.dumps(failure) + "\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m shoal_serving.artifacts.convert")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("precision", metavar="PRECISION", type=Precision, nargs="?")
    parser.add_argument("--lora", metavar="PROJECTION,...", type=_names, default=())
    parser.add_argument("--int8-cache", action="store_true")
    parser.add_argument("--device", metavar="DEVICE", type=Device, default=Device.CPU)
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    sys.exit(main())
