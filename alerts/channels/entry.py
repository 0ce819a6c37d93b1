"""One `[[channel]]` of hub.toml, and how a channel reads its secrets and options out of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class ChannelError(ValueError):
    """A channel can't be configured like this; mend hub.toml, no retry helps."""


class ChannelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[channel]]` of hub.toml. Secrets are paths of files or names of environment variables.

    Attributes:
        name: How contacts refer to it.
        kind: Name in the registry, e.g. `webhook` or `wecom`.
        url: Where to post. For `wecom`, `dingtalk`, `feishu` only needed for a proxy on the
            premises (or Lark's address).
        secret_file, secret_env: Where the key is: `whsec_…` of a webhook (several lines sign with
            each key, for rotation), the bot's key of WeCom, DingTalk's access token and Feishu's
            hook id, each with the signing secret on a second line; a bearer token elsewhere.
        allow_private: True allows plain http and private addresses: a receiver on the premises.
        language: `zh` or `en`; empty takes the site's.
        style: Of group bots: `text` or `markdown`.
        mention: Of group bots: user ids (or `@all`) to mention in orange and red.
        mention_mobile_file: Of `wecom` and `dingtalk`: file with phone numbers to mention, one a
            line.
        topic: Of `ntfy`: the topic.
        per_minute: Fewer messages a minute than the channel's own limit.
        timeout_s: Wall seconds for one attempt, at most 30.
        options: What only this kind needs, as its module describes it.
    """

    name: str
    kind: str
    url: str = ""
    secret_file: str = ""
    secret_env: str = ""
    allow_private: bool = False
    language: str = ""
    style: str = "text"
    mention: tuple[str, ...] = ()
    mention_mobile_file: str = ""
    topic: str = ""
    per_minute: int | None = None
    timeout_s: float = 15.0
    options: dict[str, Any] = {}


def read_secret(entry: ChannelEntry) -> str:
    """Return the secret that an entry names.

    Raises:
        ChannelError: It names none, or it can't be read.
    """
    if entry.secret_file:
        try:
            text = Path(entry.secret_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ChannelError(f"channel {entry.name!r}: secret_file: {error}") from error
    elif entry.secret_env:
        text = os.environ.get(entry.secret_env, "").strip()
    else:
        raise ChannelError(f"channel {entry.name!r}: secret_file or secret_env is needed")
    if not text:
        raise ChannelError(f"channel {entry.name!r}: its secret is empty")
    return text


def read_options(entry: ChannelEntry, form: type[T]) -> T:
    """Return what an entry says in `options`, as the channel's own struct.

    Raises:
        ChannelError: A key is unknown, missing, or of another type.
    """
    try:
        return msgspec.convert(entry.options, form)
    except msgspec.ValidationError as error:
        text = str(error).replace("`$.", "`options.").replace(" - at `$`", "")
        raise ChannelError(f"channel {entry.name!r}: options: {text}") from error


def check_style(entry: ChannelEntry) -> None:
    """Refuse a style that no group bot has.

    Raises:
        ChannelError: It is neither text nor markdown.
    """
    if entry.style not in ("text", "markdown"):
        raise ChannelError(f"channel {entry.name!r}: style {entry.style!r}: text or markdown")


def read_key_and_signer(entry: ChannelEntry, form: re.Pattern[str], what: str) -> tuple[str, str]:
    """Return a bot's key and its signing secret ("" without one): two lines of one file.

    Args:
        entry: Whose.
        form: What the key looks like; it stands in a URL.
        what: What the vendor calls it, for the message.

    Raises:
        ChannelError: It can't be read, or is no such key.
    """
    key, _, signer = (line.strip() for line in read_secret(entry).partition("\n"))
    if form.fullmatch(key) is None:
        raise ChannelError(f"channel {entry.name!r}: its secret is not {what}")
    return key, signer


def read_pair(entry: ChannelEntry, form: re.Pattern[str], what: str) -> tuple[str, str]:
    """Return a key and its secret, as `read_key_and_signer` does, where neither may be missing.

    Raises:
        ChannelError: It can't be read, is no such key, or lacks the second line.
    """
    key, secret = read_key_and_signer(entry, form, what)
    if not secret:
        raise ChannelError(f"channel {entry.name!r}: its secret lacks the second line")
    return key, secret


def read_mobiles(entry: ChannelEntry) -> tuple[str, ...]:
    """Return the phone numbers to mention, none if the entry names no file.

    Raises:
        ChannelError: The file can't be read.
    """
    if not entry.mention_mobile_file:
        return ()
    file = ChannelEntry(name=entry.name, kind=entry.kind, secret_file=entry.mention_mobile_file)
    return tuple(read_secret(file).split())
