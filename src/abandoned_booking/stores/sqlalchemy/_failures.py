"""What went wrong in the database, and what is told about it.

A driver's own words may quote parameters (G4): of an error in a statement only the class and the
code are told. Where no connection could be opened there are no parameters yet, and its words are
the best help there is; only a password is taken out of them.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any, Final, TypeAlias
from urllib.parse import quote, quote_plus

import attrs
import sqlalchemy as sa
from sqlalchemy import exc

from abandoned_booking.errors import (
    InvalidInput,
    NotOurDatabase,
    StoreError,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)

__all__ = [
    "Failure",
    "KeyTaken",
    "Kind",
    "explained",
    "failure_of",
    "not_connected",
    "of_setting_up",
]


class KeyTaken(StoreError):
    """A row of that key is there already; told to the store, never to its callers."""


class Kind(Enum):
    """What is to be done about a failure is the same for all of one kind."""

    GONE = auto()
    """the connection is lost: what was being written may be there or not"""
    NOT_CONNECTED = auto()
    """there is none yet: the server is away, or takes no more"""
    NOT_LET_IN = auto()
    """wrong user, password or database: trying again makes no sense"""
    NO_CONNECTION_FREE = auto()
    """in the engine's pool"""
    UNDONE = auto()
    """the database has taken the transaction back (deadlock, serialization): again, right away"""
    LOCKED = auto()
    CUT_OFF = auto()
    """by a time-out of the database's own"""
    FULL = auto()
    READ_ONLY = auto()
    NO_TABLES = auto()
    FORBIDDEN = auto()
    NOT_A_DATABASE = auto()
    UNFIT = auto()
    """a value that it cannot store"""
    KEY_TAKEN = auto()
    OTHER = auto()


_Error: TypeAlias = StoreError | InvalidInput


@attrs.frozen
class Failure:
    """What went wrong, with nothing in it that was stored."""

    kind: Kind
    said: str = ""
    """class and code of the driver's error; its words, if nothing was connected"""

    @property
    def is_passing(self) -> bool:
        """Whether it may be better in a moment."""
        return self.kind in {Kind.GONE, Kind.NOT_CONNECTED, Kind.UNDONE}

    def error(self, *, may_be_done: bool = True) -> _Error:
        """What to raise. ``may_be_done``: whether something may have been written."""
        words = _WORDS[self.kind].format(self.said)
        kind = _CLASSES.get(self.kind, StoreError)
        if kind is StoreUnavailable:
            words = f"{words}; {_UNKNOWN_FATE if may_be_done else _NO_CHANGE}"
        return kind(words)


_CLASSES: Final[dict[Kind, type[_Error]]] = {
    Kind.GONE: StoreUnavailable,
    Kind.NOT_CONNECTED: StoreUnavailable,
    Kind.NOT_LET_IN: StoreUnavailable,
    Kind.NO_CONNECTION_FREE: StoreUnavailable,
    Kind.UNDONE: StoreLocked,
    Kind.LOCKED: StoreLocked,
    Kind.CUT_OFF: StoreLocked,
    Kind.READ_ONLY: StoreReadOnly,
    Kind.NOT_A_DATABASE: NotOurDatabase,
    Kind.UNFIT: InvalidInput,
    Kind.KEY_TAKEN: KeyTaken,
}

_WORDS: Final = {
    Kind.GONE: "the database keeps closing the connection ({})",
    Kind.NOT_CONNECTED: "the database cannot be reached ({})",
    Kind.NOT_LET_IN: (
        "the database lets nobody in like this ({}); check user, password, host and database of "
        "the engine's URL"
    ),
    Kind.NO_CONNECTION_FREE: (
        "the engine has no connection free: a transaction of yours may hold it; give create_engine "
        "a larger pool_size, or the sweep fewer send_threads"
    ),
    Kind.UNDONE: (
        "others keep changing what is to be written, and the database takes it back each time; "
        "nothing was changed: try again"
    ),
    Kind.LOCKED: (
        "others hold what is to be written for longer than the database lets us wait; nothing was "
        "changed: try again"
    ),
    Kind.CUT_OFF: (
        "the database ended a statement that took too long (statement_timeout, or an "
        "administrator); nothing was changed: try again, or allow this user more time"
    ),
    Kind.FULL: "no room is left for the database; make some and try again",
    Kind.READ_ONLY: (
        "the database takes no writes (a standby, a read-only user or file); connect to the "
        "primary, as a user who may write"
    ),
    Kind.NO_TABLES: (
        "the tables lack something that this version needs; abandoned-booking db check --url ... "
        "tells what"
    ),
    Kind.FORBIDDEN: (
        "the database's user may not read or write the store's tables; GRANT SELECT, INSERT, "
        "UPDATE, DELETE on them, and USAGE on their schema"
    ),
    Kind.NOT_A_DATABASE: (
        "the file is not an SQLite database, or it is damaged; choose another path"
    ),
    Kind.UNFIT: (
        "a text or a number does not fit into the database: NUL, half of a surrogate pair, an id "
        "over 200 characters, or a document that is too large"
    ),
    Kind.KEY_TAKEN: "a row of that key is there already",
    Kind.OTHER: "the database refused a statement ({})",
}
_NO_CHANGE: Final = "nothing was changed"
_UNKNOWN_FATE: Final = (
    "what was being written may be there or not: read it again before you repeat it"
)


# ── which kind it is ────────────────────────────────────────────────────────────────────────────

_BY_SQLSTATE: Final = {
    "25P03": Kind.GONE,
    "25P04": Kind.GONE,
    "40003": Kind.GONE,
    "57P01": Kind.GONE,
    "57P02": Kind.GONE,
    "57P03": Kind.GONE,
    "57P04": Kind.GONE,
    "57P05": Kind.GONE,
    "40001": Kind.UNDONE,
    "40P01": Kind.UNDONE,
    "55P03": Kind.LOCKED,
    "57014": Kind.CUT_OFF,
    "53100": Kind.FULL,
    "25006": Kind.READ_ONLY,
    "3F000": Kind.NO_TABLES,
    "42P01": Kind.NO_TABLES,
    "42703": Kind.NO_TABLES,
    "42501": Kind.FORBIDDEN,
    "54000": Kind.UNFIT,
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html; 08* is a lost connection"""

_BY_MYSQL_NUMBER: Final = {
    **dict.fromkeys((1053, 1152, 1184, 1927, 2002, 2003, 2006, 2013), Kind.GONE),
    **dict.fromkeys((1020, 1213), Kind.UNDONE),
    **dict.fromkeys((1205,), Kind.LOCKED),
    **dict.fromkeys((1317, 1969, 3024), Kind.CUT_OFF),
    **dict.fromkeys((1021, 1114), Kind.FULL),
    **dict.fromkeys((1290, 1792, 1836), Kind.READ_ONLY),
    **dict.fromkeys((1054, 1146), Kind.NO_TABLES),
    **dict.fromkeys((1142, 1143), Kind.FORBIDDEN),
    **dict.fromkeys((1044, 1045, 1049, 1130, 1251, 1698), Kind.NOT_LET_IN),
    **dict.fromkeys((1153, 1264, 1366, 1406), Kind.UNFIT),
}
"""https://mariadb.com/kb/en/mariadb-error-codes/"""

_BY_SQLITE_CODE: Final = {
    5: Kind.LOCKED,
    6: Kind.LOCKED,
    8: Kind.READ_ONLY,
    11: Kind.NOT_A_DATABASE,
    13: Kind.FULL,
    14: Kind.NOT_CONNECTED,
    18: Kind.UNFIT,
    26: Kind.NOT_A_DATABASE,
}
"""https://www.sqlite.org/rescode.html"""

_NOT_LET_IN: Final = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry"
    r"|not permitted to log in|permission denied for database|invalid connection option",
    re.IGNORECASE,
)
"""psycopg has no SQLSTATE for a connection that it could not open; in another language than English
it is tried again for a while"""


def failure_of(error: exc.DBAPIError) -> Failure:
    """What went wrong in a statement, or at its end."""
    return Failure(_kind_of(error), _name_of(error.orig))


def not_connected(error: exc.DBAPIError, url: sa.URL) -> Failure:
    """Why no connection could be opened."""
    words = _words_of(error.orig, url)
    kind = _kind_of(error)
    if _NOT_LET_IN.search(words):
        kind = Kind.NOT_LET_IN
    if kind in {Kind.GONE, Kind.OTHER}:
        kind = Kind.NOT_CONNECTED
    return Failure(kind, words)


def explained(error: exc.DBAPIError) -> _Error:
    """Our error for what a driver has raised."""
    return failure_of(error).error()


def of_setting_up(failure: Failure) -> _Error:
    """What to raise if tables could not be made."""
    if failure.kind is Kind.FORBIDDEN:
        return StoreError(
            "the database's user may not create tables here; GRANT CREATE ON SCHEMA to it, or "
            "create them as another user"
        )
    if failure.kind is Kind.NO_TABLES:
        return StoreError("there is no such schema; create it first, or name another")
    return failure.error()


def _kind_of(error: exc.DBAPIError) -> Kind:
    original: Any = error.orig
    sqlstate = getattr(original, "sqlstate", None) or ""
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate]
    if error.connection_invalidated or sqlstate.startswith("08"):
        return Kind.GONE
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None and (kind := _of_sqlite(code & 0xFF, str(original))) is not None:
        return kind
    number = _number_of(original)
    if number in _BY_MYSQL_NUMBER:
        return _BY_MYSQL_NUMBER[number]
    if isinstance(error, exc.DataError):
        return Kind.UNFIT
    if isinstance(error, exc.IntegrityError):
        return Kind.KEY_TAKEN
    nothing_told = not sqlstate and code is None and number is None
    lost = isinstance(error, exc.OperationalError | exc.InterfaceError) and nothing_told
    return Kind.GONE if lost else Kind.OTHER


def _of_sqlite(code: int, words: str) -> Kind | None:
    if code == 1 and words.startswith("no such "):
        return Kind.NO_TABLES
    return _BY_SQLITE_CODE.get(code)


def _number_of(original: Any) -> int | None:
    """MySQL's."""
    number = original.args[0] if original is not None and original.args else None
    return number if isinstance(number, int) else None


def _name_of(original: Any) -> str:
    code = (
        getattr(original, "sqlite_errorname", None)
        or _number_of(original)
        or getattr(original, "sqlstate", None)
        or ""
    )
    return f"{type(original).__name__} {code}".rstrip()


def _words_of(original: Any, url: sa.URL) -> str:
    """The first line of what the driver says; nothing of it if a password is in there."""
    texts = [str(part) for part in getattr(original, "args", ())]
    words = " ".join((texts[-1] if texts else "").split("\n")[0].split())
    named = [str(value) for key, value in url.query.items() if "pass" in key]
    secrets = [str(url.password)] if url.password else []
    known = any(form(secret) in words for secret in [*secrets, *named] for form in _FORMS)
    return _name_of(original) if known or not words else words


_FORMS: Final = (str, quote, quote_plus)
"""how a password may be written"""
