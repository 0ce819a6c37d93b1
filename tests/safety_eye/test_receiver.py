"""The demo's receiver: a correct consumer of Standard Webhooks, judged by the reference library."""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import socket
import struct
from collections.abc import Iterator

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from safety_eye.receiver import Delivery, Receiver

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = json.dumps({"type": "incident.alert", "data": {"title": "underpass"}})


@pytest.fixture
def came() -> list[Delivery]:
    return []


@pytest.fixture
def receiver(came: list[Delivery]) -> Iterator[Receiver]:
    server = Receiver(SECRET, came.append)
    yield server
    server.close()


def post(receiver: Receiver, webhook_id: str, body: str = BODY, secret: str = SECRET) -> int:
    at = dt.datetime.fromtimestamp(1_764_500_000, dt.UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body),
    }
    return httpx.post(receiver.url, content=body, headers=headers, trust_env=False).status_code


def test_a_signed_post_is_accepted_and_a_repeated_one_is_known_by_its_id(
    receiver: Receiver, came: list[Delivery]
) -> None:
    assert [post(receiver, "n-1"), post(receiver, "n-1"), post(receiver, "n-2")] == [204] * 3

    assert [(item.id, item.repeated) for item in came] == [
        ("n-1", False),
        ("n-1", True),
        ("n-2", False),
    ]
    assert came[0].body["data"]["title"] == "underpass"


def test_a_post_with_a_foreign_signature_is_refused(
    receiver: Receiver, came: list[Delivery]
) -> None:
    foreign = "whsec_" + base64.b64encode(b"x" * 32).decode()

    assert post(receiver, "n-1", secret=foreign) == 401
    assert (came, receiver.refused) == ([], 1)


def test_a_body_that_is_not_json_is_refused(receiver: Receiver, came: list[Delivery]) -> None:
    assert post(receiver, "n-1", body="{") == 401
    assert came == []


def test_a_body_that_is_no_object_is_refused(receiver: Receiver, came: list[Delivery]) -> None:
    assert [post(receiver, "n-1", body=body) for body in ("[]", "3", "[" * 30_000)] == [401] * 3
    assert came == []


def hang_up(receiver: Receiver, sent: bytes) -> None:
    """Send a part of a post, then reset the connection as the kernel does for a killed sender."""
    url = httpx.URL(receiver.url)
    with socket.create_connection((url.host, url.port or 0), timeout=5) as connection:
        connection.sendall(sent)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /safety-eye HTTP/1.1\r\n",
        b"POST /safety-eye HTTP/1.1\r\ncontent-length: 90\r\n\r\n{",
    ],
    ids=["before the request", "within the headers", "within the body"],
)
def test_a_sender_that_hangs_up_is_let_go_without_a_word(
    receiver: Receiver,
    came: list[Delivery],
    capfd: pytest.CaptureFixture[str],
    sent: bytes,
) -> None:
    for _ in range(20):
        hang_up(receiver, sent)

    assert post(receiver, "n-1") == 204
    assert [item.id for item in came] == ["n-1"]
    assert receiver.refused == 0
    receiver.close()
    assert capfd.readouterr().err == ""


def test_a_fault_of_the_one_who_is_told_is_said_in_one_line(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_delivery: Delivery) -> None:
        raise OSError("no space left on device")

    receiver = Receiver(SECRET, fail)
    with pytest.raises(httpx.RemoteProtocolError):
        post(receiver, "n-1")
    receiver.close()

    assert [
        record.getMessage() for record in caplog.records if record.name.endswith("receiver")
    ] == ["a delivery could not be taken in (OSError): no space left on device"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_length_that_is_no_number_is_refused(receiver: Receiver) -> None:
    url = httpx.URL(receiver.url)
    asking = http.client.HTTPConnection(url.host, url.port, timeout=5)
    asking.request("POST", url.path, headers={"content-length": "two"})

    assert asking.getresponse().status == 400
    asking.close()
