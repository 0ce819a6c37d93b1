"""Publishes the data source and the wall to a running Grafana, by uid, as often as one likes.

Needs the extra `grafana`. What is already as it should be is left alone, so that Grafana's version
history holds changes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException

from core.community import Community
from dashboards.grafana.provisioning import FOLDER_TITLE, FOLDER_UID, datasource
from dashboards.grafana.wall import duty_wall
from ingest.history.settings import HistorySettings, secret

_TIMEOUT_S = 10.0
_NOT_FOUND = 404
# What Grafana adds to a dashboard by itself.
_GRAFANAS_OWN = ("id", "version")


class PublishError(RuntimeError):
    """Grafana could not be reached or refused; the message says what and whether to try again."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did: created, updated or unchanged, for each part, and where the wall is."""

    folder: str
    datasource: str
    wall: str
    url: str


def publish(
    url: str,
    token: str,
    community: Community,
    history: HistorySettings,
    *,
    console_url: str,
) -> Published:
    """Bring folder, data source and wall into the state that the profile describes.

    Args:
        url: Base URL of Grafana.
        token: Token of a service account with the role Editor on the folder and data source rights.
        community: The profile.
        history: Where the history is, as Grafana's machine reaches it; secrets are read from files.
        console_url: Where people take incidents over.

    Raises:
        PublishError: Grafana is not there (try again) or refused (mend what the message names).
        GrafanaSettingsError: The history is not an InfluxDB.
        OSError: A secret can't be read.
    """
    source = datasource(
        community,
        history,
        password=secret(history.password_file),
        token=secret(history.token_file),
    )
    wall = duty_wall(community, source["uid"], console_url)
    grafana = GrafanaApi.from_url(url, credential=token, timeout=_TIMEOUT_S)
    try:
        folder = _put_folder(grafana)
        stands = _put_datasource(grafana, source)
        state, path = _put_wall(grafana, wall)
    except requests.RequestException as error:
        raise PublishError(f"Grafana at {url} does not answer: {error}; try again") from error
    except GrafanaException as error:
        raise PublishError(
            f"Grafana at {url} refused ({error.status_code}): {error.message}; check the token's "
            "role and that the uid is not taken by something that was provisioned from files"
        ) from error
    return Published(folder, stands, state, url.rstrip("/") + path)


def _put_folder(grafana: GrafanaApi) -> str:
    try:
        found = grafana.folder.get_folder(FOLDER_UID)
    except GrafanaClientError as error:
        if error.status_code != _NOT_FOUND:
            raise
        grafana.folder.create_folder(FOLDER_TITLE, FOLDER_UID)
        return "created"
    if found.get("title") == FOLDER_TITLE:
        return "unchanged"
    grafana.folder.update_folder(FOLDER_UID, title=FOLDER_TITLE, overwrite=True)
    return "updated"


def _put_datasource(grafana: GrafanaApi, source: dict[str, Any]) -> str:
    try:
        found = grafana.datasource.get_datasource_by_uid(source["uid"])
    except GrafanaClientError as error:
        if error.status_code != _NOT_FOUND:
            raise
        grafana.datasource.create_datasource(source)
        return "created"
    secretless = {key: value for key, value in source.items() if key != "secureJsonData"}
    same = all(found.get(key) == value for key, value in secretless.items())
    if same and "secureJsonData" not in source:
        return "unchanged"
    grafana.datasource.update_datasource_by_uid(source["uid"], source)
    return "unchanged" if same else "updated"


def _put_wall(grafana: GrafanaApi, wall: dict[str, Any]) -> tuple[str, str]:
    found: dict[str, Any] | None
    try:
        found = grafana.dashboard.get_dashboard(wall["uid"])
    except GrafanaClientError as error:
        if error.status_code != _NOT_FOUND:
            raise
        found = None
    if found is not None:
        stands = {k: v for k, v in found["dashboard"].items() if k not in _GRAFANAS_OWN}
        if stands == wall and found.get("meta", {}).get("folderUid") == FOLDER_UID:
            return "unchanged", found["meta"].get("url", f"/d/{wall['uid']}")
    answer = grafana.dashboard.update_dashboard(
        {
            "dashboard": wall,
            "folderUid": FOLDER_UID,
            "overwrite": True,
            "message": "Safety Eye: from the community profile",
        }
    )
    return ("created" if found is None else "updated"), answer.get("url", f"/d/{wall['uid']}")
