"""The one adapter over paho-mqtt: MQTT 5, QoS 1, manual acknowledgement, endless reconnect.

Callbacks run on paho's network thread and must return quickly; programs hand over to a bounded
queue. A publish while disconnected is refused (`Publication.ok` False) instead of being queued in
memory: the spool, the snapshot or the journal of the caller is the buffer, never this adapter.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from core.topics import MAX_PAYLOAD_BYTES, SESSION_EXPIRY_S, WILL_DELAY_S

LOG = logging.getLogger(__name__)

# IANA's port of MQTT over TLS.
TLS_PORT = 8883


class BrokerAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the broker is and how to enter it; secrets are file paths."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def advice(self) -> list[str]:
        """What is allowed here but unwise, or will not work, in words."""
        advice = [
            f"broker.{key} {path}: can't be read here"
            for key in ("password_file", "ca_file", "cert_file", "key_file")
            if (path := getattr(self, key)) and not os.access(path, os.R_OK)
        ]
        loopback = self.host in ("127.0.0.1", "::1", "localhost")
        if not self.ca_file and not loopback:
            advice.append("broker.ca_file is not set: readings and password travel unencrypted")
        if bool(self.username) != bool(self.password_file):
            advice.append("broker.username and broker.password_file belong together")
        if self.port == TLS_PORT and not self.ca_file:
            advice.append(f"broker.port {TLS_PORT} speaks TLS, and broker.ca_file is not set")
        secret = Path(self.password_file)
        if self.password_file and secret.exists() and secret.stat().st_mode & 0o004:
            advice.append(f"broker.password_file {secret}: everybody may read it (chmod o-r)")
        return advice


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when it loses us; retained, after the will delay."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One message that came in.

    Attributes:
        topic: Its topic name.
        payload: Its bytes.
        retain: True if it was retained when we subscribed.
        user: MQTT user properties (the last value of a repeated name).
        expiry_s: Remaining message expiry in seconds, or None.
        mid, qos: For `Broker.acknowledge`.
    """

    topic: str
    payload: bytes
    retain: bool
    user: Mapping[str, str]
    expiry_s: int | None
    mid: int
    qos: int


class Publication:
    """A publish under way."""

    def __init__(self, info: mqtt.MQTTMessageInfo | None) -> None:
        self._info = info

    @property
    def ok(self) -> bool:
        """True if it was handed to the network; False if there was no connection."""
        return self._info is not None and self._info.rc == mqtt.MQTT_ERR_SUCCESS

    def wait(self, timeout_s: float) -> bool:
        """Wait for the broker's acknowledgement; True if it came in time."""
        if self._info is None or not self.ok:
            return False
        with contextlib.suppress(ValueError, RuntimeError):
            self._info.wait_for_publish(timeout_s)
            return self._info.is_published()
        return False


class Broker:
    """A connection to the broker that keeps itself alive.

    Args:
        address: Where.
        client_id: Name of the session; two connections with one name throw each other out.
        on_message: Called for each message, on the network thread.
        on_link: Called with True after each connect (subscriptions are in place), False after each
            loss, on the network thread.
        will: Published by the broker when it loses us.
        manual_acknowledge: True if the caller acknowledges each message after its commit.
        receive_maximum: How many unacknowledged messages the broker may have under way to us.
        session_expiry_s: How long the broker keeps our session after a loss.
        keepalive_s: Seconds of silence before the broker assumes us lost (times 1.5).
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        *,
        on_message: Callable[[Message], None] | None = None,
        on_link: Callable[[bool], None] | None = None,
        will: Will | None = None,
        manual_acknowledge: bool = False,
        receive_maximum: int = 200,
        session_expiry_s: int = SESSION_EXPIRY_S,
        keepalive_s: int = 15,
    ) -> None:
        self._address = address
        self._on_message = on_message
        self._on_link = on_link
        self._filters: list[tuple[str, SubscribeOptions]] = []
        self._linked = threading.Event()
        self._session_expiry_s = session_expiry_s
        self._receive_maximum = receive_maximum
        self._keepalive_s = keepalive_s
        self.reconnects = 0
        self.last_error = ""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=manual_acknowledge,
        )
        client.max_inflight_messages_set(100)
        client.max_queued_messages_set(1000)
        client.reconnect_delay_set(min_delay=1, max_delay=8)
        client.on_connect = self._connected
        client.on_connect_fail = self._failed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_socket_open = _send_at_once
        if will is not None:
            delay = _properties(PacketTypes.WILLMESSAGE)
            delay.WillDelayInterval = WILL_DELAY_S
            client.will_set(will.topic, will.payload, 1, retain=True, properties=delay)
        if address.username:
            client.username_pw_set(address.username, _secret(address.password_file))
        if address.ca_file:
            client.tls_set(
                address.ca_file,
                address.cert_file or None,
                address.key_file or None,
                tls_version=ssl.PROTOCOL_TLS_CLIENT,
            )
        self._client = client

    @property
    def linked(self) -> bool:
        """True while the broker answers us."""
        return self._linked.is_set()

    def wait_linked(self, timeout_s: float) -> bool:
        """Wait until connected; True if it happened in time."""
        return self._linked.wait(timeout_s)

    def subscribe(self, filters: Iterable[str], *, skip_retained: bool = False) -> None:
        """Add topic filters; they are renewed at every connect."""
        handling = (
            SubscribeOptions.RETAIN_DO_NOT_SEND
            if skip_retained
            else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
        )
        fresh = [(text, SubscribeOptions(qos=1, retainHandling=handling)) for text in filters]
        self._filters += fresh
        if self.linked and fresh:
            self._client.subscribe(fresh)

    def start(self) -> None:
        """Connect in the background and stay connected until `stop`."""
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_expiry_s
        properties.ReceiveMaximum = self._receive_maximum
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES + 4096
        self._client.connect_async(
            self._address.host,
            self._address.port,
            keepalive=self._keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect cleanly (the will is not published) and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()
        # paho leaves its wake-up sockets to the garbage collector, which warns of them.
        self._client._reset_sockets()  # noqa: SLF001  # there is no public way
        self._linked.clear()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        user: Mapping[str, str] | None = None,
        expiry_s: int | None = None,
    ) -> Publication:
        """Publish at QoS 1; refused without waiting while there is no connection."""
        if not self.linked:
            return Publication(None)
        properties = _properties(PacketTypes.PUBLISH)
        if user:
            properties.UserProperty = list(user.items())
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        info = self._client.publish(topic, payload, 1, retain=retain, properties=properties)
        return Publication(info)

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that *message* is safe with us (only with manual acknowledgement)."""
        self._client.ack(message.mid, message.qos)

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refused(str(reason))
            return
        if self._filters:
            client.subscribe(self._filters)
        self.reconnects += 1
        self.last_error = ""
        self._linked.set()
        if self._on_link is not None:
            self._on_link(True)

    def _failed(self, _client: mqtt.Client, _userdata: object) -> None:
        """Note why no connection came about: a wrong name, certificate or port looks the same."""
        self._refused(str(sys.exc_info()[1] or "no connection"))

    def _refused(self, why: str) -> None:
        """Say it once, not at every attempt."""
        if why != self.last_error:
            LOG.warning("broker %s:%d: %s", self._address.host, self._address.port, why)
        self.last_error = why

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        was_linked = self._linked.is_set()
        self._linked.clear()
        if was_linked:
            # After a refusal the word of the refusal says more than that of the closed line.
            self.last_error = str(reason)
        if was_linked and self._on_link is not None:
            self._on_link(False)

    def _received(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if self._on_message is None:
            return
        try:
            self._on_message(_message_of(message))
        except Exception:
            # It would end the network thread, and the program would be deaf without a word.
            LOG.exception("broker: a message broke its receiver; it is passed over")


def _message_of(message: mqtt.MQTTMessage) -> Message:
    properties = message.properties
    user = dict(getattr(properties, "UserProperty", ())) if properties else {}
    expiry = getattr(properties, "MessageExpiryInterval", None) if properties else None
    return Message(
        message.topic,
        bytes(message.payload),
        message.retain,
        user,
        expiry,
        message.mid,
        message.qos,
    )


def _send_at_once(_client: mqtt.Client, _userdata: object, sock: object) -> None:
    """Switch Nagle's algorithm off: with delayed acknowledgements it holds small packets 40 ms."""
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[attr-defined]  # a socket, an SSL socket or paho's WebSocket


def _properties(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]  # paho leaves it untyped


def _secret(path: str) -> str | None:
    return Path(path).read_text(encoding="utf-8").strip() if path else None
