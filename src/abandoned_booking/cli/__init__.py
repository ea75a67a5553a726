"""The command line ``abandoned-booking``: what the doors do, for one file.

Every command ends with 0, or with 2 and one line that says what to do; ``check`` ends with 1 if it
found problems. With ``--json`` standard output is one JSON object and nothing else; whatever else
there is to say goes to standard error. Needs the extra ``[cli]``.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """The console script. Ends the process with 0 or 2."""
    try:
        from abandoned_booking.cli.app import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "abandoned_booking"}:
            raise
        sys.stderr.write(
            f"abandoned-booking: the command line needs {missing}; "
            "pip install 'abandoned-booking[cli]'\n"
        )
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))
