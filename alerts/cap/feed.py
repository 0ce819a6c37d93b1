"""The Atom feed (RFC 4287) of CAP messages that hold now. Pure."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from lxml import etree

from alerts.cap.document import MEDIA_TYPE
from alerts.cap.message import CapMessage

NAMESPACE = "http://www.w3.org/2005/Atom"
FEED_MEDIA_TYPE = "application/atom+xml"
_Q = f"{{{NAMESPACE}}}"
# Names of feeds and entries: UUIDs made from ours, so that they never change.
_NAMES = uuid.UUID("9a6b2f1e-0d1c-5c7e-8d55-6f0c1a7d3e21")


def feed(
    messages: Sequence[CapMessage], *, title: str, sender: str, base_url: str, updated: int
) -> bytes:
    """Return the feed.

    Args:
        messages: Newest first.
        title: Of the feed.
        sender: Our name in the world.
        base_url: Under which the messages are served.
        updated: When the newest message of all was sent (ms), 0 if there never was one.
    """
    root = etree.Element(f"{_Q}feed", nsmap={None: NAMESPACE})
    base = f"{base_url.rstrip('/')}/api/v1/cap"
    _put(root, "id", _urn(f"feed {sender}"))
    _put(root, "title", title)
    _put(root, "updated", _time(updated))
    _put(etree.SubElement(root, f"{_Q}author"), "name", sender)
    _put(root, "generator", "Safety Eye")
    etree.SubElement(root, f"{_Q}link", rel="self", type=FEED_MEDIA_TYPE, href=f"{base}/feed.atom")
    for message in messages:
        _entry(root, message, base)
    text = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return bytes(text)


def _entry(root: etree._Element, message: CapMessage, base: str) -> None:
    entry = etree.SubElement(root, f"{_Q}entry")
    info = message.infos[0] if message.infos else None
    _put(entry, "id", _urn(f"{message.sender},{message.identifier}"))
    _put(entry, "title", info.headline if info else message.identifier)
    _put(entry, "updated", _time(message.sent))
    _put(entry, "published", _time(message.sent))
    etree.SubElement(entry, f"{_Q}category", term=message.status, label="status")
    etree.SubElement(entry, f"{_Q}category", term=message.kind, label="msgType")
    href = f"{base}/{message.identifier}.xml"
    etree.SubElement(entry, f"{_Q}link", rel="alternate", type=MEDIA_TYPE, href=href)
    _put(entry, "summary", (info.description or info.headline) if info else message.note)


def _put(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{_Q}{name}").text = "".join(
        sign for sign in text if sign in "\t\n" or sign.isprintable()
    )


def _urn(name: str) -> str:
    return uuid.uuid5(_NAMES, name).urn


def _time(at_ms: int) -> str:
    when = dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
