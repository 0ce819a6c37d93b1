"""Email over SMTP with STARTTLS and login: one fate for each recipient (channels 1.13).

4xx is a retry, 5xx is final. The Message-ID is that of the notification, so that a repeated mail is
the same mail; `References` puts all mails of an incident into one thread. The same guard as for
HTTP: the name is resolved once, every address is checked, TLS is for the name.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import IO
from urllib.parse import urlsplit

import httpx
import msgspec

from alerts.channels.base import Channel, Fate, Outcome, OutcomeKind, masked, together
from alerts.channels.entry import ChannelEntry, ChannelError, read_options, read_pair
from alerts.channels.post import MAX_TIMEOUT_S
from alerts.channels.wire import RefusedAddressError, addresses_of, checked_addresses
from alerts.message import Notification, lines, title
from core.grade import Grade

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_USER = re.compile(r"\S{1,200}")
_PORTS = {"smtp": 587, "smtps": 465}
# Login refused, needed, too weak, or not allowed without encryption (RFC 4954, RFC 3207).
_LOGIN_CODES = (530, 534, 535, 538)


class SmtpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of kind `smtp`.

    Attributes:
        sender: Address from which mails come.
        login: False for a relay on the premises that asks for no login; then no secret is needed.
        ca_file: Certificate authority of a server on the premises; empty trusts the system's.
    """

    sender: str
    login: bool = True
    ca_file: str = ""


class Smtp(Channel):
    """Sends to the addresses that a contact names: `channels = ["mail:li@example.com"]`."""

    concurrency = 2
    idempotent = True  # the same Message-ID: a repeated mail is the same mail
    example = "li@example.com"

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._options = read_options(entry, SmtpOptions)
        self._language = entry.language
        self._allow_private = entry.allow_private
        self._timeout_s = entry.timeout_s
        if not 0 < entry.timeout_s <= MAX_TIMEOUT_S:
            raise ChannelError(f"timeout_s {entry.timeout_s:g}: expected at most {MAX_TIMEOUT_S:g}")
        if _ADDRESS.fullmatch(self._options.sender) is None:
            raise ChannelError(f"options.sender {self._options.sender!r}: not an address")
        self._scheme, self._host, self._port = _server(entry)
        self._login = ("", "")
        if self._options.login:
            self._login = read_pair(entry, _USER, "a user name and its password")
        try:
            self._tls = ssl.create_default_context(cafile=self._options.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ChannelError(f"options.ca_file {self._options.ca_file!r}: {error}") from error

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return _ADDRESS.fullmatch(address) is not None

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        known = self.addresses(note)
        if not known:
            return self.without_recipient(note)
        mail = self.message(note, known, now_s)
        try:
            with self._session() as session:
                return self._deliver(session, mail, known)
        except _RefusedError as refused:
            return refused.outcome
        except RefusedAddressError as error:
            return Outcome(OutcomeKind.MISCONFIGURED, vendor_code="address", detail=str(error))
        except ssl.SSLCertVerificationError as error:
            return Outcome(
                OutcomeKind.MISCONFIGURED, vendor_code="certificate", detail=error.verify_message
            )
        except (OSError, httpx.ConnectError, smtplib.SMTPException, ValueError) as error:
            # The class alone. Nothing was handed over yet: `_deliver` tells otherwise.
            return Outcome(
                OutcomeKind.RETRY, vendor_code=type(error).__name__, detail="no mail was sent"
            )

    def message(self, note: Notification, to: Sequence[str], now_s: int) -> EmailMessage:
        """Return the mail."""
        language = self._language or note.language
        domain = self._options.sender.partition("@")[2]
        thread = f"<incident-{note.incident}@{domain}>"
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._options.sender
        mail["To"] = ", ".join(to)
        mail["Subject"] = " ".join(title(note, language).split())
        mail["Date"] = format_datetime(dt.datetime.fromtimestamp(now_s, dt.UTC))
        mail["Message-ID"] = f"<{note.id}@{domain}>"
        mail["References"] = thread
        mail["In-Reply-To"] = thread
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        if note.grade >= Grade.ORANGE:
            mail["X-Priority"] = "1"
            mail["Importance"] = "high"
        mail.set_content("\n".join(lines(note, language)) + "\n", cte="base64")
        return mail

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted and logged in, and ends by the deadline."""
        resolve = addresses_of if self._allow_private else checked_addresses
        addresses = [str(address) for address in resolve(self._host, self._port)]
        if self._scheme == "smtps":
            session: smtplib.SMTP = _PinnedTls(addresses, self._tls, self._timeout_s)
        else:
            session = _Pinned(addresses, self._timeout_s)
        guard = threading.Timer(self._timeout_s, _hang_up, (session,))
        guard.daemon = True
        guard.start()
        try:
            _expect(session.connect(self._host, self._port), OutcomeKind.RETRY)
            session._host = self._host  # type: ignore[attr-defined]  # noqa: SLF001  # the name that STARTTLS verifies
            session.ehlo_or_helo_if_needed()
            if self._scheme == "smtp":
                self._encrypt(session)
            if self._login[0]:
                self._sign_in(session)
            yield session
            with contextlib.suppress(OSError, smtplib.SMTPException):
                session.putcmd("quit")  # its answer changes nothing
        finally:
            guard.cancel()
            session.close()

    def _encrypt(self, session: smtplib.SMTP) -> None:
        if not session.has_extn("starttls"):
            if self._allow_private and not self._login[0]:
                return  # a relay on the premises, and no password that could be overheard
            raise _RefusedError(
                Outcome(
                    OutcomeKind.MISCONFIGURED,
                    vendor_code="starttls",
                    detail="the server offers no STARTTLS; nothing is sent in the clear",
                )
            )
        _expect(session.starttls(context=self._tls), OutcomeKind.MISCONFIGURED)
        session.ehlo()

    def _sign_in(self, session: smtplib.SMTP) -> None:
        try:
            session.login(*self._login)
        except smtplib.SMTPAuthenticationError as error:
            kind = OutcomeKind.RETRY if 400 <= error.smtp_code < 500 else OutcomeKind.MISCONFIGURED
            raise _RefusedError(self._outcome(error.smtp_code, b"login refused", kind)) from None
        except smtplib.SMTPNotSupportedError:
            raise _RefusedError(
                Outcome(OutcomeKind.MISCONFIGURED, vendor_code="auth", detail="no login offered")
            ) from None

    def _deliver(self, session: smtplib.SMTP, mail: EmailMessage, to: Sequence[str]) -> Outcome:
        code, text = session.mail(self._options.sender)
        if code != 250:
            kind = OutcomeKind.RETRY if code < 500 else OutcomeKind.MISCONFIGURED
            return self._outcome(code, text, kind)
        refused: dict[str, Outcome] = {}
        for address in to:
            code, text = session.rcpt(address)
            if code not in (250, 251):
                outcome = self._outcome(code, text, _kind(code))
                personal = outcome.kind is OutcomeKind.RETRY and _is_personal(code, text)
                refused[address] = replace(outcome, personal=personal)
        if len(refused) < len(to):
            taken = self._hand_over(session, mail)
        else:
            taken = Outcome(OutcomeKind.PERMANENT)
        return together([Fate(masked(each), refused.get(each, taken)) for each in to])

    def _hand_over(self, session: smtplib.SMTP, mail: EmailMessage) -> Outcome:
        """Send the text itself; from its last line to the answer nobody knows its fate."""
        try:
            code, text = session.data(mail.as_bytes())
        except smtplib.SMTPDataError as error:  # not even begun
            return self._outcome(error.smtp_code, error.smtp_error, _kind(error.smtp_code))
        except (OSError, smtplib.SMTPException):
            return Outcome(
                OutcomeKind.UNKNOWN, vendor_code="data", detail="no answer; it may have arrived"
            )
        if code == 250:
            return Outcome(OutcomeKind.ACCEPTED, vendor_code="250", vendor_id=_queued(text))
        return self._outcome(code, text, _kind(code))

    def _outcome(self, code: int, text: bytes | str, kind: OutcomeKind) -> Outcome:
        said = text.decode(errors="replace") if isinstance(text, bytes) else text
        for secret in filter(None, self._login):
            said = said.replace(secret, "…")
        said = _ADDRESS.sub(lambda found: masked(found.group()), said)
        return Outcome(kind, vendor_code=str(code), detail=f"SMTP {code}: {said[:200]}")


class _RefusedError(Exception):
    """The server said no before a mail was begun."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.vendor_code)
        self.outcome = outcome


class _Pinned(smtplib.SMTP):
    """Connects to an address that was checked, whatever the name says a second time."""

    def __init__(self, addresses: Sequence[str], timeout_s: float) -> None:
        super().__init__(timeout=timeout_s, local_hostname="safety-eye")
        self._addresses = addresses

    def _get_socket(self, _host: str, port: int, timeout: float) -> socket.socket:
        """Connect to the first address that answers: of two, one is often unreachable (IPv6)."""
        failed = OSError("no address")
        for address in self._addresses:
            try:
                line = socket.create_connection((address, port), timeout / len(self._addresses))
            except OSError as error:
                failed = error
            else:
                line.settimeout(timeout)
                return line
        raise failed

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _WholeLines(self.sock.makefile("rb"))
        return super().getreply()


class _WholeLines:
    """Replies line by line. smtplib would take `250` for a reply that broke off behind it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        if line and not line.endswith(b"\n") and len(line) < limit:
            raise smtplib.SMTPServerDisconnected("the reply broke off")
        return line

    def close(self) -> None:
        self._file.close()


class _PinnedTls(_Pinned):
    def __init__(self, addresses: Sequence[str], context: ssl.SSLContext, timeout_s: float) -> None:
        super().__init__(addresses, timeout_s)
        self._context = context

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return self._context.wrap_socket(plain, server_hostname=host)


def _hang_up(session: smtplib.SMTP) -> None:
    """End whatever the session waits for: a server that drips would hold a thread for ever."""
    if session.sock is not None:
        with contextlib.suppress(OSError):
            session.sock.shutdown(socket.SHUT_RDWR)


def _server(entry: ChannelEntry) -> tuple[str, str, int]:
    try:
        parts = urlsplit(entry.url)
        port = parts.port
    except ValueError as error:
        raise ChannelError(f"url: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ChannelError("url: expected smtp://HOST[:587] (STARTTLS) or smtps://HOST[:465]")
    if parts.username or parts.password:
        raise ChannelError("url: no user and password in it; they would end in logs")
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def _expect(reply: tuple[int, bytes], otherwise: OutcomeKind) -> None:
    code = reply[0]
    if not 200 <= code < 300:
        raise _RefusedError(Outcome(otherwise, vendor_code=str(code), detail=f"SMTP {code}"))


def _kind(code: int) -> OutcomeKind:
    if code in _LOGIN_CODES:
        return OutcomeKind.MISCONFIGURED
    return OutcomeKind.RETRY if code < 500 else OutcomeKind.PERMANENT


def _is_personal(code: int, text: bytes) -> bool:
    """Tell whether "not now" is about this mailbox (full, grey-listed), not about the server.

    Of the server are the status codes x.3 to x.5 (RFC 3463: system, network, protocol); without
    one 451, a local error, and 421, which ends the session (RFC 5321, 4.2.3).
    """
    status = re.match(rb"4\.([0-9]{1,3})\.", text)
    if code == 421:
        return False
    return status.group(1) not in (b"3", b"4", b"5") if status else code != 451


def _queued(text: bytes) -> str:
    """Return the id that many servers tell: `2.0.0 Ok: queued as 4F3A`."""
    found = re.search(rb"queued as (\S{1,60})", text)
    return found.group(1).decode(errors="replace") if found else ""
