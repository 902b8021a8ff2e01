"""`python -m shoal_serving.artifacts.convert FOLDER TASK OUT [PRECISION]`

PRECISION is fp32, fp16, int8 or int4, for text-generation. Exits with 0, or with 1 and, for a
`LoadError`, one line of JSON on standard output: `{"reason", "message", "action"}`.
"""

import json
import sys
from pathlib import Path

from shoal.errors import LoadError
from shoal_serving.artifacts.convert import Precision, convert


def main() -> int:
    if len(sys.argv) not in (4, 5) or not set(sys.argv[4:]) <= set(Precision):
        sys.stderr.write(__doc__ or "")
        return 2
    folder, task, out, *precision = sys.argv[1:]
    try:
        convert(Path(folder), task, Path(out), *map(Precision, precision))
    except LoadError as error:
        failure = {"reason": error.reason, "message": error.message, "action": error.action}
        sys.stdout.write(json.dumps(failure) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
