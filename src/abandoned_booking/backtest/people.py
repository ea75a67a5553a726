"""Made-up people for a log that has none: a name and a fictional US number for every client.

The numbers end in 555-01xx, which no carrier gives out (North American Numbering Plan: reserved
for fiction), behind area codes of the US that have long been in use. A client's number and name
follow from a hash of their id; where two fall on the same number, the one who was active first has
it and the other takes the next that is free. So every replay of a log gives everybody the same
number, whatever the order of its lines, and so does a log that goes on where it ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final, TypeAlias

import attrs

from abandoned_booking.core.flow import Booked, Progress
from abandoned_booking.core.model import Person
from abandoned_booking.errors import InvalidInput

__all__ = ["AREA_CODES", "CAPACITY", "FIRST_NAMES", "LAST_NAMES", "synthetic_people"]

_AREA_CODES: Final = """
    201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 228 229
    231 234 239 240 248 251 252 253 254 256 260 262 267 269 270 272 276 279 281 283 301 302 303
    304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 323 325 326 330 331 332 334
    336 337 339 341 346 347 351 352 360 361 364 380 385 386 401 402 404 405 406 407 408 409 410
    412 413 414 415 417 419 423 424 425 430 432 434 435 440 442 443 445 447 448 458 463 464 469
    470 475 478 479 480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 530
    531 534 539 540 541 551 559 561 562 563 564 567 570 571 572 573 574 575 580 582 585 586 601
    602 603 605 606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 628 629 630 631 636
    640 641 646 650 651 656 657 659 660 661 662 667 669 678 680 681 682 689 701 702 703 704 706
    707 708 712 713 714 715 716 717 718 719 720 724 725 726 727 731 732 734 737 740 743 747 754
    757 760 762 763 765 769 770 771 772 773 774 775 779 781 785 786 801 802 803 804 805 806 808
    810 812 813 814 815 816 817 818 820 826 828 830 831 832 838 839 840 843 845 847 848 850 854
    856 857 858 859 860 862 863 864 865 870 872 878 901 903 904 906 907 908 909 910 912 913 914
    915 916 917 918 919 920 925 928 929 930 931 934 936 937 938 940 941 943 945 947 948 949 951
    952 954 956 959 970 971 972 973 978 979 980 984 985 986 989
"""
AREA_CODES: Final = tuple(_AREA_CODES.split())
_LINES: Final = 100
"""555-0100 to 555-0199"""

CAPACITY: Final = len(AREA_CODES) * _LINES
"""how many people there can be with a number of their own"""

_FIRST_NAMES: Final = """
    Ada Aldo Alma Amir Ana Anton Arlo Astrid Ayla Bela Ben Bianca Bodhi Brenda Bruno Cara Carlos
    Cecil Celia Chen Clara Cleo Cyrus Dana Dario Della Dev Diana Diego Dora Edda Elio Elsa Emil
    Enzo Erin Esther Ezra Faye Felix Fiona Flora Franz Gina Greta Gus Hana Harper Hugo Ida Ilan
    Ines Iris Isaac Ivan Ivy Jada Jan Jonah Juno Kai Kara Kenji Kira Lars Lea Leo Lila Luca Luz
    Mae Malik Mara Milo Mina Nadia Nico Nora Odin Olga Omar Opal Otto Paula Petra Priya Quinn Rafa
    Rita Rosa Ruben Sana Silas Tara Theo Uma Vera Wade Yara Zane
"""
FIRST_NAMES: Final = tuple(_FIRST_NAMES.split())
_BEGINNINGS: Final = (
    "Alder Ash Barrow Beck Birch Black Brad Brook Cald Clay Cole Cress Dal East Elm Fair Glen Hart "
    "Haw Heath Hol Kirk Lang Mar Nor Oak Red Stan Thorn Whit"
)
_ENDINGS: Final = "berg bridge by dale field ford ham ley man mont more ton well wick wood"
LAST_NAMES: Final = tuple(map("".join, product(_BEGINNINGS.split(), _ENDINGS.split())))

Event: TypeAlias = Progress | Booked


def synthetic_people(keys: Iterable[str]) -> Mapping[str, Person]:
    """A person for each key, no two with the same name or number; earlier keys choose first.

    Raises :class:`InvalidInput` for more keys than there are numbers.
    """
    taken: dict[int, str] = {}
    for key in dict.fromkeys(keys):
        if len(taken) == CAPACITY:
            raise InvalidInput(
                f"has more than {CAPACITY:,} clients, and there are no more fictional numbers; "
                "replay a part of the log",
                field="people",
            )
        slot = _home_of(key)
        while slot in taken:
            slot = (slot + 1) % CAPACITY
        taken[slot] = key
    return {key: _person_at(slot) for slot, key in taken.items()}


def _home_of(key: str) -> int:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % CAPACITY


def _person_at(slot: int) -> Person:
    area_code, line = AREA_CODES[slot // _LINES], slot % _LINES
    last, first = divmod(slot, len(FIRST_NAMES))
    return Person(
        first_name=FIRST_NAMES[first],
        last_name=LAST_NAMES[last],
        phone=f"+1{area_code}55501{line:02d}",
    )


def with_synthetic_people(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events with a made-up person for every client, and for every session without one.

    A session's person is its first client. What the log says of names, phones and e-mails is
    dropped.

    Raises :class:`InvalidInput` for more clients than there are numbers.
    """
    events = tuple(events)
    in_time = sorted(events, key=lambda event: (event.at, event.session_id or ""))
    of_session: dict[str | None, str] = {}
    for event in in_time:
        if event.client_id:
            of_session.setdefault(event.session_id, f"client {event.client_id}")
    keys = [_key_of(event, of_session) for event in in_time]
    people = synthetic_people(keys)
    return tuple(_evolved(event, people[_key_of(event, of_session)]) for event in events)


def _key_of(event: Event, of_session: Mapping[str | None, str]) -> str:
    if event.client_id:
        return f"client {event.client_id}"
    return of_session.get(event.session_id) or f"session {event.session_id}"


def _evolved(event: Event, person: Person) -> Event:
    person = attrs.evolve(person, client_id=event.client_id)
    if isinstance(event, Booked):
        return attrs.evolve(event, person=person)
    return attrs.evolve(event, form=attrs.evolve(event.form, person=person))
