"""The page behind a one-time link: it shows the incident; only its button takes it over.

Works on any phone, without scripts, without signing in, in the language of the site.
"""

from __future__ import annotations

import base64
import hashlib
import html

from fastapi import APIRouter, Request, Response

from alerts.incident import Kind
from alerts.links import Link, Links
from alerts.message import lines
from alerts.views import IncidentError, IncidentPort, IncidentView
from core.community import Community
from core.grade import Grade

_STYLE = (
    ":root{color-scheme:light dark}*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:34rem;padding:1.25rem;font:1.125rem/1.5 system-ui,sans-serif}"
    "h1{font-size:1.4rem;line-height:1.3;padding-left:.75rem;border-left:.6rem solid #777}"
    ".red h1{border-color:#c4161c}.orange h1{border-color:#d9660a}.yellow h1{border-color:#b58900}"
    ".blue h1{border-color:#1f6fd1}p{margin:.6rem 0;overflow-wrap:anywhere}"
    ".note{padding:.6rem .75rem;border:1px solid #8888;border-radius:.5rem}"
    "button{width:100%;min-height:3.5rem;margin:1rem 0;border:0;border-radius:.6rem;"
    "background:#0b5cad;color:#fff;font:600 1.25rem system-ui,sans-serif}"
    "button:focus-visible{outline:3px solid #f5a524;outline-offset:2px}a{color:inherit}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_WORDS = {
    "take": ("我来接手", "I take it"),
    "still": ("我还在处理", "I am still on it"),
    "again": ("换我接手", "I take it from here"),
    "you": ("你是", "You are"),
    "has": ("目前由 {} 接手", "{} has it"),
    "mine": ("已由你接手。", "You have it."),
    "nobody": ("尚无人接手。", "Nobody has it yet."),
    "used": ("此链接已用过一次。", "This link has been used."),
    "expired": (
        "此链接已过期，请打开控制台。",
        "This link is too old; please open the console.",
    ),
    "worse": (
        "险情已升级，此链接失效，请用最新消息里的链接。",
        "It has become worse; this link is void. Use the one in the latest message.",
    ),
    "closed": ("事件已结束，无需接手。", "The incident is closed; there is nothing to take over."),
    "wrong": ("链接无效。请检查是否完整。", "This is no valid link. Was it cut off?"),
    "done": ("已接手，其他人不再被呼叫。", "You have it; nobody else is called any more."),
    "more": ("详情与时间线", "Details and timeline"),
}


def link_router(links: Links, incidents: IncidentPort, community: Community) -> APIRouter:
    """Return the two routes of one-time links."""
    router = APIRouter(include_in_schema=False)
    page = LinkPage(community)

    @router.get("/a/{token}")
    def look(token: str) -> Response:
        link = links.read(token)
        view = incidents.incident(link.incident) if link is not None else None
        if link is None or view is None:
            return page.refusal("wrong", 404)
        return page.show(link, view)

    @router.post("/a/{token}")
    def take(request: Request, token: str) -> Response:
        link = links.read(token)
        view = incidents.incident(link.incident) if link is not None else None
        if link is None or view is None or _from_elsewhere(request):
            return page.refusal("wrong", 404)
        if link.used or link.expired or link.worse or not view.open:
            return page.show(link, view, status=409)
        try:
            view = incidents.acknowledge(link.incident, link.contact, "link")
        except IncidentError:
            return page.refusal("closed", 409)
        links.spend(link)  # after it: a crash in between must not cost the link
        return page.show(link, view, done=True)

    return router


def _from_elsewhere(request: Request) -> bool:
    """A page of another site may not press the button, even if it knows the link."""
    return request.headers.get("sec-fetch-site") not in (None, "same-origin", "none")


class LinkPage:
    """Writes the page.

    Args:
        community: For the language and the names.
    """

    def __init__(self, community: Community) -> None:
        self._language = community.site.language
        self._names = {contact.id: contact.name for contact in community.contact}

    def show(
        self, link: Link, view: IncidentView, *, done: bool = False, status: int = 200
    ) -> Response:
        """Return the page of one incident, with the button if it may be pressed."""
        note = link.note
        heading, *text = lines(note, self._language)
        parts = [f"<h1>{html.escape(heading)}</h1>"]
        parts += [f"<p>{html.escape(line)}</p>" for line in text if "http" not in line]
        parts.append(f'<p class="note" role="status">{self._state(link, view, done=done)}</p>')
        if not (done or link.used or link.expired or link.worse) and view.open:
            key = "still" if link.kind == Kind.REMINDER else "take"
            if view.acknowledged and view.acknowledged_by != link.contact:
                key = "again"
            parts.append(f'<form method="post"><button>{self._word(key)}</button></form>')
        if note.url:
            parts.append(f'<p><a href="{html.escape(note.url)}">{self._word("more")}</a></p>')
        return self._page(parts, view.grade if view.open else Grade.GREEN, status)

    def refusal(self, key: str, status: int) -> Response:
        """Return a page that says why nothing can be done."""
        return self._page([f"<h1>{self._word(key)}</h1>"], Grade.GREEN, status)

    def _state(self, link: Link, view: IncidentView, *, done: bool) -> str:
        who = f"{self._word('you')} {self._name(link.contact)}。"
        if self._language != "zh":
            who = f"{self._word('you')} {self._name(link.contact)}."
        if done:
            return f"{who} {self._word('done')}"
        if not view.open:
            return self._word("closed")
        if not view.acknowledged:
            state = self._word("nobody")
        elif view.acknowledged_by == link.contact:
            state = self._word("mine")
        else:
            state = self._word("has").format(self._name(view.acknowledged_by))
        if link.used:
            state += f" {self._word('used')}"
        elif link.expired:
            state += f" {self._word('expired')}"
        elif link.worse:
            state += f" {self._word('worse')}"
        return f"{who} {state}"

    def _name(self, contact: str) -> str:
        return html.escape(self._names.get(contact, contact))

    def _word(self, key: str) -> str:
        return _WORDS[key][0 if self._language == "zh" else 1]

    def _page(self, parts: list[str], grade: Grade, status: int) -> Response:
        language = "zh-CN" if self._language == "zh" else "en"
        title = "平安眼" if self._language == "zh" else "Safety Eye"
        text = (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{_STYLE}</style></head>"
            f'<body class="{grade.word}"><main>{"".join(parts)}</main></body></html>'
        )
        return Response(text, status, _HEADERS, "text/html; charset=utf-8")
