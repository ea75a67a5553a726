"""Prints our dependencies exactly at the oldest versions that we promise to work with."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path(__file__).parent.with_name("pyproject.toml").read_text())["project"]
needed = list(PROJECT["dependencies"])
# Those of the databases have no wheels for a Python that came after them.
if sys.version_info < (3, 13):
    extras = PROJECT["optional-dependencies"]
    ours = PROJECT["name"]
    needed += [d for d in (*extras["sql"], *extras["mysql"]) if not d.startswith(ours)]
print(*(d.replace(">=", "==") for d in needed))
