"""Walks through every state that a model can reach, breadth first: the first trace is the shortest.

Knows nothing of messages: a model gives its steps, and what must hold between two states. What is
said of *every* state is said here; what is said of *some way on* (:func:`stuck`) too.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

import attrs

State = TypeVar("State", bound=Hashable)
Act = TypeVar("Act")

Steps = Callable[[State], Iterable[tuple[Act, State, bool]]]
"""what may happen in a state, the state after it, and whether it happens by itself in time"""


@attrs.frozen(kw_only=True)
class Explored(Generic[State, Act]):
    """What was found on the way."""

    states: int
    steps: int
    depth: int
    """how many steps the farthest state is away"""
    broken: str | None
    """what does not hold, if something does not"""
    trace: tuple[tuple[Act, State], ...] = ()
    """the shortest way there"""
    seen: tuple[State, ...] = attrs.field(default=(), repr=False)
    edges: tuple[array[int], array[int]] = attrs.field(
        factory=lambda: (array("I"), array("I")), repr=False
    )
    """of every step that happens by itself: from which state, to which"""


class TooManyStates(Exception):
    """The bounds do not bound."""


def explore(
    start: State,
    steps: Steps[State, Act],
    broken: Callable[[State, State], str | None],
    *,
    most: int,
) -> Explored[State, Act]:
    """Every state that can be reached from ``start``, or the first that breaks something.

    ``broken(before, after)`` names what a step has broken. Raises :class:`TooManyStates` beyond
    ``most`` states: a walk that was cut short has shown nothing.
    """
    number: dict[State, int] = {start: 0}
    came_by: list[tuple[int, Act | None]] = [(0, None)]
    depths = [0]
    states = [start]
    starts, ends = array("I"), array("I")
    taken = 0
    waiting = deque([0])
    while waiting:
        at = waiting.popleft()
        before = states[at]
        for act, after, by_itself in steps(before):
            taken += 1
            found = number.get(after)
            if found is None:
                found = number[after] = len(states)
                states.append(after)
                came_by.append((at, act))
                depths.append(depths[at] + 1)
                waiting.append(found)
            if by_itself:
                starts.append(at)
                ends.append(found)
            wrong = broken(before, after)
            if wrong is not None:
                trace = (*_trace(states, came_by, at), (act, after))
                return Explored(
                    states=len(states),
                    steps=taken,
                    depth=depths[at] + 1,
                    broken=wrong,
                    trace=trace,
                )
        if len(states) > most:
            raise TooManyStates(f"more than {most:,} states")
    return Explored(
        states=len(states),
        steps=taken,
        depth=depths[-1],
        broken=None,
        seen=tuple(states),
        edges=(starts, ends),
    )


def _trace(
    states: list[State], came_by: list[tuple[int, Act | None]], at: int
) -> Iterator[tuple[Act, State]]:
    back = []
    while True:
        before, act = came_by[at]
        if act is None:
            break
        back.append((act, states[at]))
        at = before
    yield from reversed(back)


def stuck(explored: Explored[State, Act], settled: Callable[[State], bool]) -> list[State]:
    """The states from which no settled one can be reached by what happens by itself.

    Walks backwards from the settled ones, along the steps that need nobody's help.
    """
    starts, ends = explored.edges
    into: list[list[int]] = [[] for _ in explored.seen]
    for start, end in zip(starts, ends, strict=True):
        into[end].append(start)
    good = [settled(state) for state in explored.seen]
    waiting = [number for number, is_good in enumerate(good) if is_good]
    while waiting:
        for before in into[waiting.pop()]:
            if not good[before]:
                good[before] = True
                waiting.append(before)
    return [state for state, is_good in zip(explored.seen, good, strict=True) if not is_good]
