"""Rates that say how sure they are, and durations whose median can be added up.

Rules held here: the confidence intervals and medians of P1.

A rate from thirty requests is not a rate from three thousand, so each comes with Wilson's score
interval: it stays within 0 and 1 and keeps its promise for small numbers and for rates near 0,
where the textbook interval does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Final

import attrs

from abandoned_booking.errors import InvalidInput

__all__ = ["CONFIDENCE", "Durations", "Interval", "Rate", "difference_interval"]

CONFIDENCE: Final = 0.95
"""how sure an interval is, unless told otherwise"""


@attrs.frozen
class Interval:
    """From ``low`` to ``high``, both ends included."""

    low: float
    high: float


@attrs.frozen
class Rate:
    """``hits`` out of ``of``: 12 of 80."""

    hits: int
    of: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.hits <= self.of:
            raise InvalidInput(f"must be 0 to {self.of}, the number of cases", field="hits")

    @property
    def value(self) -> float | None:
        """From 0 to 1; ``None`` out of nothing."""
        return self.hits / self.of if self.of else None

    def interval(self, confidence: float = CONFIDENCE) -> Interval | None:
        """Wilson's score interval; ``None`` out of nothing.

        Source: E. B. Wilson, *Probable inference, the law of succession, and statistical
        inference*, JASA 22 (1927) 209-212; method 3 in R. G. Newcombe, *Two-sided confidence
        intervals for the single proportion*, Statistics in Medicine 17 (1998) 857-872.

        Raises :class:`InvalidInput` for a confidence that is not between 0 and 1.
        """
        z = _score(confidence)
        if not self.of:
            return None
        n, share = self.of, self.hits / self.of
        middle = share + z * z / (2 * n)
        reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        scale = 1 + z * z / n
        return Interval(
            # Exact at the ends, where rounding would leave a speck.
            low=(middle - reach) / scale if self.hits else 0.0,
            high=(middle + reach) / scale if self.hits < n else 1.0,
        )


def difference_interval(one: Rate, other: Rate, confidence: float = CONFIDENCE) -> Interval | None:
    """The interval of ``one`` minus ``other``, two independent rates; ``None`` if one has no value.

    Source: the hybrid score interval, method 10 in R. G. Newcombe, *Interval estimation for the
    difference between independent proportions*, Statistics in Medicine 17 (1998) 873-890.

    Raises :class:`InvalidInput` for a confidence that is not between 0 and 1.
    """
    p, q = one.value, other.value
    of_one, of_other = one.interval(confidence), other.interval(confidence)
    if p is None or q is None or of_one is None or of_other is None:
        return None
    return Interval(
        low=p - q - sqrt((p - of_one.low) ** 2 + (of_other.high - q) ** 2),
        high=p - q + sqrt((of_one.high - p) ** 2 + (q - of_other.low) ** 2),
    )


@lru_cache(maxsize=16)
def _score(confidence: float) -> float:
    """How many standard deviations hold that share of a normal distribution."""
    if not 0 < confidence < 1:
        raise InvalidInput("must be between 0 and 1, such as 0.95", field="confidence")
    return NormalDist().inv_cdf((1 + confidence) / 2)


_MICROSECOND: Final = timedelta(microseconds=1)


@attrs.frozen
class Durations:
    """Lengths of time, kept one by one so that the median of a sum is exact.

    An exact median needs every value: they are held packed and sorted, 8 bytes each. Added up in
    any order they are equal. ``len()`` says how many, iteration goes from short to long.
    """

    _packed: bytes = attrs.field(default=b"", repr=lambda packed: f"<{len(packed) // 8} of them>")

    @classmethod
    def of(cls, durations: Iterable[timedelta]) -> Durations:
        """Those lengths of time."""
        return cls.of_microseconds(duration // _MICROSECOND for duration in durations)

    @classmethod
    def of_microseconds(cls, durations: Iterable[int]) -> Durations:
        """Lengths of time as whole microseconds, as a database may give them."""
        return cls(array("q", sorted(durations)).tobytes())

    def __len__(self) -> int:
        return len(self._packed) // 8

    def __iter__(self) -> Iterator[timedelta]:
        return (timedelta(microseconds=value) for value in self._values())

    def __add__(self, other: Durations) -> Durations:
        return self.of_microseconds((*self._values(), *other._values()))

    @property
    def median(self) -> timedelta | None:
        """The middle one, or halfway between the two in the middle; ``None`` of nothing."""
        values = self._values()
        if not values:
            return None
        low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
        return timedelta(microseconds=(low + high) // 2)

    def _values(self) -> memoryview[int]:
        return memoryview(self._packed).cast("q")
