"""Grafana: the data source and one duty wall as code, written as files or published by HTTP.

`publish` needs the extra `grafana`; import it from `dashboards.grafana.publication`.
"""

from __future__ import annotations

from dashboards.grafana.provisioning import GrafanaSettingsError, write_provisioning
from dashboards.grafana.wall import duty_wall

__all__ = ["GrafanaSettingsError", "duty_wall", "write_provisioning"]
