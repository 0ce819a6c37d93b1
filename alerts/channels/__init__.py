"""One module per way to reach a person, and the registry of their kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from alerts.channels.alertmanager import AlertmanagerWebhook
from alerts.channels.aliyun_sms import AliyunSms
from alerts.channels.aliyun_voice import AliyunVoice
from alerts.channels.base import Channel, masked
from alerts.channels.dingtalk import DingTalkRobot
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.feishu import FeishuBot
from alerts.channels.gsm import Gsm
from alerts.channels.long_tail import LongTail
from alerts.channels.ntfy import Ntfy
from alerts.channels.smtp import Smtp
from alerts.channels.sounder import Sounder
from alerts.channels.tencent_sms import TencentSms
from alerts.channels.twilio_voice import TwilioVoice
from alerts.channels.webhook import Webhook
from alerts.channels.wecom import WeComBot
from alerts.channels.wecom_app import WeComApp
from core.community import Contact

KINDS: dict[str, Callable[[ChannelEntry], Channel]] = {
    "webhook": Webhook,
    "wecom": WeComBot,
    "dingtalk": DingTalkRobot,
    "feishu": FeishuBot,
    "ntfy": Ntfy,
    "alertmanager": AlertmanagerWebhook,
    "aliyun-sms": AliyunSms,
    "tencent-sms": TencentSms,
    "wecom-app": WeComApp,
    "smtp": Smtp,
    "gsm": Gsm,
    "twilio-voice": TwilioVoice,
    "aliyun-voice": AliyunVoice,
    "sounder": Sounder,
    "apprise": LongTail,
}


def open_channels(
    entries: Iterable[ChannelEntry], contacts: Sequence[Contact] = ()
) -> dict[str, Channel]:
    """Return the configured channels by name.

    Args:
        entries: `[[channel]]` of hub.toml.
        contacts: Whose personal addresses the channels need (`sms:+86…`).

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
        if entry.per_minute is not None and entry.per_minute < 1:
            raise ChannelError(
                f"channel {entry.name!r}: per_minute {entry.per_minute}: expected at least 1, or"
                " nothing would ever be sent"
            )
        try:
            channels[entry.name] = KINDS[entry.kind](entry)
        except ChannelError as error:
            text = str(error)
            if not text.startswith("channel"):
                text = f"channel {entry.name!r}: {text}"
            raise ChannelError(text) from error
    for name, channel in channels.items():
        channel.recipients = _recipients(name, contacts)
    return channels


def _recipients(channel: str, contacts: Sequence[Contact]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for contact in contacts:
        parts = [text.partition(":") for text in contact.channels]
        own = [address.strip() for name, _, address in parts if name == channel and address]
        if own:
            found[contact.id] = tuple(dict.fromkeys(own))
    return found


def unusable(channels: Mapping[str, Channel], contacts: Iterable[Contact]) -> list[str]:
    """Return, in words, which entries of contacts their channel could not reach."""
    found = []
    for contact in contacts:
        for entry in contact.channels:
            name, _, address = entry.partition(":")
            channel = channels.get(name)
            if channel is not None and not channel.usable(address.strip()):
                found.append(
                    f"contact {contact.id!r}: {name} can't reach {masked(address)!r};"
                    f' expected "{name}:{channel.example}"'
                )
    return found
