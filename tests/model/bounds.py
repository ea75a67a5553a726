"""How far the model is walked, and in which bounds what must never be done shows."""

from __future__ import annotations

from typing import Final

from model.invariants import Invariant
from model.world import EVERYTHING, Forbidden, Scope

_PHONE: Final = frozenset({"a day"})

SMALL: Final = {
    "one request, the staff's texts": Scope(happens=EVERYTHING - {"a day", "opt out", "call"}),
    "one request, opt-outs": Scope(happens=EVERYTHING - {"a day", "text", "import"}),
    "one request, three workers": Scope(workers=3, happens=frozenset({"book"})),
    "two requests of one phone": Scope(requests=2, happens=_PHONE),
    "two requests of one phone, opt-outs": Scope(requests=2, happens=frozenset({"opt out"})),
}
"""with every run of the tests"""

LARGE: Final = {
    "one request, everything": Scope(),
    "one request, three workers": Scope(
        workers=3, happens=frozenset({"book", "call", "opt out", "report"})
    ),
    "two requests of one phone": Scope(requests=2, happens=_PHONE | {"opt out", "late"}),
    "two requests of one phone, three workers": Scope(requests=2, workers=3, happens=frozenset()),
    "two requests of one phone, bookings": Scope(requests=2, happens=frozenset({"book", "report"})),
}
"""by hand: ``python -m model``"""


def _scope(forbidden: Forbidden, requests: int, *happens: str) -> Scope:
    return Scope(requests=requests, happens=frozenset(happens), forbidden=frozenset({forbidden}))


_F, _I = Forbidden, Invariant

FORBIDDEN: Final = {
    forbidden: (_scope(forbidden, requests, *happens), invariant)
    for forbidden, requests, happens, invariant in (
        (_F.EXPIRED_BACK_TO_PENDING, 1, (), _I.ONCE),
        (_F.RETRY_ON_5XX, 1, (), _I.ONCE),
        (_F.RESEND_AFTER_NOT_FOUND, 1, (), _I.ONCE),
        (_F.SDK_RETRIES, 1, (), _I.ONCE),
        (_F.BEGIN_WITHOUT_CAS, 1, (), _I.ONCE),
        (_F.OPT_OUT_MOVES_NO_VERSION, 1, ("opt out",), _I.OPT_OUT),
        (_F.BOOKING_MOVES_NO_VERSION, 1, ("book",), _I.ABANDONED_ONLY),
        (_F.CONTACT_MOVES_NO_VERSION, 1, ("call", "text"), _I.ABANDONED_ONLY),
        (_F.RELEASE_AFTER_LOST_BEGIN, 2, (), _I.PHONE),
        (_F.RELEASE_AFTER_UNKNOWN, 2, (), _I.PHONE),
        (_F.RELEASE_AFTER_RECORD, 2, (), _I.PHONE),
        (_F.VERSION_BEFORE_SUPPRESSION, 1, ("opt out",), _I.OPT_OUT),
        (_F.IMPORT_ANEW, 1, ("import",), _I.ONCE),
        (_F.RECORD_BLINDLY, 1, ("book", "call"), _I.RECOVERED_STAYS),
        (_F.TIMEOUT_IS_SUCCESS, 1, (), _I.SENT_IS_ACCEPTED),
        (_F.DOUBT_IS_FAILURE, 1, (), _I.ACCEPTED_STAYS),
        (_F.LAST_REPORT_WINS, 1, ("report",), _I.REPORTS),
        (_F.CLAIMS_NEVER_END, 1, (), _I.NOT_FORGOTTEN),
        (_F.GATEWAY_DENIES_WHAT_IT_TOOK, 1, (), _I.ONCE),
        (_F.SLEEP_FOR_A_DAY, 2, ("a day",), _I.PHONE),
    )
}
"""in which bounds it shows, and what it breaks"""
