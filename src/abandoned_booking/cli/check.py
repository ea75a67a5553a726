"""``abandoned-booking check``: is an ``AbandonedBookings`` of the host's wired as it should be.

The object is imported as the host's own code would: with the current folder on the path. Whatever
that prints goes to standard error.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, Final

import attrs
import typer
from rich.table import Table
from rich.text import Text

from abandoned_booking.cli._options import Json, words
from abandoned_booking.cli._output import emit_json, one_line, show
from abandoned_booking.core.cleaning import clean_value
from abandoned_booking.errors import InvalidInput
from abandoned_booking.testing.checkup import Checkup, Finding, Level, check_up, left_behind
from abandoned_booking.wiring import AbandonedBookings

__all__ = ["ProblemsFound", "check"]

_FIELD: Final = "module:attribute"
_ANOTHER_ANSWERS_WITHIN: Final = timedelta(seconds=60)
_COLOURS: Final = {
    Level.OK: "green",
    Level.NOTE: "dim",
    Level.WARNING: "yellow",
    Level.PROBLEM: "red",
}


class ProblemsFound(Exception):
    """The check was made, and something is wrong: exit code 1."""


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:ATTRIBUTE",
            help="Where the AbandonedBookings is, as shop.wiring:bookings; or a function that "
            "takes nothing and makes it.",
        ),
    ],
    business: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Whose settings to look at; may be repeated, or hold several with commas "
            "between. Without it, all that the store names, if it can.",
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Also make a round trip through the store, under a business id of its own; one "
            "empty request and its settings stay there.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the AbandonedBookings that your code wires. Nothing is sent; without --write nothing
    is written.

    Ends with 0, with 1 if there are problems, with 2 if it cannot be loaded.
    """
    with redirect_stdout(sys.stderr), _importable_from_here():
        bookings = load(target)
        found = check_up(bookings, businesses=words(business), write=write)
        if found.wrote:
            elsewhere = _seen_by_another_process(target, bookings)
            found = attrs.evolve(found, findings=(*found.findings, elsewhere))
    if as_json:
        emit_json(_as_json(target, found))
    else:
        show(_table(found), _in_words(found))
    if found.count(Level.PROBLEM):
        raise ProblemsFound


# ── finding it ──────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _importable_from_here() -> Iterator[None]:
    """The current folder first on the path, as for ``python -m``."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def load(target: str) -> AbandonedBookings:
    """The object of ``module:attribute``, or what the function there makes.

    Raises :class:`InvalidInput` with what is wrong, in one line.
    """
    module, colon, attribute = target.partition(":")
    if not (module and colon and attribute):
        raise InvalidInput("must be like shop.wiring:bookings", field=_FIELD)
    found: Any = _imported(module)
    for name in attribute.split("."):
        found = _attribute(found, name, module)
    if not isinstance(found, AbandonedBookings) and callable(found):
        found = _made(found, target)
    if isinstance(found, AbandonedBookings):
        return found
    raise InvalidInput(f"{target} is a {type(found).__name__}, not an AbandonedBookings")


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise InvalidInput(
                f"there is no module {error.name}; looked in this folder and on Python's path"
            ) from None
        raise InvalidInput(f"importing {module} raised {_in_a_line(error)}") from error
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"importing {module} raised {_in_a_line(error)}") from error


def _attribute(found: Any, name: str, module: str) -> Any:
    try:
        return getattr(found, name)
    except AttributeError:
        close = get_close_matches(name, dir(found), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InvalidInput(f"{module} has no {name}{hint}") from None


def _made(make: Callable[[], Any], target: str) -> Any:
    try:
        return make()
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"calling {target} raised {_in_a_line(error)}") from error


def _in_a_line(error: BaseException) -> str:
    """The host's own error, in its own words."""
    return one_line(f"{type(error).__name__}: {error}".rstrip(": "))


# ── what another process sees ───────────────────────────────────────────────────────────────────

_ASK: Final = "import sys; from abandoned_booking.cli.check import tell; tell(sys.argv[1])"


def _seen_by_another_process(target: str, bookings: AbandonedBookings) -> Finding:
    """Whether what the round trip has written is there for a process that loads the same."""
    written = left_behind(bookings._parts.store)
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANOTHER_ANSWERS_WITHIN.total_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("store", Level.PROBLEM, "another process that asked it got no answer")
    last = (asked.stdout.splitlines() or [""])[-1]
    if asked.returncode:
        return Finding("store", Level.PROBLEM, f"another process cannot ask it: {last}")
    if written is None or last != str(written.version):
        text = "another process does not see what this one wrote: each would text on its own"
        return Finding("store", Level.PROBLEM, text)
    return Finding("store", Level.OK, "another process sees what this one wrote")


def tell(target: str) -> None:
    """In the other process: print the version that it sees of what a round trip left, and end."""
    failed = False
    try:
        with redirect_stdout(sys.stderr), _importable_from_here():
            seen = left_behind(load(target)._parts.store)
        line = str(seen.version) if seen else "nothing"
    except InvalidInput as error:
        failed, line = True, str(error)
    except Exception as error:
        failed, line = True, _in_a_line(error)
    sys.stdout.write(f"{line}\n")
    sys.exit(failed)


# ── saying it ───────────────────────────────────────────────────────────────────────────────────


def _as_json(target: str, found: Checkup) -> dict[str, Any]:
    return {
        "checked": target,
        "problems": found.count(Level.PROBLEM),
        "warnings": found.count(Level.WARNING),
        "wrote": found.wrote,
        "parts": dict(found.parts),
        "capabilities": dict(found.capabilities),
        "findings": [attrs.asdict(finding) for finding in found.findings],
    }


def _table(found: Checkup) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(max_width=24, overflow="fold")
    table.add_column(overflow="fold")
    severity = [*Level].index
    # The worst at the end, where the eye is.
    for finding in sorted(found.findings, key=lambda finding: severity(finding.level)):
        level = Text(finding.level.value, style=_COLOURS[finding.level])
        table.add_row(level, *(Text(clean_value(t)) for t in (finding.about, finding.text)))
    return table


def _in_words(found: Checkup) -> str:
    counts = {level: found.count(level) for level in (Level.PROBLEM, Level.WARNING)}
    told = ", ".join(
        f"{number} {level.value}{'s' if number > 1 else ''}"
        for level, number in counts.items()
        if number
    )
    return told or "no problems"
