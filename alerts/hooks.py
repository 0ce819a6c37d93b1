"""Alerts of Grafana and Alertmanager that come in by webhook: is it them, what do they say. Pure.

Who signs: Grafana with its own HMAC over `timestamp:body` (the timestamp header is needed: without
it a recorded post could be sent again for ever); Alertmanager can't sign, so it sends a bearer
token, or a relay in between signs as Standard Webhooks do. Facts: channels reference 1.11, 4.3.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.webhook import MIN_KEY_BYTES, signature
from alerts.claims import Claim
from core.community import Community
from core.finding import Hazard
from core.grade import Grade
from core.identity import is_slug

KINDS = ("grafana", "alertmanager")
# How far a signed timestamp may be from now, wall seconds (Standard Webhooks; channels 4.3).
WINDOW_S = 300
# A post of 100 alerts (our provisioned `maxAlerts`) is about 150 kB.
MAX_BYTES = 512_000
MOST_ALERTS = 500
# Shorter secrets can be guessed; Standard Webhooks asks for 24 bytes.
SHORTEST_SECRET = 24
GRAFANA_SIGNATURE = "x-grafana-alerting-signature"
GRAFANA_TIMESTAMP = "x-grafana-alerting-timestamp"
# What others call their severities, in our grades (channels reference 3.2).
SEVERITIES = {
    "critical": Grade.RED,
    "error": Grade.ORANGE,
    "warning": Grade.YELLOW,
    "info": Grade.BLUE,
}
SEVERITY_LABEL = "severity"
GRADES = {grade.word: grade for grade in Grade if grade} | SEVERITIES


class HookEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[hook]]` of hub.toml: a system that may tell us of its alerts.

    Attributes:
        name: Slug; it posts to `/api/v1/hooks/<name>`.
        kind: `grafana` or `alertmanager`.
        secret_file, secret_env: Where the secret is: Grafana's HMAC secret; Alertmanager's bearer
            token, or `whsec_…` if a relay signs as Standard Webhooks.
        zone_label, hazard_label, grade_label: Names of the labels that say where, what and how bad.
            Where the last one is missing, `severity` is read.
        per_minute: Posts a minute that are taken.
        stale_s: An alert that has not been repeated for so long is unknown, seconds. Our choice:
            three times the usual repeat interval of 4 h.
    """

    name: str
    kind: str
    secret_file: str = ""
    secret_env: str = ""
    zone_label: str = "zone"
    hazard_label: str = "hazard"
    grade_label: str = "grade"
    per_minute: int = 60
    stale_s: float = 43_200.0


class HookError(ValueError):
    """A post is refused.

    Attributes:
        status: HTTP status that says so.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class HookAlert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a post; unknown keys are ignored."""

    status: str
    labels: dict[str, str]
    starts_at: dt.datetime
    fingerprint: str = ""


class _Post(msgspec.Struct, frozen=True):
    version: str
    alerts: tuple[HookAlert, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """One alert that we understood.

    Attributes:
        fingerprint: Which alert.
        firing: False once it is resolved.
        starts_at: When it began (ms).
        claim: What it says.
    """

    fingerprint: str
    firing: bool
    starts_at: int
    claim: Claim


def hook_problems(entry: HookEntry) -> list[str]:
    """Return what is wrong with a `[[hook]]`, as people would mend it."""
    found = []
    if not is_slug(entry.name):
        found.append(f"hook {entry.name!r}: its name is not a slug")
    if entry.kind not in KINDS:
        found.append(f"hook {entry.name!r}: kind {entry.kind!r}: expected {' or '.join(KINDS)}")
    if not 1 <= entry.per_minute <= 6000:
        found.append(f"hook {entry.name!r}: per_minute {entry.per_minute}: expected 1 to 6000")
    if entry.stale_s < 60:
        found.append(f"hook {entry.name!r}: stale_s {entry.stale_s:g}: at least 60 s")
    return found


def hook_secret(entry: HookEntry) -> str:
    """Return the secret of a hook.

    Raises:
        ChannelError: It names none, it can't be read, or it is too short.
    """
    source = ChannelEntry(
        name=entry.name, kind=entry.kind, secret_file=entry.secret_file, secret_env=entry.secret_env
    )
    secret = read_secret(source)
    if len(secret) < SHORTEST_SECRET:
        raise ChannelError(
            f"hook {entry.name!r}: its secret has {len(secret)} characters, "
            f"at least {SHORTEST_SECRET} are needed"
        )
    if secret.startswith("whsec_"):
        _standard_key(secret, entry.name)
    return secret


def verify(
    entry: HookEntry, secret: str, headers: Mapping[str, str], body: bytes, wall_s: int
) -> tuple[int, str]:
    """Return when a post was signed (wall s; 0 if this kind can't say) and what it is known by.

    Args:
        entry: Which hook.
        secret: Its secret.
        headers: Of the request, names in lower case.
        body: As it came.
        wall_s: Now.

    Raises:
        HookError: It is not from them, too old, or from the future.
    """
    if entry.kind == "grafana":
        return _verify_grafana(secret, headers, body, wall_s)
    if secret.startswith("whsec_"):
        return _verify_standard(entry, secret, headers, body, wall_s)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not _equal(token.strip(), secret):
        raise HookError(401, "the bearer token of this hook is needed")
    return 0, ""


def _verify_grafana(
    secret: str, headers: Mapping[str, str], body: bytes, wall_s: int
) -> tuple[int, str]:
    given = headers.get(GRAFANA_SIGNATURE, "")
    timestamp = headers.get(GRAFANA_TIMESTAMP, "")
    if not given or not timestamp:
        raise HookError(
            401,
            f"the headers {GRAFANA_SIGNATURE} and {GRAFANA_TIMESTAMP} are needed: set hmacConfig "
            "with header and timestampHeader in the contact point",
        )
    wanted = hmac.new(secret.encode(), f"{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    if not _equal(given.lower(), wanted):
        raise HookError(401, "the signature is not that of this hook's secret")
    return _fresh(timestamp, wall_s), wanted


def _verify_standard(
    entry: HookEntry, secret: str, headers: Mapping[str, str], body: bytes, wall_s: int
) -> tuple[int, str]:
    name, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()
    if not name or not timestamp or not given:
        raise HookError(401, "webhook-id, webhook-timestamp and webhook-signature are needed")
    signed_s = _fresh(timestamp, wall_s)
    wanted = signature(_standard_key(secret, entry.name), name, signed_s, body)
    if not any(_equal(one, wanted) for one in given):
        raise HookError(401, "the signature is not that of this hook's secret")
    return signed_s, name


def _fresh(timestamp: str, wall_s: int) -> int:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise HookError(401, "the timestamp is not a number of seconds")
    if abs(int(timestamp) - wall_s) > WINDOW_S:
        raise HookError(
            401, f"the timestamp is more than {WINDOW_S} s from now: look at both clocks"
        )
    return int(timestamp)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _standard_key(secret: str, name: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ChannelError(f"hook {name!r}: its secret is not whsec_ and base64") from error
    if len(key) < MIN_KEY_BYTES:
        raise ChannelError(f"hook {name!r}: its key has fewer than {MIN_KEY_BYTES} bytes")
    return key


def read(
    entry: HookEntry, body: bytes, community: Community, now: int
) -> tuple[list[Said], list[str]]:
    """Return what a post says, and why some of its alerts are not understood.

    Args:
        entry: Which hook.
        body: Of a post that was verified.
        community: For zones.
        now: Run time (ms).

    Raises:
        HookError: It is no such post at all.
    """
    try:
        post = msgspec.json.decode(body, type=_Post)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HookError(422, f"not a notification of {entry.kind}: {error}") from error
    if post.version not in ("1", "4"):
        raise HookError(422, f"version {post.version[:20]!r}: expected 1 (Grafana) or 4")
    if len(post.alerts) > MOST_ALERTS:
        raise HookError(422, f"{len(post.alerts)} alerts in one post, at most {MOST_ALERTS}")
    said, refused = [], []
    for number, alert in enumerate(post.alerts, 1):
        try:
            said.append(_said(entry, alert, community, now))
        except ValueError as error:
            refused.append(f"alert {number}: {error}")
    return said, refused


def _said(entry: HookEntry, alert: HookAlert, community: Community, now: int) -> Said:
    if alert.status not in ("firing", "resolved"):
        raise ValueError(f"status {alert.status[:40]!r}: expected firing or resolved")
    places = [zone.id for zone in community.zone] + [community.site.id]
    zone = _label(alert, entry.zone_label, dict.fromkeys(places, ""))
    hazard = Hazard(_label(alert, entry.hazard_label, {str(one): "" for one in Hazard}))
    # Prometheus calls it severity; whoever says both means ours.
    plain = entry.grade_label not in alert.labels and SEVERITY_LABEL in alert.labels
    grade = GRADES[_label(alert, SEVERITY_LABEL if plain else entry.grade_label, GRADES)]
    starts_at = round(alert.starts_at.timestamp() * 1000)
    if alert.starts_at.tzinfo is None or starts_at <= 0:
        raise ValueError("startsAt: a time with its offset is expected")
    claim = Claim(
        rule=f"hook-{entry.name}-{hazard}", zone=zone, hazard=hazard, grade=grade,
        since=min(starts_at, now), source=_source(entry, alert),
    )  # fmt: skip
    return Said(_fingerprint(alert), alert.status == "firing", starts_at, claim)


def _label(alert: HookAlert, name: str, known: Mapping[str, object]) -> str:
    value = alert.labels.get(name)
    if value is None:
        raise ValueError(f"label {name!r} is missing; expected one of {', '.join(known)}")
    if value not in known:
        raise ValueError(f"label {name!r} is {value[:40]!r}: expected one of {', '.join(known)}")
    return value


def _source(entry: HookEntry, alert: HookAlert) -> str:
    name = " ".join(alert.labels.get("alertname", "").split())
    text = "".join(sign for sign in name if sign.isprintable())[:40]
    return f"{entry.name}: {text}" if text else entry.name


def _fingerprint(alert: HookAlert) -> str:
    if 0 < len(alert.fingerprint) <= 80:
        return alert.fingerprint
    return hashlib.sha256(msgspec.json.encode(sorted(alert.labels.items()))).hexdigest()
