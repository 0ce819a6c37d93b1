"""CAP messages as XML: written for others, and read from whoever sends some. Pure.

What is read comes from outside: no entities, no network, no DTD, a size limit; then the schema of
OASIS, then the rules of the prose. What is written goes through the same checks, so that nothing
leaves that we would refuse.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from lxml import etree

from alerts.cap.message import (
    Area,
    CapMessage,
    Info,
    MessageType,
    Reference,
    Scope,
    Status,
    Value,
    own_problems,
    problems,
    read_references,
    read_time,
    write_reference,
    write_time,
)

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
# A warning in two languages is about 5 kB; those with long polygons about 100 kB.
MAX_BYTES = 512_000
# More problems than a person mends at once.
_MOST_REASONS = 8
_Q = f"{{{NAMESPACE}}}"
_SCHEMA = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("CAP-v1.2-schema.xsd"))))
_LOCK = threading.Lock()  # a schema object keeps the log of its last validation


class CapError(ValueError):
    """A document is no good CAP message; sending it again won't help.

    Attributes:
        reasons: What is wrong, for people.
        reference: Which message it was, as far as that could be read.
    """

    def __init__(self, reasons: Sequence[str], reference: Reference | None = None) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)
        self.reference = reference


def encode(message: CapMessage, timezone: str) -> bytes:
    """Return the XML of a message, times as they are written in *timezone*.

    Raises:
        CapError: It breaks the schema or the prose: an error of this program.
    """
    if found := own_problems(message):
        raise CapError(found, message.reference)
    root = etree.Element(f"{_Q}alert", nsmap={None: NAMESPACE})
    references = " ".join(write_reference(other, timezone) for other in message.references)
    _put(
        root,
        ("identifier", message.identifier),
        ("sender", message.sender),
        ("sent", write_time(message.sent, timezone)),
        ("status", message.status),
        ("msgType", message.kind),
        ("source", message.source),
        ("scope", message.scope),
        ("restriction", message.restriction),
        ("addresses", message.addresses),
        ("note", message.note),
        ("references", references),
        ("incidents", message.incidents),
    )
    for info in message.infos:
        _put_info(etree.SubElement(root, f"{_Q}info"), info, timezone)
    _check_schema(root, message.reference)
    text = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return bytes(text)


def _put_info(parent: etree._Element, info: Info, timezone: str) -> None:
    def time(at: int) -> str:
        return write_time(at, timezone) if at else ""

    _put(parent, ("language", info.language), *(("category", one) for one in info.categories))
    _put(parent, ("event", info.event), *(("responseType", one) for one in info.responses))
    _put(
        parent,
        ("urgency", info.urgency),
        ("severity", info.severity),
        ("certainty", info.certainty),
    )
    _put_values(parent, "eventCode", info.event_codes)
    _put(
        parent,
        ("effective", time(info.effective)),
        ("onset", time(info.onset)),
        ("expires", time(info.expires)),
        ("senderName", info.sender_name),
        ("headline", info.headline),
        ("description", info.description),
        ("instruction", info.instruction),
        ("web", info.web),
    )
    _put_values(parent, "parameter", info.parameters)
    for area in info.areas:
        child = etree.SubElement(parent, f"{_Q}area")
        _put(child, ("areaDesc", area.description))
        _put_values(child, "geocode", area.geocodes)


def _put(parent: etree._Element, *pairs: tuple[str, str]) -> None:
    for name, text in pairs:
        if text:
            etree.SubElement(parent, f"{_Q}{name}").text = _printable(text)


def _put_values(parent: etree._Element, name: str, values: tuple[Value, ...]) -> None:
    for value in values:
        child = etree.SubElement(parent, f"{_Q}{name}")
        _put(child, ("valueName", value.name), ("value", value.value))


def _printable(text: str) -> str:
    # XML knows no control characters but these; one in a device's name must not stop a warning.
    return "".join(sign for sign in text if sign in "\t\n" or sign.isprintable())


def decode(data: bytes) -> CapMessage:
    """Return the message of a document.

    Raises:
        CapError: It is none, or breaks the schema or the prose.
    """
    root = read_xml(data)
    if root.tag != f"{_Q}alert":
        raise CapError([f"the document is {str(root.tag)[:80]!r}, not a CAP 1.2 alert"])
    reference = _reference(root)
    _check_schema(root, reference)
    try:
        message = _message(root)
    except ValueError as error:
        raise CapError([str(error)], reference) from error
    if found := problems(message):
        raise CapError(found[:_MOST_REASONS], reference)
    return message


def read_xml(data: bytes) -> etree._Element:
    """Parse XML from outside with everything off that reaches out or blows up.

    Raises:
        CapError: Too big, malformed, or with a document type.
    """
    if len(data) > MAX_BYTES:
        raise CapError([f"{len(data)} bytes, at most {MAX_BYTES}"])
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CapError([f"not well-formed XML: {str(error)[:200]}"]) from error
    if root is None or root.getroottree().docinfo.doctype:
        raise CapError(["a document type (DOCTYPE) is not taken: entities can do harm"])
    return root


def _check_schema(root: etree._Element, reference: Reference | None) -> None:
    with _LOCK:
        if _SCHEMA.validate(root):
            return
        reasons = [
            f"line {entry.line}: {entry.message.replace(_Q, '')[:200]}"
            for entry in _SCHEMA.error_log
        ]
    raise CapError(reasons[:_MOST_REASONS], reference)


def _reference(root: etree._Element) -> Reference | None:
    """Return which message a document is, even if the rest of it is no good."""
    identifier, sender, sent = (_text(root, name) for name in ("identifier", "sender", "sent"))
    try:
        found = read_references(f"{sender},{identifier},{sent}")
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def _message(root: etree._Element) -> CapMessage:
    return CapMessage(
        identifier=_text(root, "identifier"),
        sender=_text(root, "sender"),
        sent=read_time(_text(root, "sent")),
        status=Status(_text(root, "status")),
        kind=MessageType(_text(root, "msgType")),
        scope=Scope(_text(root, "scope")),
        source=_text(root, "source"),
        restriction=_text(root, "restriction"),
        addresses=_text(root, "addresses"),
        note=_text(root, "note"),
        references=read_references(_text(root, "references")),
        incidents=_text(root, "incidents"),
        infos=tuple(_info(child) for child in root.findall(f"{_Q}info")),
    )


def _info(node: etree._Element) -> Info:
    return Info(
        language=_text(node, "language") or "en-US",
        categories=_texts(node, "category"),
        event=_text(node, "event"),
        responses=_texts(node, "responseType"),
        urgency=_text(node, "urgency"),
        severity=_text(node, "severity"),
        certainty=_text(node, "certainty"),
        event_codes=_values(node, "eventCode"),
        effective=_time(node, "effective"),
        onset=_time(node, "onset"),
        expires=_time(node, "expires"),
        sender_name=_text(node, "senderName"),
        headline=_text(node, "headline"),
        description=_text(node, "description"),
        instruction=_text(node, "instruction"),
        web=_text(node, "web"),
        parameters=_values(node, "parameter"),
        areas=tuple(
            Area(description=_text(area, "areaDesc"), geocodes=_values(area, "geocode"))
            for area in node.findall(f"{_Q}area")
        ),
    )


def _text(node: etree._Element, name: str) -> str:
    return (node.findtext(f"{_Q}{name}") or "").strip()


def _texts(node: etree._Element, name: str) -> tuple[str, ...]:
    return tuple((child.text or "").strip() for child in node.findall(f"{_Q}{name}"))


def _time(node: etree._Element, name: str) -> int:
    text = _text(node, name)
    return read_time(text) if text else 0


def _values(node: etree._Element, name: str) -> tuple[Value, ...]:
    return tuple(
        Value(_text(child, "valueName"), _text(child, "value"))
        for child in node.findall(f"{_Q}{name}")
    )
