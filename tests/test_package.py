"""What is installed: light to import, typed, complete, and the core imports only what it may."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

import abandoned_booking

ROOT: Final = Path(__file__).resolve().parent.parent
CORE: Final = sorted((ROOT / "src" / "abandoned_booking" / "core").glob("**/*.py"))

PUBLIC_FACE: Final = frozenset(
    {
        "AbandonedBookings",
        "Address",
        "AfterDelay",
        "AtClockTime",
        "Booked",
        "BookingForm",
        "BusinessSettings",
        "CareType",
        "Channel",
        "ClientType",
        "CompliancePolicy",
        "Days",
        "ListQuery",
        "Person",
        "Pet",
        "Progress",
        "RecoveryCampaign",
        "Status",
        "Step",
    }
)

NOT_LOADED: Final = (
    "dateutil",
    "hypothesis",
    "matplotlib",
    "openpyxl",
    "phonenumbers",
    "pytest",
    "rich",
    "sqlite3",
    "typer",
)

# The core may import these and attrs, dateutil and phonenumbers: nothing that does I/O, reads a
# clock or draws a random number. A new one is added here on purpose.
PURE: Final = frozenset(
    {
        "__future__", "abandoned_booking", "array", "attrs", "base64", "binascii", "bisect",
        "calendar", "collections", "contextlib", "datetime", "dateutil", "decimal", "enum",
        "fractions", "functools", "hashlib", "heapq", "hmac", "html", "itertools", "json", "math",
        "operator", "phonenumbers", "re", "statistics", "string", "struct", "types", "typing",
        "unicodedata", "zoneinfo",
    }
)  # fmt: skip


def in_a_fresh_interpreter(program: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return ran.stdout.strip()


def test_the_import_loads_nothing_that_is_only_needed_later() -> None:
    loaded = in_a_fresh_interpreter("import abandoned_booking, sys; print(*sys.modules)").split()
    assert "abandoned_booking" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(NOT_LOADED)


def test_the_front_door_opens_without_the_extras_nor_a_database() -> None:
    program = "from abandoned_booking import AbandonedBookings; import sys; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in in_a_fresh_interpreter(program).split()}
    assert not loaded & {"openpyxl", "sqlite3", "rich", "typer", "pytest", "hypothesis"}


def test_the_public_names_are_listed_and_there() -> None:
    assert set(abandoned_booking.__all__) >= PUBLIC_FACE
    for name in abandoned_booking.__all__:
        assert getattr(abandoned_booking, name) is not None
    assert set(abandoned_booking.__all__) <= set(dir(abandoned_booking))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    name = "AbandonedBooking"
    with pytest.raises(AttributeError, match=f"'{name}'"):
        getattr(abandoned_booking, name)


def test_the_version_is_that_of_the_installed_package() -> None:
    assert abandoned_booking.__version__ == metadata.version("abandoned-booking")


@pytest.mark.parametrize("module", CORE, ids=lambda path: path.stem)
def test_the_core_imports_only_what_is_pure(module: Path) -> None:
    assert set(imported(module)) <= PURE


def imported(module: Path) -> Iterator[str]:
    """The top-level packages that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0] or "abandoned_booking"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel as it would be published."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        yield wheel


def test_the_wheel_holds_the_typed_package_its_licence_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    files = wheel.namelist()
    assert "abandoned_booking/py.typed" in files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files)
    assert {name.partition("/")[0].partition("-")[0] for name in files} == {"abandoned_booking"}


def test_the_wheel_asks_for_four_packages_with_floors_and_no_caps(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    headers = HeaderParser().parsestr(wheel.read(name).decode())
    asked = [Requirement(line) for line in headers.get_all("Requires-Dist", [])]
    hard = {each.name: each.specifier for each in asked if each.marker is None}
    assert set(hard) == {"attrs", "openpyxl", "phonenumbers", "python-dateutil"}
    assert {spec.operator for specifiers in hard.values() for spec in specifiers} == {">="}
