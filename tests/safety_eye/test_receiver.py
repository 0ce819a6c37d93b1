"""The demo's receiver: a correct consumer of Standard Webhooks, judged by the reference library."""

from __future__ import annotations

import base64
import datetime as dt
import json
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
