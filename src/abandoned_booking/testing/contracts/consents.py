"""The contract of :class:`~abandoned_booking.ports.ConsentRegister` (R9)."""

from __future__ import annotations

from typing import ClassVar

from abandoned_booking.ports import ConsentRegister
from abandoned_booking.testing.contracts._tools import THREADS, race

__all__ = ["ConsentRegisterContract"]


class ConsentRegisterContract:
    """Everything that :class:`~abandoned_booking.ports.ConsentRegister` promises.

    Subclass it and give the fixture ``consents``: a register in which the holder of
    ``consented_phone`` has agreed to marketing texts of ``business_id``, and nobody has agreed to
    anything else.
    """

    business_id: ClassVar[str] = "paws"
    other_business_id: ClassVar[str] = "claws"
    consented_phone: ClassVar[str] = "+12125550121"

    def test_who_has_agreed_has_consented(self, consents: ConsentRegister) -> None:
        answer = consents.has_consent(self.business_id, self.consented_phone)
        assert answer is True, "has_consent: True if the holder of that phone has agreed"

    def test_nobody_else_has_consented(self, consents: ConsentRegister) -> None:
        phone = self.consented_phone
        for other in (
            "+12125550129",
            phone[:-1],
            f"{phone}0",
            phone[1:],
            "",
            "%",
            "_" * len(phone),
        ):
            answer = consents.has_consent(self.business_id, other)
            assert answer is False, "has_consent: False for a phone whose holder has not agreed"

    def test_a_consent_is_given_to_one_business(self, consents: ConsentRegister) -> None:
        answer = consents.has_consent(self.other_business_id, self.consented_phone)
        assert answer is False, "has_consent: what was agreed with another business does not count"

    def test_several_threads_ask_at_the_same_time(self, consents: ConsentRegister) -> None:
        answers = race(
            *[lambda: consents.has_consent(self.business_id, self.consented_phone)] * THREADS
        )
        assert answers == [True] * THREADS, "has_consent: the same answer for every thread"
