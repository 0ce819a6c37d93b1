"""Email: encrypted, logged in, one fate a recipient, one thread an incident."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import logging
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from alerts.channels import open_channels
from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.incident import Kind
from core.clock import RunClock
from core.community import Contact, Name
from safety_eye.authority import make_root, make_server
from tests.alerts.mail_server import MailServer, Manners
from tests.alerts.samples import note
from tests.servers import free_port

NOW_S = 1_764_500_003
PASSWORD = "nobodyspassword"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("authority")
    now = dt.datetime.fromtimestamp(RunClock().wall_ms() / 1000, dt.UTC)
    make_root(home, "riverside", now)
    make_server(home, home, ("localhost",), now)
    return home


@pytest.fixture
def server(authority: Path) -> Iterator[MailServer]:
    made = MailServer(authority / "server.crt")
    yield made
    made.close()


Made = Callable[..., Channel]


@pytest.fixture
def mail(tmp_path: Path, server: MailServer, authority: Path) -> Made:
    def make(*addresses: str, secret: str = f"hub\n{PASSWORD}", **changes: Any) -> Channel:
        file = tmp_path / "key"
        file.write_text(secret)
        options = {"sender": "eye@riverside.example", "ca_file": str(authority / "ca.crt")}
        keys: dict[str, Any] = {
            "name": "mail", "kind": "smtp", "url": f"smtp://localhost:{server.port}",
            "secret_file": str(file), "allow_private": True, "timeout_s": 2.0, **changes,
        }  # fmt: skip
        keys["options"] = options | keys.get("options", {})
        to = addresses or ("li@riverside.example",)
        contact = Contact("duty-1", "Li", "duty", tuple(f"mail:{address}" for address in to))
        return open_channels([ChannelEntry(**keys)], [contact])["mail"]

    return make


def read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_goes_out_encrypted_after_login_and_says_what_is_to_be_said(
    mail: Made, server: MailServer
) -> None:
    outcome = mail().send(note(), NOW_S)

    [one] = server.mails
    message = read(one.data)
    assert (outcome.kind, outcome.vendor_id) == (OutcomeKind.ACCEPTED, "4F3A")
    assert (one.encrypted, one.user, one.to) == (True, "hub", ("li@riverside.example",))
    assert message["Subject"] == "【红色 I 级】下穿通道 内涝"
    assert "已达到红线 0.27 m" in message.get_content()
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_repeated_mail_is_the_same_mail_and_an_incident_is_one_thread(
    mail: Made, server: MailServer
) -> None:
    channel = mail()

    channel.send(note(), NOW_S)
    channel.send(note(), NOW_S + 60)
    channel.send(note(kind=Kind.CLEAR, id="f" * 32), NOW_S + 120)

    first, again, clear = (read(one.data) for one in server.mails)
    assert first["Message-ID"] == again["Message-ID"] != clear["Message-ID"]
    assert {first["References"], again["References"], clear["References"]} == {
        "<incident-12@riverside.example>"
    }


def test_each_recipient_has_a_fate_of_its_own(mail: Made, server: MailServer) -> None:
    server.manners = Manners(replies={"rcpt TO:<gone@": "550 5.1.1 no such user gone@x.example"})

    outcome = mail("li@riverside.example", "gone@riverside.example").send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert [fate.outcome.kind for fate in outcome.fates] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.PERMANENT,
    ]
    assert "gone@" not in str(outcome)
    assert server.mails[0].to == ("li@riverside.example",)


ANSWERS = [
    ("", "421 4.3.2 busy", OutcomeKind.RETRY),
    ("", "554 no", OutcomeKind.RETRY),
    ("", "<html>this is no mail server</html>", OutcomeKind.RETRY),
    ("mail ", "452 4.3.1 disk full", OutcomeKind.RETRY),
    ("mail ", "550 5.7.1 sender refused", OutcomeKind.MISCONFIGURED),
    ("rcpt ", "450 4.2.0 greylisted", OutcomeKind.RETRY),
    ("rcpt ", "550 5.1.1 no such user", OutcomeKind.PERMANENT),
    ("rcpt ", "530 5.7.0 login needed", OutcomeKind.MISCONFIGURED),
    ("data", "451 4.3.0 try later", OutcomeKind.RETRY),
    (".", "554 5.7.1 looks like spam", OutcomeKind.PERMANENT),
    (".", "452 4.2.2 mailbox full", OutcomeKind.RETRY),
]


@pytest.mark.parametrize(("command", "reply", "wanted"), ANSWERS)
def test_each_answer_means_what_it_means(
    command: str, reply: str, wanted: OutcomeKind, mail: Made, server: MailServer
) -> None:
    server.manners = Manners(replies={command: reply})

    assert mail().send(note(), NOW_S).kind is wanted


BEHAVIOURS = [
    (Manners(reset="ehlo"), OutcomeKind.RETRY),
    (Manners(reset="rcpt"), OutcomeKind.RETRY),
    (Manners(reset="."), OutcomeKind.UNKNOWN),
    (Manners(silent="."), OutcomeKind.UNKNOWN),
    (Manners(silent="mail"), OutcomeKind.RETRY),
    (Manners(drip="rcpt"), OutcomeKind.RETRY),
    (Manners(drip="."), OutcomeKind.UNKNOWN),
    (Manners(starttls=False), OutcomeKind.MISCONFIGURED),
    (Manners(login=False), OutcomeKind.MISCONFIGURED),
]


@pytest.mark.parametrize(("manners", "wanted"), BEHAVIOURS, ids=str)
def test_a_server_that_breaks_falls_silent_or_drips_holds_nobody(
    manners: Manners, wanted: OutcomeKind, mail: Made, server: MailServer
) -> None:
    server.manners = manners
    clock = RunClock()
    began_s = clock.monotonic_s()

    outcome = mail(timeout_s=1.0).send(note(), NOW_S)

    assert outcome.kind is wanted
    assert clock.monotonic_s() - began_s < 5


def test_a_password_never_goes_out_in_the_clear(mail: Made, server: MailServer) -> None:
    server.manners = Manners(starttls=False)

    outcome = mail().send(note(), NOW_S)

    assert outcome.vendor_code == "starttls"
    assert not [command for command in server.commands if command.startswith("AUTH")]


def test_a_wrong_password_is_misconfigured_and_never_told(
    mail: Made, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    outcome = mail(secret="hub\nwrongpassword").send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.MISCONFIGURED
    assert "wrongpassword" not in f"{outcome}{caplog.text}"
    assert server.mails == []


def test_a_server_with_a_certificate_of_somebody_else_gets_no_mail(
    mail: Made, server: MailServer
) -> None:
    outcome = mail(options={"ca_file": ""}).send(note(), NOW_S)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.MISCONFIGURED, "certificate")
    assert server.mails == []


def test_nobody_listening_is_a_retry(mail: Made) -> None:
    assert mail(url=f"smtp://localhost:{free_port()}").send(note(), NOW_S).kind is OutcomeKind.RETRY


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "localhost", "2130706433"])
def test_only_public_servers_are_called_by_default(host: str, mail: Made) -> None:
    outcome = mail(url=f"smtp://{host}:2525", allow_private=False).send(note(), NOW_S)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.MISCONFIGURED, "address")


def test_a_relay_on_the_premises_needs_neither_login_nor_secret(
    mail: Made, server: MailServer
) -> None:
    server.manners = Manners(starttls=False, login=False)

    outcome = mail(secret_file="", options={"login": False}).send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.ACCEPTED


def test_no_name_from_outside_can_add_a_header(mail: Made, server: MailServer) -> None:
    evil = Name(zh="通道\r\nBcc: all@example.com", en="x")

    mail().send(note(place=evil), NOW_S)

    [one] = server.mails
    assert read(one.data)["Bcc"] is None
    assert one.to == ("li@riverside.example",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "https://mail.example.com"}, "smtp://"),
        ({"url": "smtp://hub:pw@mail.example.com"}, "no user and password"),
        ({"options": {"sender": "nobody"}}, "sender"),
        ({"options": {"colour": 1}}, "colour"),
        ({"options": {"ca_file": "/nowhere/ca.crt"}}, "ca_file"),
        ({"secret": "hub"}, "second line"),
        ({"timeout_s": 300.0}, "timeout_s"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_name_and_what_to_mend(
    changes: dict[str, Any], words: str, mail: Made
) -> None:
    with pytest.raises(ChannelError, match=r"channel 'mail'") as caught:
        mail(**changes)

    assert words in str(caught.value)


def test_a_contact_without_an_address_fails_at_once(mail: Made) -> None:
    outcome: Outcome = mail("not an address").send(note(), NOW_S)

    assert outcome.kind is OutcomeKind.PERMANENT
    assert 'channels = ["mail:li@example.com"]' in outcome.detail


@pytest.mark.parametrize(
    ("reply", "personal"),
    [
        ("452 4.2.2 mailbox full", True),
        ("450 4.2.0 greylisted", True),
        ("451 4.7.1 greylisted", True),
        ("450 mailbox busy", True),
        ("421 4.3.2 shutting down", False),
        # Whoever it is for: the breaker must let others take over.
        ("451 4.3.0 temporary lookup failure", False),
        ("451 temporary local problem", False),
        ("450 4.4.1 no route", False),
    ],
)
def test_a_full_mailbox_is_no_trouble_of_the_server_but_its_own_trouble_is(
    mail: Made, server: MailServer, reply: str, personal: bool
) -> None:
    """Five tries to one full mailbox would close the way to everybody else's."""
    server.manners = Manners(replies={"rcpt ": reply})

    outcome = mail().send(note(), NOW_S)

    assert (outcome.kind, outcome.personal) == (OutcomeKind.RETRY, personal)
