"""One module per way to reach a person, and the registry of their kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alerts.channels.alertmanager import AlertmanagerWebhook
from alerts.channels.base import Channel, ChannelEntry, ChannelError
from alerts.channels.dingtalk import DingTalkRobot
from alerts.channels.feishu import FeishuBot
from alerts.channels.ntfy import Ntfy
from alerts.channels.webhook import Webhook
from alerts.channels.wecom import WeComBot

KINDS: dict[str, Callable[[ChannelEntry], Channel]] = {
    "webhook": Webhook,
    "wecom": WeComBot,
    "dingtalk": DingTalkRobot,
    "feishu": FeishuBot,
    "ntfy": Ntfy,
    "alertmanager": AlertmanagerWebhook,
}


def open_channels(entries: Iterable[ChannelEntry]) -> dict[str, Channel]:
    """Return the configured channels by name.

    Raises:
        ChannelError: One can't be used; the message says which, and what to mend.
    """
    channels: dict[str, Channel] = {}
    for entry in entries:
        if entry.kind not in KINDS:
            raise ChannelError(
                f"channel {entry.name!r}: kind {entry.kind!r}: expected one of {', '.join(KINDS)}"
            )
        if not entry.name or ":" in entry.name or entry.name in channels:
            raise ChannelError(f"channel {entry.name!r}: expected a name of its own, without ':'")
        try:
            channels[entry.name] = KINDS[entry.kind](entry)
        except ChannelError as error:
            text = str(error)
            if not text.startswith("channel"):
                text = f"channel {entry.name!r}: {text}"
            raise ChannelError(text) from error
    return channels
