"""The broker that runs when none is configured: iotcore (rumqttd), or an installed Mosquitto.

Either listens on 127.0.0.1 only and speaks MQTT 5. iotcore's own defaults (all interfaces, 3.1.1,
20 kB payloads) are replaced. What it holds in memory is gone when it is killed: delivery rests on
the stations' spools and on the ledger, never on the broker.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
from pathlib import Path

from core.broker import BrokerAddress
from core.configuration import ConfigurationError
from core.topics import MAX_PAYLOAD_BYTES
from safety_eye.supervisor import Program, python

# Debian installs mosquitto into /usr/sbin, which users do not have in their path.
_SBIN = "/usr/sbin:/usr/local/sbin:/sbin"

_IOTCORE = """\
id = 0

[router]
id = 0
max_connections = 512
max_outgoing_packet_count = 512
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "safety-eye"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload}
max_inflight_count = 500
dynamic_filters = true
"""

_MOSQUITTO = """\
per_listener_settings true
persistence true
persistence_location {directory}/
autosave_interval 10
max_packet_size {packet}
max_queued_messages 100000
listener {port} {host}
allow_anonymous true
"""

# Room for the topic, the user properties and the fixed header of the largest payload.
_PACKET_OVERHEAD_BYTES = 4096


def broker_program(kind: str, address: BrokerAddress, state: Path) -> Program:
    """Return the broker as a program for the supervisor; its configuration is written to *state*.

    Raises:
        ConfigurationError: `kind` is mosquitto and none is installed.
    """
    directory = state / "broker"
    directory.mkdir(parents=True, exist_ok=True)
    packet = MAX_PAYLOAD_BYTES + _PACKET_OVERHEAD_BYTES
    if kind == "mosquitto":
        binary = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":" + _SBIN)
        if binary is None:
            raise ConfigurationError("hub.toml", "broker.kind is mosquitto, and none is installed")
        file = directory / "mosquitto.conf"
        file.write_text(
            _MOSQUITTO.format(
                directory=directory.resolve(), packet=packet, host=address.host, port=address.port
            )
        )
        return Program("broker", [binary, "-c", str(file)], stop_s=5)
    file = directory / "broker.toml"
    file.write_text(
        _IOTCORE.format(host=address.host, port=address.port, payload=packet), encoding="utf-8"
    )
    return Program("broker", python("safety_eye.embedded_broker", str(file)), stop_s=2)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Tell whether a program could listen there at this moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def main() -> None:
    """Run the iotcore broker of the configuration file named on the command line, for ever."""
    from iotcore import IotCoreBroker  # noqa: PLC0415  # only this process needs the Rust library

    # rumqttd logs every packet as an error span; only what it really warns of may fill a disk.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    IotCoreBroker(config_path=sys.argv[1]).run_forever()


if __name__ == "__main__":
    main()
