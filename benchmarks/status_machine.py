"""What a change of status costs: the check of the table, and the whole step, beside two libraries.

Raw is a dict of dicts with plain string keys. Ours is :data:`TRANSITIONS`, whose keys are the
statuses and the events' types, and :func:`advance`, which gives a new request with the recovery and
a line of history in it; the libraries move one field of an object.

Run: ``python -m benchmarks.status_machine``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from abandoned_booking.core.lifecycle import TRANSITIONS, StaffScheduled, advance
from abandoned_booking.core.model import Status
from abandoned_booking.errors import TransitionRefused
from abandoned_booking.testing import a_request
from benchmarks._harness import MANY, Bench, Take, pick, seconds

TIMES: Final = pick(full=20_000, quick=20_000, tiny=20)
REQUEST: Final = a_request()
EVENT: Final = StaffScheduled(at=REQUEST.abandoned_at, appointment_id="a7")
PLAIN: Final = {
    status.value: {event.__name__: after for event, after in steps.items()}
    for status, steps in TRANSITIONS.items()
}
STATES: Final = [str(status.value) for status in Status]
# What the table allows, as the libraries spell it: where it names two statuses, the first.
STEPS: Final = [
    (event.__name__.lower(), status.value, after[0].value)
    for status, steps in TRANSITIONS.items()
    for event, after in steps.items()
]


RECOVERED: Final = advance(REQUEST, EVENT)
ANOTHER: Final = StaffScheduled(at=REQUEST.abandoned_at, appointment_id="a8")


def plain_dicts() -> object:
    return PLAIN["abandoned"].get("StaffScheduled")


def table() -> object:
    return TRANSITIONS[REQUEST.status].get(type(EVENT))


def whole_step() -> object:
    return advance(REQUEST, EVENT)


def refused() -> None:
    with suppress(TransitionRefused):
        advance(RECOVERED, ANOTHER)


def microseconds(call: Callable[[], object], *, times: int = TIMES) -> Take:
    """The mean time of one call."""

    def all_of_them() -> None:
        for _ in range(times):
            call()

    return lambda: seconds(all_of_them) / times * 1e6


class _Model:
    state: str


def with_transitions(library: Any) -> dict[str, Callable[[], object]]:
    """One event of a machine of ``transitions``, and the question whether it may happen."""
    model = _Model()
    machine = library.Machine(model, STATES, initial="abandoned", auto_transitions=False)
    for name, before, after in STEPS:
        machine.add_transition(name, before, after)
    loose: Any = model

    def trigger() -> None:
        loose.state = "abandoned"
        loose.staffscheduled()

    return {"transitions, may it?": loose.may_staffscheduled, "transitions, one step": trigger}


def with_python_statemachine(library: Any) -> dict[str, Callable[[], object]]:
    """One event of a machine of python-statemachine."""
    first = Status.ABANDONED.value
    states = {name: library.State(name, initial=name == first) for name in STATES}
    events: dict[str, Any] = {}
    for name, before, after in STEPS:
        step = states[before].to(states[after])
        events[name] = events[name] | step if name in events else step
    kind = type("Machine", (library.StateMachine,), {**states, **events})
    machine: Any = kind()
    machine.send("contactmade")  # Contacted: from there the same event leads back to it
    return {"python-statemachine, one step": lambda: machine.send("contactmade")}


def main() -> None:
    bench = Bench("statuses")
    ours: dict[str, Callable[[], object]] = {
        "TRANSITIONS, may it?": table,
        "advance, refused": refused,
        "advance, a new request with its history": whole_step,
    }
    peers: dict[str, Callable[[], object]] = {}
    if library := bench.peer("transitions"):
        peers |= with_transitions(library)
    if library := bench.peer("statemachine"):
        peers |= with_python_statemachine(library)
    takes = {"dicts of str": microseconds(plain_dicts)}
    takes |= {name: microseconds(call) for name, call in ours.items()}
    takes |= {name: microseconds(call, times=max(TIMES // 20, 1)) for name, call in peers.items()}
    medians = bench.in_turns(
        "one transition", takes, unit="µs", raw=["dicts of str"], peers=list(peers), rounds=MANY
    )
    check, step = medians["TRANSITIONS, may it?"], medians.get("transitions, one step")
    bench.judge(
        "transition check",
        ours=f"{check:.3f} µs; whole step {medians['advance, a new request with its history']:.1f}",
        raw=f"dicts of str {medians['dicts of str']:.3f} µs",
        peer=", ".join(f"{name} {medians[name]:.1f} µs" for name in peers if name in medians),
        ratio=None if step is None else step / check,
        of="× faster",
        aim="at least 40 × faster than transitions",
    )


if __name__ == "__main__":
    main()
