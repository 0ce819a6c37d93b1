"""Any other service, through apprise (optional extra `long-tail`): delivery stays unconfirmed.

apprise tells that it has sent, not what the vendor made of it: no status, no vendor's code
(channels 1.16). So what it accepts is marked `unconfirmed`, and what has a channel of its own here
(WeCom, DingTalk, Feishu) or goes to telephone numbers is refused: a refusal swallowed there would
leave somebody asleep.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import httpx

from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError, read_secret
from alerts.channels.wire import RefusedAddressError, checked_addresses
from alerts.message import Notification, lines, title, truncate_utf8

# apprise counts characters, vendors mostly bytes: this fits the narrowest of them (channels 1.16).
MAX_TEXT_BYTES, MAX_TITLE_BYTES = 2000, 200
UNCONFIRMED = "unconfirmed"
# They refuse in the body of a 200, and apprise takes that for success.
_OWN = {"wecombot": "wecom", "wechat": "wecom-app", "dingtalk": "dingtalk", "feishu": "feishu",
        "lark": "feishu", "ntfy": "ntfy", "ntfys": "ntfy"}  # fmt: skip


class LongTail(Channel):
    """Sends to the one service whose apprise URL is in the secret file."""

    concurrency = 1

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._language = entry.language
        self._allow_private = entry.allow_private
        self._timeout_s = entry.timeout_s
        apprise = _library()
        url = read_secret(entry)
        schema = url.partition(":")[0].lower()
        if schema in _OWN:
            raise ChannelError(f"{schema}://: use kind {_OWN[schema]!r}, which reads the answer")
        asset = apprise.AppriseAsset(http_redirects=False)
        service = apprise.Apprise.instantiate(url, asset=asset) if "\n" not in url else None
        if service is None:
            raise ChannelError("its secret is not one apprise URL")
        if "target_phone" in service.template_tokens:
            raise ChannelError(f"{schema}://: for telephone numbers there are the SMS channels")
        if service.redirects or service.retry:
            raise ChannelError("no ?redirect and no ?retry in the URL: redirects are not followed,"
                               " and the outbox tries again")  # fmt: skip
        self._service = service
        self._named = "host" in service.template_tokens
        self._apprise = apprise.Apprise(asset=asset)
        self._apprise.add(service)
        self._results = apprise.AppriseResultStatus

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        del now_s
        refused = self._refused_address()
        if refused is not None:
            return refused
        language = self._language or note.language
        text = truncate_utf8("\n".join(lines(note, language)[1:]), MAX_TEXT_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = self._apprise.notify(
                body=text,
                title=truncate_utf8(title(note, language), MAX_TITLE_BYTES),
                timeout=self._timeout_s,
            )
        if result.status == self._results.SUCCESS:
            detail = "sent; the service's own answer is not known"
            return Outcome(OutcomeKind.ACCEPTED, vendor_code=UNCONFIRMED, detail=detail)
        if result.status == self._results.TIMEOUT:
            return Outcome(OutcomeKind.UNKNOWN, vendor_code="timeout", detail="no answer in time")
        return Outcome(OutcomeKind.RETRY, vendor_code="failure", detail="apprise could not send it")

    def _refused_address(self) -> Outcome | None:
        """See whether a host that the URL names may be called."""
        if self._allow_private or not self._named:
            return None
        try:
            checked_addresses(self._service.host or "", self._service.port or 443)
        except RefusedAddressError as error:
            return Outcome(OutcomeKind.MISCONFIGURED, vendor_code="address", detail=str(error))
        except httpx.ConnectError:
            return Outcome(OutcomeKind.RETRY, vendor_code="ConnectError", detail="no connection")
        return None


def _library() -> Any:
    """Return the library; its log, which holds texts and addresses with keys, stays empty.

    Raises:
        ChannelError: It is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports what Python has deprecated
            import apprise  # noqa: PLC0415  # an optional extra

            apprise.Apprise.instantiate("json://localhost")  # its plugins are imported here
    except ImportError as error:
        raise ChannelError(
            "apprise is not installed: pip install 'safety-eye[long-tail]'"
        ) from error
    logger = logging.getLogger("apprise")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    return apprise
