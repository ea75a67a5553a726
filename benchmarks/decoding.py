"""What it costs to read a stored row as a request and to write one, beside JSON alone and cattrs.

Raw is ``json.loads`` and ``json.dumps`` of the same document. And what it costs to change a
request: ``attrs.evolve`` beside a call of its ``__init__``.

Run: ``python -m benchmarks.decoding``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import attrs

from abandoned_booking.core.codec import request_from_dict, request_to_dict
from abandoned_booking.core.model import AbandonedRequest
from benchmarks._crowd import request_number
from benchmarks._harness import Bench, Take, pick, seconds

COUNT: Final = pick(full=2_000, quick=2_000, tiny=20)
REQUESTS: Final = [request_number(n) for n in range(COUNT)]
PLAIN: Final = [request_to_dict(request) for request in REQUESTS]
DOCUMENTS: Final = [json.dumps(plain) for plain in PLAIN]
FIELDS: Final = [field.name for field in attrs.fields(AbandonedRequest)]
GIVEN: Final = [{name: getattr(request, name) for name in FIELDS} for request in REQUESTS]


def each(call: Callable[[Any], object], items: Sequence[Any]) -> Take:
    """The mean time of one call, in microseconds."""

    def all_of_them() -> None:
        for item in items:
            call(item)

    return lambda: seconds(all_of_them) / len(items) * 1e6


def main() -> None:
    bench = Bench("decoding")
    assert [request_from_dict(json.loads(document)) for document in DOCUMENTS] == REQUESTS
    reading = {
        "json.loads": each(json.loads, DOCUMENTS),
        "a row to a request": each(lambda text: request_from_dict(json.loads(text)), DOCUMENTS),
        "of that: dict to request": each(request_from_dict, PLAIN),
        "of that: the outer __init__": each(lambda given: AbandonedRequest(**given), GIVEN),
    }
    writing = {
        "json.dumps": each(json.dumps, PLAIN),
        "a request to a row": each(lambda one: json.dumps(request_to_dict(one)), REQUESTS),
        "of that: request to dict": each(request_to_dict, REQUESTS),
    }
    peers = _with_cattrs(bench)
    peer = list(peers)
    read = bench.in_turns(
        "reading", reading | peers, unit="µs", raw=["json.loads"], peers=peer, rounds=None
    )
    written = bench.in_turns("writing", writing, unit="µs", raw=["json.dumps"])
    bench.in_turns(
        "changing",
        {"attrs.evolve": each(lambda one: attrs.evolve(one, version=2), REQUESTS)},
        unit="µs",
    )
    named = {name: read[name] for name in peer if name in read}
    bench.judge(
        "row to request",
        ours=f"{read['a row to a request']:.1f} µs",
        raw=f"json.loads {read['json.loads']:.1f} µs",
        peer=", ".join(f"{name} {value:.1f} µs" for name, value in named.items()),
        ratio=min(named.values()) / read["a row to a request"] if named else None,
        of="× faster",
        aim="at least 1 × as fast as cattrs",
    )
    bench.judge(
        "request to row",
        ours=f"{written['a request to a row']:.1f} µs",
        raw=f"json.dumps {written['json.dumps']:.1f} µs",
        ratio=written["a request to a row"] / written["json.dumps"],
        aim="at most 4 × json.dumps",
    )


def _with_cattrs(bench: Bench) -> dict[str, Take]:
    if not bench.is_there("cattrs"):
        return {}
    converter = import_module("cattrs.preconf.json").make_converter(detailed_validation=False)
    converter.structure(PLAIN[0], AbandonedRequest)
    return {
        "cattrs": each(
            lambda text: converter.structure(json.loads(text), AbandonedRequest), DOCUMENTS
        )
    }


if __name__ == "__main__":
    main()
