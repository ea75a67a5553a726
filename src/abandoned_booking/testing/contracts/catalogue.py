"""The contract of :class:`~abandoned_booking.ports.ServiceCatalogue` (C9)."""

from __future__ import annotations

from typing import ClassVar, Final

import pytest
from hypothesis import given

from abandoned_booking.core.model import BookingForm
from abandoned_booking.ports import ServiceCatalogue
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import THREADS, generated, race

__all__ = ["ServiceCatalogueContract"]

_LINE: Final = "applies: whether some service of the business fits what was entered so far"


class ServiceCatalogueContract:
    """What can be checked of any :class:`~abandoned_booking.ports.ServiceCatalogue`.

    Subclass it and give the fixture ``catalogue``. What fits is the host's own affair; say it with
    two forms, or what they would show is skipped:

    - ``fitting``: a form for which ``business_id`` has a service, and ``other_business_id`` none;
    - ``unfitting``: a form for which ``business_id`` has none.
    """

    business_id: ClassVar[str] = "paws"
    other_business_id: ClassVar[str] = "claws"
    fitting: ClassVar[BookingForm | None] = None
    unfitting: ClassVar[BookingForm | None] = None

    @generated
    @given(form=strategies.forms())
    def test_every_form_gets_a_plain_answer(
        self, catalogue: ServiceCatalogue, form: BookingForm
    ) -> None:
        answers = [catalogue.applies(self.business_id, form) for _ in range(2)]
        line = "applies: True or False, whatever a visitor has typed; and the same when asked again"
        assert answers in ([True, True], [False, False]), line

    def test_a_form_that_fits_a_service_applies(self, catalogue: ServiceCatalogue) -> None:
        form = _given(self.fitting, "fitting")
        assert catalogue.applies(self.business_id, form) is True, _LINE

    def test_a_form_that_fits_no_service_does_not_apply(self, catalogue: ServiceCatalogue) -> None:
        form = _given(self.unfitting, "unfitting")
        assert catalogue.applies(self.business_id, form) is False, _LINE

    def test_each_business_has_services_of_its_own(self, catalogue: ServiceCatalogue) -> None:
        form = _given(self.fitting, "fitting")
        line = "applies: another business's services do not count"
        assert catalogue.applies(self.other_business_id, form) is False, line

    def test_several_threads_ask_at_the_same_time(self, catalogue: ServiceCatalogue) -> None:
        form = self.fitting or BookingForm()
        answers = race(*[lambda: catalogue.applies(self.business_id, form)] * THREADS)
        assert len({*answers}) == 1, "applies: the same answer for every thread"


def _given(form: BookingForm | None, name: str) -> BookingForm:
    if form is None:
        pytest.skip(f"what the catalogue says is not known: no form is given as `{name}`")
    return form
