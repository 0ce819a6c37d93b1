"""Reads feeds of warnings again and again, and hands each new message to `Upstream`.

A feed that can't be read is not a quiet feed: after a while that is a claim of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import structlog
from lxml import etree
from sqlalchemy.exc import SQLAlchemyError

from alerts.cap.document import MEDIA_TYPE, CapError, read_xml
from alerts.cap.document import NAMESPACE as CAP
from alerts.cap.feed import NAMESPACE as ATOM
from alerts.cap.fetch import Fetcher, FetchError
from alerts.cap.incoming import FeedEntry, NotOursError
from alerts.cap.upstream import Upstream
from alerts.claims import Claim
from core.clock import Clock
from core.finding import Hazard
from core.grade import Grade

log = structlog.get_logger()

# Documents read in one round, and remembered as known.
MOST_A_ROUND = 50
MOST_KNOWN = 5_000
# Rounds that may fail before people are told that warnings may be missed.
FAILED_ROUNDS = 3
_BAD = (CapError, NotOursError)


@dataclass
class _Feed:
    entry: FeedEntry
    fetcher: Fetcher
    due_s: float
    known: dict[str, None] = field(default_factory=dict)
    failures: int = 0
    failed_since: int = 0

    @property
    def host(self) -> str:
        return urlsplit(self.entry.url).hostname or "?"


class Poller:
    """Reads all feeds on one thread.

    Args:
        feeds: Which, and how often.
        upstream: Who takes the messages.
        site: Id of the site, for what is said of a feed that can't be read.
        clock: Clock of the run; rounds are wall time.
    """

    def __init__(
        self, feeds: tuple[FeedEntry, ...], upstream: Upstream, site: str, clock: Clock
    ) -> None:
        self._upstream = upstream
        self._site = site
        self._clock = clock
        now_s = clock.monotonic_s()
        self._feeds = [
            _Feed(entry, Fetcher(allow_private=entry.allow_private), now_s) for entry in feeds
        ]
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    def start(self) -> None:
        """Begin, if there is anything to read."""
        if self._feeds:
            self._thread.start()

    def stop(self) -> None:
        """End; a read that is under way is left to itself."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(2)
        for feed in self._feeds:
            feed.fetcher.close()

    def round(self) -> None:
        """Read every feed that is due, once."""
        for feed in self._feeds:
            now_s = self._clock.monotonic_s()
            if now_s < feed.due_s or self._stop.is_set():
                continue
            feed.due_s = now_s + feed.entry.every_s
            self._read(feed)

    def claims(self) -> list[Claim]:
        """Return which feeds have not been readable for some rounds."""
        with self._lock:
            return [
                Claim(
                    rule="upstream-feed", zone=self._site, hazard=Hazard.EQUIPMENT,
                    grade=Grade.BLUE, since=feed.failed_since, source=feed.host,
                )
                for feed in self._feeds
                if feed.failures >= FAILED_ROUNDS
            ]  # fmt: skip

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self.round()
            except Exception:
                log.exception("reading upstream warnings failed; going on")

    def _read(self, feed: _Feed) -> None:
        try:
            document = feed.fetcher.get(feed.entry.url)
            root = read_xml(document)
            if root.tag == f"{{{CAP}}}alert":
                self._take(document, feed.host)
            else:
                self._follow(feed, links(root, feed.entry.url))
        except (FetchError, CapError, SQLAlchemyError) as error:
            with self._lock:
                feed.failures += 1
                feed.failed_since = feed.failed_since or self._clock.now_ms()
            log.warning("an upstream feed can't be read", host=feed.host, why=str(error)[:200])
            return
        with self._lock:
            feed.failures, feed.failed_since = 0, 0

    def _follow(self, feed: _Feed, urls: list[str]) -> None:
        """Read what is new, oldest first: feeds list the newest first."""
        new = [url for url in urls if url not in feed.known][:MOST_A_ROUND]
        for url in reversed(new):
            if feed.entry.allow_private and urlsplit(url).netloc != urlsplit(feed.entry.url).netloc:
                log.warning("an upstream feed points elsewhere; not followed", host=feed.host)
            else:
                try:
                    self._take(feed.fetcher.get(url), feed.host)
                except FetchError as error:  # the next round tries again
                    log.warning("a warning can't be read", host=feed.host, why=str(error)[:200])
                    continue
            feed.known[url] = None
        while len(feed.known) > MOST_KNOWN:
            feed.known.pop(next(iter(feed.known)))

    def _take(self, document: bytes, host: str) -> None:
        try:
            taken = self._upstream.take(document)
        except _BAD as error:
            log.info("an upstream message was not taken", host=host, why=str(error)[:300])
        else:
            log.info("an upstream message", host=host, name=taken.identifier, fate=taken.fate)


def links(root: etree._Element, base: str) -> list[str]:
    """Return the addresses of CAP messages in an Atom or RSS feed, in its order.

    Raises:
        CapError: It is neither.
    """
    if root.tag == f"{{{ATOM}}}feed":
        found = [_atom_link(entry) for entry in root.findall(f"{{{ATOM}}}entry")]
    elif root.tag == "rss":
        found = [(item.findtext("link") or "").strip() for item in root.findall("channel/item")]
    else:
        raise CapError([f"{str(root.tag)[:80]!r} is neither Atom, RSS nor CAP"])
    return list(dict.fromkeys(urljoin(base, href) for href in found if href))


def _atom_link(entry: etree._Element) -> str:
    """Return the link that is called CAP, else the first that looks like an XML document."""
    all_links = entry.findall(f"{{{ATOM}}}link")
    tests: tuple[Callable[[etree._Element], bool], ...] = (
        lambda link: link.get("type") == MEDIA_TYPE,
        lambda link: str(link.get("href", "")).lower().endswith((".cap", ".xml")),
        lambda link: link.get("rel", "alternate") == "alternate",
    )
    for fits in tests:
        for link in all_links:
            if fits(link):
                return str(link.get("href", ""))
    return ""
