"""The duty wall for Grafana: written as provisioning files, or published to a running one."""

from __future__ import annotations

from pathlib import Path

from core.community import Community
from core.configuration import ConfigurationError
from dashboards.grafana import GrafanaSettingsError, write_provisioning
from ingest.history import HistorySettings
from safety_eye.hub import HubConfig


def write_wall(directory: Path, community: Community, config: HubConfig) -> list[str]:
    """Write everything that goes under Grafana's `provisioning`; return what was written.

    Raises:
        ConfigurationError: The history is not an InfluxDB.
        OSError: A file can't be written.
    """
    try:
        files = write_provisioning(
            directory, community, _history(config), console_url=config.http.url
        )
    except GrafanaSettingsError as error:
        raise ConfigurationError("hub.toml", str(error)) from error
    return [str(file) for file in files]


def publish_wall(
    url: str, token_file: Path | None, community: Community, config: HubConfig
) -> list[str]:
    """Publish folder, data source and wall; return what was created, updated or left alone.

    Raises:
        ConfigurationError: No token, the history is not an InfluxDB, or the extra is missing.
        RuntimeError: Grafana is not there (try again) or refused (mend what the message names).
        OSError: A secret can't be read.
    """
    if token_file is None:
        raise ConfigurationError("grafana", "publishing needs --token-file")
    try:
        from dashboards.grafana.publication import publish  # noqa: PLC0415  # optional extra
    except ImportError as error:
        raise ConfigurationError("grafana", "pip install 'safety-eye[grafana]' first") from error
    try:
        done = publish(
            url,
            token_file.read_text(encoding="utf-8").strip(),
            community,
            _history(config),
            console_url=config.http.url,
        )
    except GrafanaSettingsError as error:
        raise ConfigurationError("hub.toml", str(error)) from error
    return [
        f"folder {done.folder}, data source {done.datasource}, wall {done.wall}",
        f"wall at {done.url}",
    ]


def _history(config: HubConfig) -> HistorySettings:
    return config.history or HistorySettings()
