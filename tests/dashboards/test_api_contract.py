"""The OpenAPI document is the contract: whatever is asked, what is answered stands in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from alerts.envelope import MOST_BODY_BYTES
from tests.dashboards.json_shape import misfits
from tests.dashboards.test_people_pages import Desk, desk

PROBLEM = "application/problem+json"
STRANGE_NAMES = (
    "0",
    "-1",
    "99999999999999999999999",
    "NaN",
    "中文🚨",
    "x" * 3000,
    "\u0000\u202e<b>",
)
STRANGE_VALUES: tuple[object, ...] = (
    None, True, -(10**30), 1e308, float("nan"), "", "中文🚨\u202e<script>", "\u0000", "x" * 30_000,
    "\ud800", [[]], {},
)  # fmt: skip
STRANGE_BODIES = (
    b"", b"{", b"null", b"NaN", b"\xff\xfe{", b"[" * 50_000, b'{"a":' * 3_000,
    b'{"who":"a","who":"b"}', b'{"who":"\\ud800"}',
)  # fmt: skip


@dataclass
class Inspector:
    """Asks, and notes every answer that the document does not know."""

    desk: Desk
    document: dict[str, Any]
    faults: list[str] = field(default_factory=list)

    async def ask(self, verb: str, path: str, address: str, **sent: Any) -> httpx.Response:
        given = await self.desk.web.asked(verb.upper(), address, **sent)
        told = f"{verb.upper()} {address[:90]} {str(sent)[:120]} -> {given.status_code}"
        answers = self.document["paths"][path][verb]["responses"]
        if given.status_code == 307:  # an empty name at the end is another address
            return given
        if str(given.status_code) not in answers:
            self.faults.append(f"{told}: only {sorted(answers)} are documented: {given.text[:90]}")
            return given
        content = answers[str(given.status_code)].get("content", {})
        media = given.headers.get("content-type", "").partition(";")[0]
        if given.content and media not in content:
            self.faults.append(f"{told}: {media} is not documented")
        elif media.endswith("json"):
            wrong = misfits(
                given.json(), content[media]["schema"], self.document["components"]["schemas"]
            )
            self.faults += [f"{told}: {text}" for text in wrong[:3]]
        return given

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, verbs in self.document["paths"].items():
            for verb, operation in verbs.items():
                if path != "/api/v1/events":  # an endless stream: `test_console_feed`
                    yield path, verb, operation


@pytest.fixture
def inspector(tmp_path: Path) -> Iterator[Inspector]:
    made = desk(tmp_path)
    yield Inspector(made, made.web.get("/api/v1/openapi.json").json())
    made.service.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Yield the desk of those who change nothing there: to make one takes seconds."""
    made = desk(tmp_path_factory.mktemp("shared"))
    yield made
    made.service.stop()


def address_of(path: str, value: str = "1") -> str:
    """Return a path with *value* in each of its places."""
    parts = path.split("/")
    return "/".join(
        part.replace(part[part.index("{") : part.index("}") + 1], quote(value, safe=""))
        if "{" in part
        else part
        for part in parts
    )


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return something that fits a schema, as far as types go."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return schema["default"]
    if schema.get("type") == "object":
        return {name: example(one, schemas) for name, one in schema.get("properties", {}).items()}
    words = {"integer": 1, "number": 1.0, "boolean": True, "array": [], "string": "duty-1"}
    return words.get(schema.get("type", ""))


def live_through(made: Desk) -> None:
    """Fill every list once, so that there is something to compare with its shape."""
    ask = made.web.post
    who = {"who": "duty-1"}
    for path, body in (
        ("incidents/1/acknowledge", who),
        ("incidents/1/decide", who | {"option": "act", "mandate": "duty"}),
        ("incidents/1/notes", who | {"text": "到场"}),
        ("hand-overs", who | {"text": "一切正常"}),
        ("hand-overs/1/acknowledge", {"who": "duty-2"}),
        ("reports", {"zone": "underpass", "hazard": "flood", "text": "水"}),
        ("reports/1/confirm", who | {"grade": "yellow"}),
        ("withholdings", {"kind": "shelved", "owner": "duty-1", "reason": "修理", "minutes": 30,
                          "sensor": "gauge-1"}),
    ):  # fmt: skip
        given = ask(f"/api/v1/{path}", json=body)
        assert given.is_success, f"{path}: {given.text}"


def test_every_answer_has_the_documented_status_and_shape(inspector: Inspector) -> None:
    made = inspector.desk
    live_through(made)
    [message, *_] = made.web.get("/api/v1/cap/incidents/1").json()
    names = {"{sensor}": "gauge-1", "{person}": "duty-1", "{identifier}": message["identifier"]}

    others = set()
    for path, verb, _ in inspector.operations():
        if verb == "get":
            address = path
            for place, name in names.items():
                address = address.replace(place, name)
            given = asyncio.run(inspector.ask("get", path, address_of(address)))
            others |= {(path, given.status_code)} if given.status_code != 200 else set()

    assert not inspector.faults, "\n".join(inspector.faults)
    # No drill may be held while incident 1 is red, and no broker runs here.
    assert others == {("/api/v1/drills/{name}", 404), ("/health/ready", 503)}


def test_nothing_strange_in_an_address_or_a_body_gets_an_undocumented_answer(
    inspector: Inspector,
) -> None:
    asyncio.run(ask_strange_things(inspector))

    assert not inspector.faults, "\n".join(inspector.faults)


async def ask_strange_things(inspector: Inspector) -> None:
    schemas = inspector.document["components"]["schemas"]
    for path, verb, operation in inspector.operations():
        content = operation.get("requestBody", {}).get("content", {})
        good = example(content.get("application/json", {}).get("schema", {}), schemas)
        sent = {"json": good} if content else {}
        if "{" in path:
            for name in STRANGE_NAMES:
                await inspector.ask(verb, path, address_of(path, name), **sent)
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                for value in STRANGE_NAMES:
                    query = {parameter["name"]: value}
                    await inspector.ask(verb, path, address_of(path), params=query, **sent)
        if content:
            await strange_bodies(inspector, verb, path, good)


async def strange_bodies(inspector: Inspector, verb: str, path: str, good: Any) -> None:
    """Send broken bodies, and a good one with each of its fields made strange in turn."""
    address, kind = address_of(path), {"content-type": "application/json"}
    for body in STRANGE_BODIES:
        await inspector.ask(verb, path, address, content=body, headers=kind)
    await inspector.ask(
        verb, path, address, content=b"who=duty-1", headers={"content-type": "text/plain"}
    )
    for name in good if isinstance(good, dict) else ():
        for value in STRANGE_VALUES:
            body = json.dumps(good | {name: value}).encode()
            await inspector.ask(verb, path, address, content=body, headers=kind)


def test_a_body_that_is_too_long_is_refused_before_it_fills_the_memory(
    shared: Desk,
) -> None:
    long = b'{"token":"' + b"x" * MOST_BODY_BYTES + b'"}'

    async def dripping() -> Any:
        for start in range(0, len(long), 65_536):
            yield long[start : start + 65_536]

    for path in ("/api/v1/session", "/api/v1/reports", "/api/v1/registers", "/sign-in", "/report"):
        for content in (long, dripping()):
            given = shared.web.post(
                path, content=content, params={"who": "duty-1"},
                headers={"content-type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
            # Forms of pages have bounds of their own, too, and answer as pages.
            page = not path.startswith("/api/")
            assert given.status_code in ((400, 413) if page else (413,)), path
            assert page or given.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    ("path", "sent", "told"),
    [
        ("/api/v1/hooks/x", {"content": b"x" * (MOST_BODY_BYTES + 1)}, "内容最多 2100000 字节"),
        ("/api/v1/incidents/0/notes", {"json": {"who": "duty-1", "text": "到场"}}, "没有这个编号"),
    ],
)
def test_what_is_refused_before_a_route_is_asked_is_said_in_the_reader_s_language(
    shared: Desk, path: str, sent: dict[str, Any], told: str
) -> None:
    for language, part in (("zh-CN", told), ("en", "")):
        given = shared.web.post(path, headers={"accept-language": language}, **sent)
        detail = given.json()["detail"]
        assert part in detail
        assert detail.isascii() == (language == "en")


def test_a_time_that_no_history_can_hold_is_not_understood(shared: Desk) -> None:
    for times in ({"start": -1}, {"start": 0, "end": 10**20}):
        given = shared.web.get("/api/v1/sensors/gauge-1/readings", params=times)
        assert given.status_code == 422


def test_head_is_answered_as_get_without_a_body(shared: Desk) -> None:
    web = shared.web
    for path in ("/health/live", "/api/v1/incidents", "/metrics", "/", "/static/console/live.js"):
        asked, head = web.get(path), web.request("HEAD", path)
        assert (head.status_code, head.content) == (asked.status_code, b"")
        assert head.headers["content-type"] == asked.headers["content-type"]


def test_a_wrong_method_is_told_which_ones_there_are(shared: Desk) -> None:
    web = shared.web
    for path, methods in (
        ("/api/v1/withholdings", "HEAD, GET, POST"),
        ("/api/v1/persons/duty-1", "HEAD, GET, DELETE"),
        ("/api/v1/incidents/1/acknowledge", "POST"),
        ("/health/live", "HEAD, GET"),
        ("/incidents/1", "HEAD, GET"),
    ):
        given = web.request("PUT", path)
        assert (path, given.status_code, given.headers["allow"]) == (path, 405, methods)


def test_every_answer_keeps_browsers_and_caches_from_guessing(shared: Desk) -> None:
    web = shared.web
    paths = ["/api/v1/incidents", "/api/v1/openapi.json", "/health/ready", "/metrics", "/", "/nope"]
    for path in paths:
        headers = web.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store", path
        assert "default-src 'none'" in headers["content-security-policy"], path


@pytest.mark.parametrize("number", ["0", "99999999999999999999", "-9223372036854775809"])
def test_a_form_for_a_number_that_nothing_has_is_refused_without_a_fault(
    shared: Desk, number: str
) -> None:
    shared.page("/incidents/1")
    for path in (
        f"/incidents/{number}/cycle/note", f"/incidents/{number}/plan/step",
        f"/incidents/{number}/acknowledge", f"/duty/reports/{number}/confirm",
        f"/duty/reports/{number}/erase", f"/withheld/{number}/release",
    ):  # fmt: skip
        assert (path, shared.click(path, note="x").status_code) == (path, 404)


@pytest.mark.parametrize("path", ["/api/v1/hooks/x", "/api/v1/reports", "/api/v1/voice/x/y"])
def test_who_goes_away_in_the_middle_of_a_request_leaves_no_trace(shared: Desk, path: str) -> None:
    said: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": b"",
        "query_string": b"", "headers": [], "scheme": "http", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8765),
    }  # fmt: skip
    asyncio.run(shared.app(scope, receive, send))
    assert all(message.get("status", 400) < 500 for message in said)
