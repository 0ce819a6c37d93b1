"""Where the database holds something about a person, and what erasing and keeping means there.

Every text column of every table is either named here or known to hold nothing personal; a test
walks all tables, so that a new one can't be forgotten. Tables that a hub does not have are skipped.
"""

from __future__ import annotations

import msgspec

from core.community import Name


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a table holds something about people.

    Attributes:
        table: Its name.
        person: Columns that hold the id of a person.
        within: Columns of JSON in which an id may stand.
        free: Columns in which people write about each other: a name there is about that person, and
            is taken out of the text when they are erased.
        cleared: Columns with what is personal: emptied when that person is erased.
        delete: True if the whole row goes.
        shown: Columns that are handed out; all where none are named. Where somebody only decided
            about the words of another, those words are not theirs.
        kept: Why the row stays with the bare id, in both languages; "" if it doesn't.
    """

    table: str
    person: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    delete: bool = False
    shown: tuple[str, ...] = ()
    kept: Name = Name()


_DUTY = Name("处置记录须保留，只含编号", "the record of what was done is kept, with the bare id")
PLACES = (
    Place(table="person", person=("id",), delete=True),
    Place(
        table="volunteer",
        person=("person",),
        cleared=("skills", "hours", "zones", "consent"),
        kept=Name(
            "保留空行，防止再次导入时恢复", "an empty row stays, so that no import brings them back"
        ),
    ),
    Place(
        table="report",
        person=("person",),
        cleared=("text", "reason", "person"),
        kept=Name("保留报告的时间、地点、结论", "when, where and what came of it is kept"),
    ),
    Place(
        table="report",
        person=("decided_by",),
        shown=("row", "zone", "hazard", "decided_at", "state", "reason"),
        kept=_DUTY,
    ),
    Place(
        table="outbox",
        person=("contact",),
        shown=("id", "incident", "seq", "grade", "channel", "kind", "state", "created_at"),
        kept=_DUTY,
    ),
    Place(table="reply_code", person=("contact",), delete=True),
    Place(table="absence", person=("contact", "stand_in", "noted_by"), kept=_DUTY),
    Place(table="hand_over", person=("by",), cleared=("text",), kept=_DUTY),
    Place(
        table="hand_over", person=("taken_by",), shown=("row", "at", "shift", "taken_at"),
        kept=_DUTY,
    ),
    Place(
        table="hand_over", free=("text",), shown=("row", "at", "by", "shift", "text"),
        kept=Name("保留他人所写的其余内容", "the rest of what somebody else wrote is kept"),
    ),
    Place(table="roll_call", person=("by",), kept=_DUTY),
    Place(table="supply", person=("changed_by",), shown=("id", "changed_at"), kept=_DUTY),
    Place(table="incident", within=("state",), shown=("number", "zone", "hazard"), kept=_DUTY),
    Place(table="withholding", within=("state",), shown=("number",), kept=_DUTY),
    Place(table="drill", within=("state",), shown=("id", "asked_at"), kept=_DUTY),
    Place(
        table="erasure",
        person=("person",),
        kept=Name("删除本身的凭据", "the evidence of the erasure itself"),
    ),
)  # fmt: skip
# Columns of text that hold nothing about a person: ids of things, states, codes, words of ours.
IMPERSONAL = frozenset(
    f"{table}.{column}"
    for table, columns in {
        "incident": "site zone hazard drill",
        "journal": "body prev hash",  # the gate of `alerts.impersonal` stands before it
        "outbox": "id dedup channel kind payload fallback state owner vendor_id vendor_code "
        "detail digest",
        "reply_code": "channel code notification",
        "spent": "channel",
        "breaker": "channel reason",
        "setting": "name value",
        "local_act": "site station id run state body",
        "withholding": "site",
        "drill": "id site",
        "upstream": "site sender identifier kind status digest refers claims headline",
        "hook_alert": "site hook fingerprint claim",
        "erasure": "statement",
        "person": "name phone",  # the row goes
        "volunteer": "site id",
        "supply": "site id body",
        "absence": "site",
        "hand_over": "site shift incidents",
        "roll_call": "zone door state",
        "report": "site nonce zone hazard client state reason",
        "alembic_version": "version_num",
    }.items()
    for column in columns.split()
)
JOURNAL_KEPT = Name(
    "日志只含编号；删去一条会破坏哈希链，使其余记录失去证明",
    "the journal holds ids only; taking an entry out would break the hash chain of all others",
)
