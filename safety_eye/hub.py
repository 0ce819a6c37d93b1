"""`hub.toml`: where the broker, the history and the pages are, and how people are reached.

Everything has an embedded default, so that no file at all is needed to begin with. Secrets are
paths of files, never values.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from alerts.cap.incoming import UpstreamSettings
from alerts.cap.settings import CapSettings
from alerts.channels.entry import ChannelEntry
from alerts.decisions import Patience
from alerts.delivery import Delivery, DigestEntry, QuietEntry, SelfTestEntry, WatchdogEntry
from alerts.delivery import problems as delivery_problems
from alerts.hooks import HookEntry
from alerts.ladder import Ladder
from alerts.response_file import FILE
from alerts.retention import RetentionSettings
from alerts.standards import StandardsSettings
from core.broker import BrokerAddress
from core.configuration import ConfigurationError, read_toml
from core.identity import is_slug
from ingest.history import HistorySettings

KINDS = ("embedded", "mosquitto", "external")


class BrokerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker: `embedded` (iotcore), `mosquitto` (an installed one, run by us) or `external`."""

    kind: str = "embedded"
    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def address(self) -> BrokerAddress:
        """How programs reach it."""
        return BrokerAddress(
            self.host,
            self.port,
            self.username,
            self.password_file,
            self.ca_file,
            self.cert_file,
            self.key_file,
        )


class HttpEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The API and the console.

    Attributes:
        host, port: Where to listen; loopback unless a token is set.
        token_file: File with the API token; without it only this very machine may change anything.
        public_url: How people reach the console, for links in messages.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token_file: str = ""
    public_url: str = ""

    @property
    def url(self) -> str:
        """The address for people."""
        return self.public_url or f"http://{self.host}:{self.port}"


class CommandsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signed commands to stations.

    Attributes:
        key_directory: Holds `<station>.key`, the same line that the station's `[command] key_file`
            has; readable by this program only.
        life_s: For how long a command may be carried out, run seconds; at most an hour.
    """

    key_directory: str = ""
    life_s: float = 120.0


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of hub.toml. Field names are the TOML keys.

    Attributes:
        patience: How long alerts waits with what is not urgent (falls, closing).
        escalation: Ladders, one a grade; the defaults of `alerts.ladder` for the others.
        digest, quiet: What waits for a digest.
        watchdog: Whom the hub calls every minute, so that its silence is noticed elsewhere.
        selftest: When each channel is tested, daily.
        owner: Name of the alerts program; two of them on one database need two names.
        state_url: SQLAlchemy URL of the state of alerts; empty = SQLite in the state directory.
        response: Path of response.toml; empty = the one beside community.toml, if there is one.
        cap: How our CAP messages present themselves.
        upstream: Whose CAP warnings count here, and what they mean.
        hook: Which systems may tell us of their alerts.
        retention: How long what is kept, days.
    """

    broker: BrokerEntry = BrokerEntry()
    history: HistorySettings | None = None
    http: HttpEntry = HttpEntry()
    channel: tuple[ChannelEntry, ...] = ()
    patience: Patience = Patience()
    escalation: tuple[Ladder, ...] = ()
    digest: DigestEntry = DigestEntry()
    quiet: QuietEntry = QuietEntry()
    watchdog: WatchdogEntry = WatchdogEntry()
    selftest: SelfTestEntry = SelfTestEntry()
    owner: str = "alerts"
    state_url: str = ""
    response: str = ""
    commands: CommandsEntry = CommandsEntry()
    cap: CapSettings = CapSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    hook: tuple[HookEntry, ...] = ()
    retention: RetentionSettings = RetentionSettings()

    @property
    def standards(self) -> StandardsSettings:
        """How alerts speaks with other systems."""
        return StandardsSettings(
            cap=self.cap, upstream=self.upstream, hook=self.hook, retention=self.retention
        )

    @property
    def delivery(self) -> Delivery:
        """How people are reached."""
        return Delivery(
            escalation=self.escalation,
            digest=self.digest,
            quiet=self.quiet,
            watchdog=self.watchdog,
            selftest=self.selftest,
        )


def load_hub(path: Path | None) -> HubConfig:
    """Read hub.toml; None gives the embedded defaults.

    Raises:
        ConfigurationError: It can't be used; the message says what to mend.
    """
    config = read_toml(path, HubConfig) if path is not None else HubConfig()
    file = str(path or "hub.toml")
    if config.broker.kind not in KINDS:
        raise ConfigurationError(
            file, f"broker.kind {config.broker.kind!r}: expected one of {', '.join(KINDS)}"
        )
    if not 1 <= config.commands.life_s <= 3600:
        raise ConfigurationError(
            file, f"commands.life_s {config.commands.life_s}: expected 1 to 3600 s"
        )
    if not is_slug(config.owner):
        raise ConfigurationError(file, f"owner {config.owner!r}: expected a-z, 0-9 and hyphen")
    for problem in delivery_problems(config.delivery):
        raise ConfigurationError(file, problem)
    names = [entry.name for entry in config.channel]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(file, f"channel {name!r}: twice")
    if config.http.host not in ("127.0.0.1", "::1", "localhost") and not config.http.token_file:
        raise ConfigurationError(
            file, f"http.host {config.http.host!r} is open to others: http.token_file is needed"
        )
    return config


def response_file(config: HubConfig, hub: Path | None, community: Path) -> Path | None:
    """Return where response.toml is: as named (from hub.toml's directory), else beside the profile.

    None if none is named and there is none beside it.
    """
    if config.response:
        return (hub.parent if hub is not None else Path()) / config.response
    beside = community.parent / FILE
    return beside if beside.is_file() else None
