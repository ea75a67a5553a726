"""What every benchmark shares: rounds taken in turns, medians, ratios, and results as JSON lines.

A script makes one :class:`Bench`, takes samples with :meth:`Bench.in_turns`, and says with
:meth:`Bench.judge` what an aim of ours has come to. All of it is printed; under ``make bench`` it
is also written as JSON lines to the file that ``BENCH_RESULTS`` names, from which the page is made.

``BENCH`` in the environment says how much is measured: ``full`` (unless told otherwise), ``quick``
(no million), or ``tiny``, which only shows that a script still runs. ``BENCH_PEERS=0`` leaves all
peers out.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs

__all__ = [
    "HOW_MUCH",
    "MANY",
    "ROUNDS",
    "SIZES",
    "Bench",
    "Figure",
    "Medians",
    "Take",
    "Verdict",
    "is_tiny",
    "milliseconds",
    "peak_megabytes",
    "peers_wanted",
    "pick",
    "program",
    "seconds",
    "shown",
]

Take: TypeAlias = Callable[[], float]
"""takes one sample and answers with it, in the unit that is told beside it"""
Name: TypeAlias = "str | tuple[str, int]"
"""of a candidate; with a number of rows, where they are not the same for all"""
Medians: TypeAlias = Mapping[Any, float]
Role: TypeAlias = Literal["ours", "raw", "peer"]

HOW_MUCH: Final = os.environ.get("BENCH", "full")
SIZES: Final[tuple[int, ...]] = {
    "tiny": (100, 200),
    "quick": (10_000, 100_000),
    "full": (10_000, 100_000, 1_000_000),
}[HOW_MUCH]
ROUNDS: Final = 1 if HOW_MUCH == "tiny" else 5
_LONGEST_SECONDS: Final = 90 if HOW_MUCH == "quick" else 300
MANY: Final = 1 if HOW_MUCH == "tiny" else 15
"""rounds, where one takes next to no time and a busy moment would show"""
_AIM_KINDS: Final = ("at most", "at least")


def is_tiny() -> bool:
    """Whether this run only shows that the script still runs."""
    return HOW_MUCH == "tiny"


def pick(*, full: int, quick: int, tiny: int) -> int:
    """A number of rows, rounds or jobs that suits how much is measured."""
    return {"full": full, "quick": quick, "tiny": tiny}[HOW_MUCH]


def peers_wanted() -> bool:
    return os.environ.get("BENCH_PEERS", "1") != "0"


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def milliseconds(call: Callable[[], object], *, at_most: int = 50) -> Take:
    """The mean time of one call, of as many as fit into a tenth of a second."""
    most = 1 if is_tiny() else at_most

    def take() -> float:
        spent, calls = 0.0, 0
        while calls < most and spent < 0.1:
            spent += seconds(call)
            calls += 1
        return spent / calls * 1000

    return take


def program(module: str, *arguments: str) -> list[str]:
    """The command that runs a benchmark of this folder, or a part of one, in a new interpreter."""
    return [sys.executable, "-m", f"benchmarks.{module}", *arguments]


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    resource = importlib.import_module("resource")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024**2


def shown(value: float) -> str:
    """A figure with three digits that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@attrs.frozen(kw_only=True)
class Figure:
    """The median of the rounds of one candidate."""

    subject: str
    what: str
    where: str
    """the store, or empty"""
    rows: int | None
    who: str
    role: Role
    value: float
    unit: str
    low: float
    high: float
    rounds: int


@attrs.frozen(kw_only=True)
class Verdict:
    """One aim and what has come of it."""

    subject: str
    what: str
    where: str
    rows: int | None
    ours: str
    raw: str
    peer: str
    ratio: str
    aim: str
    reached: bool | None
    """``None``: not a question of this machine, or its peer is missing"""


class Bench:
    """One subject: takes samples in turns, prints them, and writes them down."""

    def __init__(self, subject: str) -> None:
        self.subject: Final = subject
        self.absent: Final[list[str]] = []

    def is_there(self, module: str) -> bool:
        """Whether a peer can be imported and is wanted; one that is not is noted."""
        found = peers_wanted() and importlib.util.find_spec(module) is not None
        if not found:
            self.leave_out(module)
        return found

    def peer(self, module: str) -> Any:
        """A peer's module; ``None`` if it is not there, which is noted."""
        return importlib.import_module(module) if self.is_there(module) else None

    def leave_out(self, name: str) -> None:
        """Note a peer, or a store, that is not measured."""
        self.absent.append(name)
        print(f"{name}: left out")
        self._write("absent", {"subject": self.subject, "name": name})

    def in_turns(
        self,
        what: str,
        takes: Mapping[Any, Take],
        *,
        unit: str,
        where: str = "",
        rows: int | None = None,
        raw: Iterable[str] = (),
        peers: Iterable[str] = (),
        rounds: int | None = None,
    ) -> Medians:
        """The median of each candidate, sampled A/B/A/B so that a busy moment hits them all.

        ``raw`` and ``peers`` name those that are not ours. One that raises is left out and noted;
        it stops no other, but where the run is only to show that the script still runs.
        """
        samples: dict[Name, list[float]] = {name: [] for name in takes}
        began = time.monotonic()
        for nth in range(rounds or ROUNDS):
            if nth and time.monotonic() - began > _LONGEST_SECONDS:
                print(f"{what}: took too long, {nth} rounds only")
                break
            for name in list(samples):
                try:
                    samples[name].append(takes[name]())
                except Exception as error:  # its own trouble: the others go on
                    del samples[name]
                    who = name if isinstance(name, str) else name[0]
                    self.leave_out(f"{who} ({what}): {type(error).__name__}: {error}"[:300])
                    if is_tiny():
                        raise
        roles: dict[str, Role] = {**dict.fromkeys(raw, "raw"), **dict.fromkeys(peers, "peer")}
        print(f"\n{what}{f' ({where})' if where else ''}")
        for name, taken in samples.items():
            who, count = name if isinstance(name, tuple) else (name, rows)
            figure = Figure(
                subject=self.subject,
                what=what,
                where=where,
                rows=count,
                who=who,
                role=roles.get(who, "ours"),
                value=statistics.median(taken),
                unit=unit,
                low=min(taken),
                high=max(taken),
                rounds=len(taken),
            )
            self._show(figure)
            self._write("figure", attrs.asdict(figure))
        return {name: statistics.median(taken) for name, taken in samples.items()}

    @staticmethod
    def _show(figure: Figure) -> None:
        rows = "" if figure.rows is None else f"{figure.rows:,}"
        between = f"{shown(figure.low)} to {shown(figure.high)}"
        value = f"{shown(figure.value):>10} {figure.unit:8}"
        print(f"  {figure.who:46}{rows:>10}{value} {between}")

    def judge(
        self,
        what: str,
        *,
        ours: str,
        ratio: float | None,
        aim: str,
        raw: str = "",
        peer: str = "",
        where: str = "",
        rows: int | None = None,
        of: str = "×",
    ) -> None:
        """Say what an aim has come to: ``aim`` begins with *at most* or *at least* and a number.

        ``ratio`` is what the aim speaks of, in the unit ``of``; ``None`` if its peer is missing.
        """
        reached = None if ratio is None or is_tiny() else _holds(aim, ratio)
        told = "" if ratio is None else f"{shown(ratio)} {of}"
        verdict = Verdict(
            subject=self.subject,
            what=what,
            where=where,
            rows=rows,
            ours=ours,
            raw=raw,
            peer=peer,
            ratio=told,
            aim=aim,
            reached=reached,
        )
        word = {True: "reached", False: "NOT reached", None: "not judged"}[reached]
        print(f"  -> {what}: {told or '-'} (aim: {aim}): {word}")
        self._write("verdict", attrs.asdict(verdict))

    def _write(self, kind: str, record: Mapping[str, Any]) -> None:
        path = os.environ.get("BENCH_RESULTS")
        if path and not is_tiny():
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, **record}) + "\n")


def _holds(aim: str, ratio: float) -> bool:
    kind = next(kind for kind in _AIM_KINDS if aim.startswith(kind))
    bound = float(aim.removeprefix(kind).split()[0].replace(",", ""))
    return ratio <= bound if kind == "at most" else ratio >= bound
