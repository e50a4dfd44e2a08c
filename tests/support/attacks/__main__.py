"""Do deeds: `python -m attacks PREFIX TARGETS.json` with the number of a row -> its target."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import ROWS, Place, Target


def main(prefix: str, targets: str) -> None:
    """Do the deed of each row that has a target."""
    for number, fields in json.loads(Path(targets).read_text("utf-8")).items():
        target = Target(**fields)
        Path(target.outside).mkdir(parents=True, exist_ok=True)
        deed = ROWS[int(number)].deed
        if deed is not None:
            deed(Place(prefix, target))


main(*sys.argv[1:])
