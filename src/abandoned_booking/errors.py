"""What this library raises: one root, facts as attributes, the way out in the message.

::

    AbandonedBookingError
    ├── InvalidInput (ValueError)        the caller's value is wrong; nothing was stored
    │   ├── InvalidSettings              a business's settings or campaign
    │   ├── InvalidTemplate              a message text: unknown field, empty, too long
    │   ├── InvalidPhone                 not a phone number that can be used
    │   └── InvalidCursor                not a cursor that this list has given out
    ├── UnknownBusiness (LookupError)    no settings were stored for that business
    ├── RequestNotFound (LookupError)    no such request at that business
    ├── TransitionRefused                the status table has no such step (S5); nothing changed
    ├── FeatureUnavailable               the business's plan does not include the feature (G1)
    ├── MissingPart                      the action needs an adapter that was not given
    ├── ConcurrentUpdate                 somebody else kept changing the same request; try again
    └── StoreError                       the store cannot be used as it is
        ├── NotOurDatabase               the file or table belongs to something else
        ├── NewerSchema                  written by a newer version of this library
        ├── OlderSchema                  its tables are missing or older than this library needs
        ├── StoreReadOnly                it cannot be written to
        ├── StoreLocked                  another process holds it for too long
        └── StoreUnavailable             the database cannot be reached
            └── OutcomeUnknown           nobody can tell whether a change was saved; load it again

No message and no attribute holds personal data (G4): fields are named, values are not repeated.
"""

from __future__ import annotations


class AbandonedBookingError(Exception):
    """The root of every error that this library raises on purpose."""


class InvalidInput(AbandonedBookingError, ValueError):
    """The caller's value is wrong; nothing was stored.

    ``field`` names what was wrong, as a dotted path (``form.person.email``).
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class InvalidSettings(InvalidInput):
    """A business's settings or its campaign cannot be used."""


class InvalidTemplate(InvalidInput):
    """A message text cannot be used: unknown merge field, empty, or more than 10 segments."""


class InvalidPhone(InvalidInput):
    """Not a phone number that can be used. Never repeats what was typed."""


class InvalidCursor(InvalidInput):
    """Not a cursor that this list has given out, or one of another query."""


class UnknownBusiness(AbandonedBookingError, LookupError):
    """No settings were stored for that business."""

    def __init__(self, business_id: str) -> None:
        super().__init__(
            f"no settings for business {business_id!r}; "
            "store them first with bookings.settings.put(BusinessSettings(...))"
        )
        self.business_id = business_id


class RequestNotFound(AbandonedBookingError, LookupError):
    """No such request at that business."""

    def __init__(self, business_id: str, request_id: str) -> None:
        super().__init__(
            f"no request {request_id!r} at business {business_id!r}; "
            "take the id from desk.list(...).requests"
        )
        self.business_id = business_id
        self.request_id = request_id


class TransitionRefused(AbandonedBookingError):
    """The status table has no such step; nothing changed (S5)."""

    def __init__(self, message: str, *, request_id: str, status: str, event: str) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.status = status
        self.event = event


class FeatureUnavailable(AbandonedBookingError):
    """The business's plan does not include abandoned bookings (G1)."""

    def __init__(self, business_id: str) -> None:
        super().__init__(
            f"the plan of business {business_id!r} does not include abandoned bookings; "
            "upgrade the plan, or let has_feature(business_id) return True"
        )
        self.business_id = business_id


class MissingPart(AbandonedBookingError):
    """The action needs an adapter that was not given, or one that was given lacks methods."""

    def __init__(self, message: str, *, part: str) -> None:
        super().__init__(message)
        self.part = part


class ConcurrentUpdate(AbandonedBookingError):
    """Somebody else kept changing the same request; nothing was changed by this call."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request {request_id!r} is being changed by others; try again")
        self.request_id = request_id


class StoreError(AbandonedBookingError):
    """The store cannot be used as it is; nothing was changed, unless the kind of error says so."""


class NotOurDatabase(StoreError):
    """The file or table belongs to something else."""


class NewerSchema(StoreError):
    """Written by a newer version of this library."""


class StoreReadOnly(StoreError):
    """It cannot be written to."""


class StoreLocked(StoreError):
    """Another process holds it for longer than the busy time-out."""


class OlderSchema(StoreError):
    """The tables are missing, or older than this version of the library needs."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, or the connection was lost and stayed lost."""


class OutcomeUnknown(StoreUnavailable):
    """The connection was lost while a change was saved, and others have changed it since.

    Load the request again and decide anew; never take the change for saved.
    """
