"""The model and the doors do the same, step by step: neither can drift away from the other.

Paths are drawn through the model, each to where few have been, and walked with the real doors; what
is stored is compared after every step. All of :mod:`model.doors` is real but the provider.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import pytest
from model.doors import Doors, Drift, stop_here
from model.protocol import raw_steps
from model.telling import sentence
from model.world import EVERYTHING, NOBODY, Act, Scope, World

from abandoned_booking import _failpoints
from abandoned_booking._door import Parts
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.inbound import Inbound
from abandoned_booking.stores.memory import MemoryLedger
from abandoned_booking.sweep import _Run

ONE = Scope(happens=EVERYTHING - {"a day"})
TWO = Scope(requests=2, happens=frozenset({"a day", "opt out", "report", "late"}))
STEPS, PATHS = 60, 200
Kind = tuple[str, str, object, object]
Path = list[tuple[Act, World]]


def _paths(scope: Scope, seed: int, been: Counter[Kind]) -> Iterator[Path]:
    """Paths of the model, for ever; ``been`` counts the kinds of steps on all of them."""
    chance = random.Random(seed)
    while True:
        path: Path = []
        world = scope.start()
        # Time ends much, and for good: on most paths it passes late, or never.
        ends_at = {"a day passes": chance.randrange(STEPS), "the grace ends": chance.randrange(999)}
        for number in range(STEPS):
            possible = [
                (act, after)
                for act, after, _ in raw_steps(scope, world)
                if number >= ends_at.get(act.verb, 0) and _can_be_walked(act, world)
            ]
            if not possible:
                break
            # Where few have been; and not always, or some ends are never seen.
            fewest = min(been[_kind(act, world)] for act, _ in possible)
            rare = [one for one in possible if been[_kind(one[0], world)] == fewest]
            act, after = chance.choice(rare if chance.random() < 0.5 else possible)
            been[_kind(act, world)] += 1
            if act.verb == "a day passes":
                ends_at[act.verb] = STEPS  # two days would end the look-ups
            path.append((act, after))
            world = after
        yield path


def _kind(act: Act, world: World) -> Kind:
    """What a step is about, so that steps can be counted that are not quite the same."""
    request = world.requests[act.request] if act.request != NOBODY else None
    worker = world.workers[act.who] if act.who != NOBODY else None
    return (
        act.verb,
        act.how,
        request and (request.phase, request.status, request.staff),
        worker and (worker.at, worker.fresh),
    )


def _can_be_walked(act: Act, world: World) -> bool:
    """All but texts of the staff to the opted-out: the model is silent on what stops those."""
    texts = ("a text of the staff begins", "the text of the staff is accepted")
    return act.verb not in texts or not world.suppressed


def _walk(scope: Scope, path: Path) -> None:
    doors = Doors(scope.requests, scope.workers)
    try:
        with _failpoints.armed(stop_here):
            for number, (act, after) in enumerate(path):
                try:
                    doors.do(act, after)
                except Drift as drift:
                    told = "\n".join(sentence(done) for done, _ in path[: number + 1])
                    raise Drift(f"{drift}\n{told}") from None
            doors.end()
    finally:
        doors.end()


def _walk_all(scope: Scope, paths: Iterable[Path]) -> int:
    """Returns how many steps that were."""
    steps = 0
    for path in paths:
        _walk(scope, path)
        steps += len(path)
    return steps


@pytest.mark.parametrize("scope", [ONE, TWO], ids=["one request", "two requests"])
def test_the_doors_walk_every_path_of_the_model(scope: Scope) -> None:
    been: Counter[Kind] = Counter()
    steps = _walk_all(scope, islice(_paths(scope, 20261125, been), PATHS))
    print(f"{PATHS} paths, {steps:,} steps, {len(been):,} kinds of steps")
    done = {verb for verb, *_ in been}
    assert done >= _verbs(scope), _verbs(scope) - done


def _verbs(scope: Scope) -> set[str]:
    """Everything that can be done in a scope."""
    of_workers = {"claims", "dies", "asks", "looks up", "reserves the phone", "begins", "sends"}
    of_workers |= {"begins too late", "frees the phone", "records", "saves", "saves too late"}
    of_others = {
        "book": {"the client books"},
        "call": {"the staff call", "the staff take the call back"},
        "text": {"a text of the staff begins", "the text of the staff is accepted"},
        "opt out": {"the opt-out moves the version", "the opt-out has returned"},
        "report": {"the provider reports"},
        "return": {"the visitor goes on"},
        "import": {"the log is imported again"},
        "a day": {"a day passes", "finds the phone taken"},
        "late": {"the grace ends"},
    }
    return of_workers.union(*(of_others[what] for what in scope.happens))


# ── doors that do something else are noticed ────────────────────────────────────────────────────


def _an_opt_out_moves_no_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inbound, "_requests_of", lambda *_: [])


def _not_sent_keeps_the_phone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryLedger, "release", lambda *_, **__: None)


def _begins_without_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    save = Parts.save

    def blind(
        self: Parts, changed: AbandonedRequest, before: AbandonedRequest, **given: str
    ) -> AbandonedRequest | None:
        stored = self.store.get(before.business_id, before.id)
        begins = changed.message.begun > before.message.begun
        return save(self, changed, stored if begins and stored else before, **given)

    patch.setattr(Parts, "save", blind)


def _a_lost_begin_frees_the_phone(patch: pytest.MonkeyPatch) -> None:
    send = _Run._send

    def frees(self: _Run, request: AbandonedRequest, *given: object) -> object:
        seen = send(self, request, *given)  # type: ignore[arg-type]
        if seen.outcome == "lost":
            self._release(request)
        return seen

    patch.setattr(_Run, "_send", frees)


@pytest.mark.parametrize(
    "other",
    [
        _an_opt_out_moves_no_version,
        _not_sent_keeps_the_phone,
        _begins_without_compare_and_set,
        _a_lost_begin_frees_the_phone,
    ],
)
def test_doors_that_do_something_else_are_noticed(
    other: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(other)
    other(monkeypatch)
    paths = islice(_paths(TWO, 20261125, Counter()), PATHS)
    with pytest.raises(Drift):
        _walk_all(TWO, paths)
