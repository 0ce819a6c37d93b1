"""Warnings of others that we took: kept in the database, so that a restart forgets none.

Which of them stand is a matter of the whole set: an Update or Cancel ends what it refers to, in
whatever order they come, if it is of the same sender and just as actual.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, insert, select, update

from alerts.cap.document import CapError, decode
from alerts.cap.incoming import NotOursError, UpstreamSettings, check_use, claims, expires
from alerts.cap.message import CapMessage, MessageType, Reference, Status
from alerts.claims import Claim
from alerts.database import Database
from alerts.standards_tables import upstream
from core.clock import Clock

_u = upstream.c
_CLAIMS = msgspec.json.Decoder(list[Claim])
_REFERENCES = msgspec.json.Decoder(list[Reference])
# Longest names of CAP messages that fit our columns.
_NAME_LENGTH = 200


class Fate(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"  # we had it already
    EXPIRED = "expired"  # kept, but it is over
    NOT_ACTUAL = "not-actual"  # Exercise, Test or System: kept, never a finding


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What we made of a message; the answer to its sender."""

    identifier: str
    fate: Fate
    claims: tuple[Claim, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A warning of others that holds now. Times are ms."""

    sender: str
    identifier: str
    sent: int
    expires_at: int
    headline: str
    claims: tuple[Claim, ...]


class Upstream:
    """Takes CAP messages of others. Safe to call from any thread.

    Args:
        database: Open and up to date.
        site: Id of the site.
        settings: Whose warnings count, and what they mean.
        clock: Clock of the run.
    """

    def __init__(
        self, database: Database, site: str, settings: UpstreamSettings, clock: Clock
    ) -> None:
        self._database = database
        self._site = site
        self._settings = settings
        self._clock = clock

    def take(self, document: bytes) -> Taken:
        """Read, check and keep one message.

        Raises:
            CapError: It is not a valid CAP message; the reasons say why.
            NotOursError: It is valid and not for us.
        """
        message = decode(document)
        if max(len(message.sender), len(message.identifier)) > _NAME_LENGTH:
            reason = f"identifier and sender: at most {_NAME_LENGTH} characters"
            raise CapError([reason], message.reference)
        check_use(message, self._settings)
        digest = hashlib.sha256(document).hexdigest()
        with self._database.write() as connection:
            known = self._known(connection, message)
            if known is not None:
                if known != digest and not self._same(connection, message):
                    raise CapError(["identifier: used before, for another message"],
                                   message.reference)  # fmt: skip
                return Taken(identifier=message.identifier, fate=Fate.DUPLICATE)
            return self._keep(connection, message, digest)

    def standing(self) -> list[Standing]:
        """Return the warnings that hold now, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(upstream)
                .where(_u.site == self._site, _u.ended == 0, _u.status == Status.ACTUAL)
                .where(_u.expires_at > self._clock.now_ms())
                .order_by(_u.sent.desc(), _u.row.desc())
            ).all()
        return [
            Standing(
                sender=row.sender, identifier=row.identifier, sent=row.sent,
                expires_at=row.expires_at, headline=row.headline,
                claims=tuple(_CLAIMS.decode(row.claims)),
            )
            for row in rows
            if row.claims != "[]"
        ]  # fmt: skip

    def claims(self) -> list[Claim]:
        """Return what they say of our zones."""
        return [claim for warning in self.standing() for claim in warning.claims]

    def _known(self, connection: Connection, message: CapMessage) -> str | None:
        return connection.execute(
            select(_u.digest).where(
                _u.site == self._site,
                _u.sender == message.sender,
                _u.identifier == message.identifier,
            )
        ).scalar()

    def _same(self, connection: Connection, message: CapMessage) -> bool:
        """A relay may write the same message with other blanks: then its time tells."""
        return (
            connection.execute(
                select(_u.row).where(
                    _u.site == self._site,
                    _u.sender == message.sender,
                    _u.identifier == message.identifier,
                    _u.sent == message.sent,
                    _u.kind == message.kind,
                )
            ).first()
            is not None
        )

    def _keep(self, connection: Connection, message: CapMessage, digest: str) -> Taken:
        now = self._clock.now_ms()
        ends = (
            self._ended_by(connection, message)
            if message.kind in (MessageType.UPDATE, MessageType.CANCEL)
            else []
        )
        said = self._said(message, now, knows=bool(ends))
        until = expires(message, self._settings)
        connection.execute(
            insert(upstream).values(
                site=self._site, sender=message.sender, identifier=message.identifier,
                sent=message.sent, kind=message.kind, status=message.status, received_at=now,
                expires_at=until, ended=int(self._is_ended(connection, message)), digest=digest,
                refers=msgspec.json.encode(message.references).decode(),
                claims=msgspec.json.encode(said).decode(),
                headline=message.infos[0].headline[:_NAME_LENGTH] if message.infos else "",
            )
        )  # fmt: skip
        if message.status is Status.ACTUAL and ends:
            connection.execute(update(upstream).where(_u.row.in_(ends)).values(ended=1))
        if message.status is not Status.ACTUAL:
            return Taken(identifier=message.identifier, fate=Fate.NOT_ACTUAL)
        fate = Fate.EXPIRED if until <= now else Fate.TAKEN
        return Taken(identifier=message.identifier, fate=fate, claims=tuple(said))

    def _said(self, message: CapMessage, now: int, *, knows: bool) -> list[Claim]:
        """Return its claims; a message that ends one of ours need not say anything of us."""
        if message.kind is MessageType.CANCEL:
            return []
        try:
            return claims(message, self._settings, now)
        except NotOursError:
            if knows:
                return []
            raise

    def _ended_by(self, connection: Connection, message: CapMessage) -> list[int]:
        """Return the rows that a message refers to, as far as it may end them."""
        wanted = set(message.references)
        rows = connection.execute(
            select(_u.row, _u.sender, _u.identifier, _u.sent).where(
                _u.site == self._site,
                _u.sender == message.sender,
                _u.status == message.status,
                _u.identifier.in_([other.identifier for other in wanted]),
            )
        ).all()
        return [
            row.row for row in rows if Reference(row.sender, row.identifier, row.sent) in wanted
        ]

    def _is_ended(self, connection: Connection, message: CapMessage) -> bool:
        """Tell whether a later message, which came first, has ended this one."""
        rows = connection.execute(
            select(_u.refers).where(
                _u.site == self._site,
                _u.sender == message.sender,
                _u.status == message.status,
                _u.kind.in_([MessageType.UPDATE, MessageType.CANCEL]),
                _u.sent >= message.sent,
            )
        ).scalars()
        return any(message.reference in _REFERENCES.decode(text) for text in rows)
