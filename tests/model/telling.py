"""A trace of the model, told so that a reader can follow it: every worker keeps its number."""

from __future__ import annotations

from collections.abc import Iterable

from model.protocol import raw_steps
from model.world import NOBODY, Act, Scope, World


def with_names(scope: Scope, trace: Iterable[tuple[Act, World]]) -> list[tuple[Act, World]]:
    """The trace with its workers told apart.

    The model sorts its workers, so that two worlds are one that differ by their numbers only. Here
    each gets back the number that it had, and every world the workers in that order.
    """
    before, names = scope.start(), list(range(scope.workers))
    named = []
    for act, after in trace:
        raw = next(world for found, world, _ in raw_steps(scope, before) if found == act)
        told = raw
        if raw.workers is not before.workers:
            places = sorted(range(scope.workers), key=lambda place: raw.workers[place])
            act = act._replace(who=names[act.who])
            names = [names[place] for place in places]
        by_name = sorted(range(scope.workers), key=lambda place: names[place])
        told = after._replace(workers=tuple(after.workers[place] for place in by_name))
        named.append((act, told))
        before = after
    return named


def told(scope: Scope, trace: Iterable[tuple[Act, World]]) -> str:
    """The trace as numbered lines."""
    lines = [
        f"{number:3}. {sentence(act)}"
        for number, (act, _) in enumerate(with_names(scope, trace), 1)
    ]
    return "\n".join(lines)


def sentence(act: Act) -> str:
    """One act in words."""
    request = "" if act.request == NOBODY else f" ({'AB'[act.request]})"
    how = f": {act.how}" if act.how else ""
    return f"{'' if act.who == NOBODY else f'worker {act.who + 1} '}{act.verb}{request}{how}"
