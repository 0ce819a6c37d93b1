"""Standards at work: CAP out and in, webhooks of others, figures; one part of the service."""

from __future__ import annotations

import msgspec

from alerts.board import Key
from alerts.cap.desk import CapDesk
from alerts.cap.incoming import UpstreamSettings, upstream_problems
from alerts.cap.poller import Poller
from alerts.cap.settings import CapSettings, settings_problems
from alerts.cap.upstream import Upstream
from alerts.claims import Claims
from alerts.figures import Figures
from alerts.hook_store import HookStore
from alerts.hooks import HookEntry, hook_problems, hook_secret
from alerts.inbound_api import Hooks
from alerts.privacy import Privacy
from alerts.retention import Retention, RetentionSettings, retention_problems
from alerts.store import Store
from alerts.watch import Watch
from core.clock import Clock
from core.community import Community
from core.finding import Finding

# Rules that belong to what others say; findings under them are ours to end.
_RULES = ("upstream-", "hook-")


class StandardsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How we speak with other systems.

    Attributes:
        cap: How our CAP messages present themselves.
        upstream: Whose warnings count here, and what they mean.
        hook: Which systems may tell us of their alerts.
        retention: How long what is kept.
    """

    cap: CapSettings = CapSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    hook: tuple[HookEntry, ...] = ()
    retention: RetentionSettings = RetentionSettings()


def standards_problems(settings: StandardsSettings, community: Community) -> list[str]:
    """Return what is wrong with these parts of hub.toml, as people would mend it."""
    names = [hook.name for hook in settings.hook]
    return [
        *settings_problems(settings.cap, community),
        *upstream_problems(settings.upstream, community),
        *retention_problems(settings.retention),
        *(problem for hook in settings.hook for problem in hook_problems(hook)),
        *(f"hook {name!r}: twice" for name in sorted(set(names)) if names.count(name) > 1),
    ]


class Standards:
    """The parts, wired.

    Args:
        settings: How.
        store: Where incidents are.
        watch: Whose open incidents may be held by what others said before a restart.
        community: The profile.
        base_url: Of the console.
        clock: Clock of the run.

    Raises:
        ChannelError: The secret of a hook can't be used.
    """

    def __init__(
        self,
        settings: StandardsSettings,
        *,
        store: Store,
        watch: Watch,
        community: Community,
        base_url: str,
        clock: Clock,
    ) -> None:
        site, database = community.site.id, store.database
        self.settings = settings
        self.figures = Figures(database, community, clock, lambda: watch.conditions("silence"))
        self.privacy = Privacy(database, community, clock)
        self.retention = Retention(database, settings.retention, clock)
        self.cap = CapDesk(store, community, settings.cap, base_url, clock)
        self.upstream = Upstream(database, site, settings.upstream, clock)
        self.poller = Poller(settings.upstream.feed, self.upstream, site, clock)
        entries = {hook.name: (hook, hook_secret(hook)) for hook in settings.hook}
        kept = HookStore(database, site, {hook.name: hook for hook in settings.hook}, clock)
        self.hooks = Hooks(entries, kept, community, clock)
        held = [
            (Key(key.zone, key.hazard), name.partition(" ")[2])
            for rule in _RULES
            for key, name in watch.holders(rule)
        ]
        self._claims = Claims((self.upstream.claims, kept.claims, self.poller.claims), clock, held)

    def start(self) -> None:
        """Begin to read feeds, and to purge what is old."""
        self.poller.start()
        self.retention.start()

    def stop(self) -> None:
        """End."""
        self.poller.stop()
        self.retention.stop()

    def findings(self) -> list[Finding]:
        """Return what others say, as far as it is new or has to be said again.

        Raises:
            SQLAlchemyError: It can't be read at the moment.
        """
        return self._claims.findings()
