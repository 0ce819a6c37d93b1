"""A mail server on loopback: STARTTLS, login, a reply to each command, bad manners on demand."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """One mail as it came in."""

    sender: str
    to: tuple[str, ...]
    data: bytes
    encrypted: bool
    user: str


@dataclass
class Manners:
    """How the server behaves.

    Attributes:
        replies: Instead of the usual one, by the beginning of a command (`RCPT TO:<a@b>`, `.` for
            the end of the data, `` for the greeting).
        reset: Breaks the connection at a command that begins so, or after the data (`.`).
        silent: Says nothing at a command that begins so.
        drip: Answers it one byte at a time.
        starttls, login: What it offers.
        password: Of user `hub`.
    """

    replies: dict[str, str] = field(default_factory=dict)
    reset: str = "never"
    silent: str = "never"
    drip: str = "never"
    starttls: bool = True
    login: bool = True
    password: str = "nobodyspassword"


class MailServer:
    """Serves until closed; `manners` may be changed at any time."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.manners = Manners()
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.released = threading.Event()
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                session = _Session(outer, self.request, outer._context)
                with contextlib.suppress(OSError):
                    session.run()
                session.line.close()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _HungUpError(OSError):
    pass


class _Session:
    def __init__(
        self, server: MailServer, line: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        self.server, self.line, self.context = server, line, context
        self.encrypted, self.user = False, ""
        self.sender, self.to = "", list[str]()
        self.buffer = b""

    def run(self) -> None:
        self.say("", "220 mail.example ESMTP")
        while True:
            command = self.read_line()
            self.server.commands.append(command)
            if not self.take(command):
                return

    def take(self, command: str) -> bool:
        verb = command.split(" ", maxsplit=1)[0].upper()
        if verb == "EHLO":
            self.greet(command)
        elif verb == "STARTTLS" and self.context is not None:
            self.say(command, "220 go ahead")
            self.line = self.context.wrap_socket(self.line, server_side=True)
            self.encrypted = True
        elif verb == "AUTH":
            self.sign_in(command)
        elif verb == "MAIL":
            self.sender, self.to = command.partition("<")[2].partition(">")[0], []
            self.say(command, "250 ok")
        elif verb == "RCPT":
            if self.say(command, "250 ok").startswith("25"):
                self.to.append(command.partition("<")[2].partition(">")[0])
        elif verb == "DATA":
            self.receive(command)
        elif verb == "QUIT":
            self.say(command, "221 bye")
            return False
        else:
            self.say(command, "502 no such command" if verb != "RSET" else "250 ok")
        return True

    def greet(self, command: str) -> None:
        manners = self.server.manners
        offers = ["mail.example", "SIZE 1000000", "8BITMIME"]
        if manners.starttls and self.context is not None and not self.encrypted:
            offers.append("STARTTLS")
        if manners.login and (self.encrypted or self.context is None):
            offers.append("AUTH PLAIN")
        text = "\r\n".join(f"250-{offer}" for offer in offers[:-1]) + f"\r\n250 {offers[-1]}"
        self.say(command, text)

    def sign_in(self, command: str) -> None:
        _, user, password = base64.b64decode(command.split(" ")[2]).decode().split("\0")
        if (user, password) == ("hub", self.server.manners.password):
            self.user = user
            self.say("AUTH", "235 accepted")
        else:
            self.say("AUTH", f"535 5.7.8 no such login {password}")

    def receive(self, command: str) -> None:
        if not self.say(command, "354 go on").startswith("354"):
            return
        lines = []
        while (line := self.read_line()) != ".":
            lines.append(line.removeprefix(".") if line.startswith("..") else line)
        data = "\r\n".join(lines).encode("latin-1")
        self.server.mails.append(Mail(self.sender, tuple(self.to), data, self.encrypted, self.user))
        self.say(".", "250 2.0.0 Ok: queued as 4F3A")

    def say(self, command: str, usual: str) -> str:
        manners = self.server.manners
        if command.startswith(manners.reset):
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.line.close()
            raise _HungUpError
        if command.startswith(manners.silent):
            self.server.released.wait(10)
            raise _HungUpError
        found = [text for start, text in manners.replies.items() if _fits(command, start)]
        reply = (found[0] if found else usual).encode() + b"\r\n"
        if not command.startswith(manners.drip):
            self.line.sendall(reply)
            return reply.decode()
        for index in range(len(reply) - 2):
            self.line.sendall(reply[index : index + 1])
            if self.server.released.wait(0.1):
                break
        return reply.decode()

    def read_line(self) -> str:
        while b"\r\n" not in self.buffer:
            piece = self.line.recv(4096)
            if not piece:
                raise _HungUpError
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("latin-1")


def _fits(command: str, start: str) -> bool:
    return command == start if not start else command.startswith(start)
