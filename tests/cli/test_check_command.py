"""``abandoned-booking check``: loading what the host wires, exit codes, words and JSON."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest
from cli_world import Command

from abandoned_booking.testing.checkup import RESERVED_BUSINESS

PROGRAM: Final = Path(sys.executable).parent / "abandoned-booking"

SHOP: Final = """
    from pathlib import Path

    from abandoned_booking import AbandonedBookings, BusinessSettings
    from abandoned_booking.stores.memory import MemoryStore
    from abandoned_booking.stores.sqlite import SqliteStore

    print("the shop opens")
    store = SqliteStore(Path(__file__).with_name("shop.db"))
    bookings = AbandonedBookings(store, secret=bytes(range(32)))
    bookings.settings.put(BusinessSettings(business_id="paws", name="Paws & Co"))
    forgetful = AbandonedBookings(MemoryStore())
    number = 7

    class nested:
        bookings = bookings

    def make():
        return bookings

    def make_for(business):
        return bookings

    def make_badly():
        raise RuntimeError("no database\\n  in sight")

    def make_nothing():
        return None
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host's folder, with a module ``shop`` that wires; it is the current one."""
    (tmp_path / "shop.py").write_text(dedent(SHOP))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    module = sys.modules.pop("shop", None)
    if module is not None and hasattr(module, "store"):
        module.store.close()


# ── what it says ────────────────────────────────────────────────────────────────────────────────


def test_a_wiring_without_problems_ends_with_0(command: Command, shop: Path) -> None:
    answer = command("check", "shop:bookings")
    assert answer.code == 0
    assert "SqliteStore, callable as a RequestStore" in answer.out
    assert "business paws" in answer.out
    assert answer.out.endswith("no problems\n")
    assert answer.err == "the shop opens\n", "what the host prints is not the command's answer"


def test_problems_end_with_1_and_stand_last(
    command: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    answer = command("check", "shop:forgetful", "--business", "claws,paws")
    assert answer.code == 1
    *lines, claws, paws, count = answer.out.splitlines()
    assert claws.startswith("problem  business claws  has no settings")
    assert paws.startswith("problem  business paws   has no settings")
    assert count == "2 problems, 2 warnings"
    levels = [line.partition(" ")[0] for line in lines if line[0] != " "]
    assert levels == sorted(levels, key=["ok", "note", "warning"].index)


def test_json_is_one_object(command: Command, shop: Path) -> None:
    answer = command("check", "shop:bookings", "--json")
    assert answer.code == 0
    found = answer.json
    assert {key: found[key] for key in ("checked", "problems", "warnings", "wrote")} == {
        "checked": "shop:bookings",
        "problems": 0,
        "warnings": 0,
        "wrote": False,
    }
    assert found["parts"]["store"] == "SqliteStore"
    assert found["parts"]["sms"] is None
    assert found["capabilities"]["SupportsExpiry"] is True
    assert found["findings"][0]["about"] == "versions"
    assert all({*finding} == {"about", "level", "text"} for finding in found["findings"])


@pytest.mark.parametrize("target", ["shop:make", "shop:nested.bookings"])
def test_a_function_that_makes_it_and_a_dotted_name_will_do(
    command: Command, shop: Path, target: str
) -> None:
    assert command("check", target).code == 0


def test_it_is_found_by_the_installed_program_and_leaves_the_file_alone(shop: Path) -> None:
    subprocess.run([sys.executable, "-c", "import shop; shop.store.close()"], check=True)
    before = (shop / "shop.db").read_bytes()
    ran = subprocess.run(
        [PROGRAM, "check", "shop:bookings"], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "the shop opens\n")
    # The shop itself puts its settings whenever it is imported.
    assert len((shop / "shop.db").read_bytes()) == len(before)


def test_the_path_is_put_back(command: Command, shop: Path) -> None:
    before = [*sys.path]
    command("check", "shop:bookings")
    assert sys.path == before


# ── --write ─────────────────────────────────────────────────────────────────────────────────────


def test_with_write_another_process_is_asked_what_it_sees(command: Command, shop: Path) -> None:
    answer = command("check", "shop:bookings", "--write")
    assert answer.code == 0
    assert "another process sees what this one wrote" in answer.out
    assert RESERVED_BUSINESS in answer.out


def test_with_write_a_store_that_no_other_process_sees_is_a_problem(
    command: Command, shop: Path
) -> None:
    answer = command("check", "shop:forgetful", "--write", "--json")
    assert answer.code == 1
    assert answer.json["wrote"] is True
    [problem] = [f["text"] for f in answer.json["findings"] if f["level"] == "problem"]
    assert problem.startswith("another process does not see what this one wrote")


def test_another_process_that_fails_is_told_in_its_words(command: Command, shop: Path) -> None:
    source = (shop / "shop.py").read_text()
    once = (
        "import os\nif os.path.exists('held'): raise OSError('held by another')\nos.mkdir('held')"
    )
    (shop / "shop.py").write_text(f"{once}\n{source}")
    answer = command("check", "shop:bookings", "--write", "--json")
    assert answer.code == 1
    [problem] = [f["text"] for f in answer.json["findings"] if f["level"] == "problem"]
    assert problem == (
        "another process cannot ask it: importing shop raised OSError: held by another"
    )


def test_another_process_that_hangs_is_not_waited_for(
    command: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr("abandoned_booking.cli.check.subprocess.run", hangs)
    answer = command("check", "shop:bookings", "--write", "--json")
    assert answer.code == 1
    assert answer.json["findings"][-1]["text"] == "another process that asked it got no answer"


# ── what cannot be loaded is a 2 and one line ───────────────────────────────────────────────────

WRONG: Final = {
    "no colon": ("shop", "module:attribute: must be like shop.wiring:bookings"),
    "no attribute": ("shop:", "must be like shop.wiring:bookings"),
    "no module": (":bookings", "must be like shop.wiring:bookings"),
    "a module that is not there": ("shopp:bookings", "there is no module shopp; looked in this"),
    "no such submodule": ("shop.wiring:bookings", "there is no module shop.wiring"),
    "a package that is not there": ("no.wiring:bookings", "there is no module no; looked in"),
    "an attribute that is not there": (
        "shop:bokings",
        "shop has no bokings; did you mean bookings?",
    ),
    "another attribute that is not there": ("shop:zzz", "shop has no zzz"),
    "something else": ("shop:number", "shop:number is a int, not an AbandonedBookings"),
    "a store": ("shop:store", "shop:store is a SqliteStore, not an AbandonedBookings"),
    "a function that makes nothing": ("shop:make_nothing", "is a NoneType, not an Abandoned"),
    "a function that raises": (
        "shop:make_badly",
        "calling shop:make_badly raised RuntimeError: no database in sight",
    ),
    "a function that wants something": (
        "shop:make_for",
        "calling shop:make_for raised TypeError: make_for() missing 1 required positional",
    ),
}


@pytest.mark.parametrize(("target", "text"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_loaded_is_one_line(
    command: Command, shop: Path, target: str, text: str
) -> None:
    answer = command("check", target)
    assert (answer.code, answer.out) == (2, "")
    *_, line = answer.err.splitlines()
    assert line.startswith("abandoned-booking: ")
    assert text in line


BROKEN: Final = {
    "a missing module": ("import redis_of_the_shop", "ModuleNotFoundError: No module named 'redis"),
    "a mistake": ("bookings = 1 / 0", "ZeroDivisionError: division by zero"),
    "no Python": ("bookings = ", "SyntaxError: invalid syntax"),
    "an end": ("raise SystemExit('closed on Mondays')", "SystemExit: closed on Mondays"),
    "nothing said": ("raise KeyError", "raised KeyError"),
    "a wiring that is refused": (
        "from abandoned_booking import AbandonedBookings; AbandonedBookings(object())",
        "MissingPart: AbandonedBookings cannot work with what it was given: store (object) lacks",
    ),
}


@pytest.mark.parametrize(("source", "text"), BROKEN.values(), ids=BROKEN)
def test_an_import_that_raises_is_told_in_the_hosts_own_words(
    command: Command, shop: Path, source: str, text: str
) -> None:
    (shop / "shop.py").write_text(source)
    error = command("check", "shop:bookings").error
    assert "importing shop raised " in error
    assert text in error
