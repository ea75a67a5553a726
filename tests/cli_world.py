"""The command line called in this process: what a command leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs


@attrs.frozen
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object; nothing else may stand on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> str:
        """The one line on standard error of a command that failed."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.endswith("\n")
        [line] = self.err.splitlines()
        assert line.startswith("abandoned-booking: ")
        return line


Command = Callable[..., Answer]
"""runs a command line; arguments may be anything that ``str`` takes"""
