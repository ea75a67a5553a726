"""What the figures were taken on: no names, no paths."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

from benchmarks._databases import plain

__all__ = ["load", "machine"]


def load() -> str:
    """How many others were at work: what was measured on a busy machine tells little."""
    return f"{os.getloadavg()[2]:.1f} when it began"


def machine(postgres: str | None) -> dict[str, str]:
    """Processor, memory, and the versions of what was measured with."""
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{_memory_gigabytes():.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": "not there" if postgres is None else _postgres_version(postgres),
    }


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory_gigabytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _postgres_version(url: str) -> str:
    import psycopg

    with psycopg.connect(plain(url)) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return f"{str(row[0]).split()[0]}, its defaults, fsync on"
