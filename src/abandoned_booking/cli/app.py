"""The commands in one application, and the one place where errors become a line and a 2."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Final

import typer

import abandoned_booking
from abandoned_booking.cli._output import emit_json, one_line, say
from abandoned_booking.cli.check import ProblemsFound, check
from abandoned_booking.cli.database import database
from abandoned_booking.cli.demo import demo
from abandoned_booking.cli.explain import explain
from abandoned_booking.cli.export import export
from abandoned_booking.cli.forecast import forecast
from abandoned_booking.cli.listing import list_requests
from abandoned_booking.cli.optouts import optouts
from abandoned_booking.cli.privacy import forget, purge
from abandoned_booking.cli.replay import replay
from abandoned_booking.cli.report import report
from abandoned_booking.cli.settings import settings
from abandoned_booking.cli.sweep import sweep
from abandoned_booking.errors import AbandonedBookingError

__all__ = ["app", "run"]

PROGRAM: Final = "abandoned-booking"
_PROBLEMS: Final = 1
_FAILED: Final = 2
_STDOUT: Final = 1

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Remember online bookings that were left, list them, and win them back with one text.",
)
app.command("demo")(demo)
app.command("replay")(replay)
app.command("list")(list_requests)
app.command("explain")(explain)
app.command("forecast")(forecast)
app.command("sweep")(sweep)
app.command("export")(export)
app.command("report")(report)
app.add_typer(settings, name="settings")
app.add_typer(optouts, name="optouts")
app.command("forget")(forget)
app.command("purge")(purge)
app.command("check")(check)
app.add_typer(database, name="db")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    if context.invoked_subcommand is not None:
        if as_json or version:
            raise typer.BadParameter("options of a command stand behind it")
    elif version and as_json:
        emit_json({"version": abandoned_booking.__version__})
    elif version:
        sys.stdout.write(f"{PROGRAM} {abandoned_booking.__version__}\n")
    else:
        sys.stdout.write(context.get_help() + "\n")


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns 0, or 2 with what went wrong as one line on standard error;
    1 if it was ``check``, and it found problems.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not end the command.
            stream.reconfigure(errors="replace")
    try:
        result = typer.main.get_command(app).main(
            args=list(arguments), prog_name=PROGRAM, standalone_mode=False
        )
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # `abandoned-booking list | head`: nobody reads on, and that is fine. Typer ends the
        # process for it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except ProblemsFound:
        return _PROBLEMS
    except Exception as error:
        return _failed(_advice(error))
    # Commands return nothing; newer versions of typer answer an interruption with a number.
    return _interrupted() if result else 0


def _interrupted() -> int:
    return _failed("interrupted; run the same command again")


def _failed(line: str) -> int:
    say(f"{PROGRAM}: {one_line(line)}")
    return _FAILED


def _advice(error: Exception) -> str:
    """What went wrong and what to do, without a value of anybody."""
    if isinstance(error, AbandonedBookingError):
        return str(error)
    # What typer and click raise for a wrong option; typer brings its own copy of click's classes.
    format_message = getattr(error, "format_message", None)
    if callable(format_message):
        context = getattr(error, "ctx", None)
        command = getattr(context, "command_path", None) or PROGRAM
        return f"{str(format_message()).rstrip('.')}; see {command} --help"
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or type(error).__name__}"
    # A defect: where, but not str(error), which may hold what people typed.
    frame = extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"unexpected {type(error).__name__} at {where}; please report it with this line"
