"""P1: rates with Wilson's interval, differences with Newcombe's, and medians that add up."""

from __future__ import annotations

from datetime import timedelta
from math import sqrt
from statistics import NormalDist, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.intervals import Durations, Interval, Rate, difference_interval
from abandoned_booking.errors import InvalidInput

RATES = st.integers(0, 500).flatmap(lambda of: st.builds(Rate, st.integers(0, of), st.just(of)))
LENGTHS = st.lists(st.timedeltas(timedelta(0), timedelta(days=900)), max_size=12)


def rounded(interval: Interval | None) -> tuple[float, float] | None:
    return (round(interval.low, 4), round(interval.high, 4)) if interval else None


# The worked examples of Newcombe 1998, Statistics in Medicine 17: 857-872, method 3.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_that_of_the_published_examples(
    hits: int, of: int, low: float, high: float
) -> None:
    assert rounded(Rate(hits, of).interval()) == (low, high)


# The worked examples of Newcombe 1998, Statistics in Medicine 17: 873-890, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombes_interval_is_that_of_the_published_examples(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert rounded(difference_interval(Rate(*one), Rate(*other))) == (low, high)


@given(rate=RATES, confidence=st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_wilsons_bounds_are_the_rates_that_the_score_test_just_accepts(
    rate: Rate, confidence: float
) -> None:
    interval = rate.interval(confidence)
    if rate.value is None or interval is None:
        assert (rate.of, rate.value, interval) == (0, None, None)
        return
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    assert 0 <= interval.low <= rate.value <= interval.high <= 1
    for bound in (interval.low, interval.high):
        if bound not in (0, 1):
            reach = z * sqrt(bound * (1 - bound) / rate.of)
            assert abs(rate.value - bound) == pytest.approx(reach, abs=1e-12)


@given(one=RATES, other=RATES)
def test_a_difference_turned_round_turns_its_interval_round(one: Rate, other: Rate) -> None:
    forth, back = difference_interval(one, other), difference_interval(other, one)
    if forth is None or back is None:
        assert not one.of or not other.of
        return
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert -1 <= forth.low <= forth.high <= 1


def test_more_cases_and_less_confidence_make_an_interval_narrower() -> None:
    def width(rate: Rate, confidence: float = 0.95) -> float:
        interval = rate.interval(confidence)
        assert interval is not None
        return interval.high - interval.low

    assert width(Rate(300, 1000)) < width(Rate(30, 100)) < width(Rate(3, 10))
    assert width(Rate(3, 10), 0.8) < width(Rate(3, 10))


@pytest.mark.parametrize(("hits", "of"), [(-1, 5), (6, 5), (1, 0)])
def test_a_rate_of_more_than_all_or_less_than_none_is_refused(hits: int, of: int) -> None:
    with pytest.raises(InvalidInput, match="hits"):
        Rate(hits, of)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -1.0, float("nan")])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    with pytest.raises(InvalidInput, match=r"confidence: .*0\.95"):
        Rate(1, 2).interval(confidence)
    with pytest.raises(InvalidInput, match="confidence"):
        difference_interval(Rate(0, 0), Rate(1, 2), confidence)


@given(lengths=LENGTHS)
def test_the_median_is_that_of_the_standard_library_to_the_microsecond(
    lengths: list[timedelta],
) -> None:
    durations = Durations.of(lengths)
    assert list(durations) == sorted(lengths)
    assert len(durations) == len(lengths)
    if not lengths:
        assert durations.median is None
        return
    exact = median(length // timedelta(microseconds=1) for length in lengths)
    assert durations.median == timedelta(microseconds=int(exact))


@given(one=LENGTHS, other=LENGTHS)
def test_durations_added_up_are_those_of_all_in_any_order(
    one: list[timedelta], other: list[timedelta]
) -> None:
    together = Durations.of([*one, *other])
    assert Durations.of(one) + Durations.of(other) == together
    assert Durations.of(other) + Durations.of(one) == together
    assert hash(together) == hash(Durations.of([*other, *one]))


def test_the_repr_of_durations_says_how_many_they_are() -> None:
    assert "<2 of them>" in repr(Durations.of([timedelta(1), timedelta(2)]))
