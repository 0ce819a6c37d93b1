"""Finds Modbus replies in what comes back from a serial line.

```
line ─▶ echo of the request stripped ─▶ address, function, byte count ─▶ CRC ─▶ Reply
                                          └─ everything else: discarded and counted
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge.framing import BAD_CHECKSUM, BinaryFramer, Rejection, Tally
from edge.modbus import EXCEPTION_BIT, EXCEPTION_BYTES, Reply, Request, intact, parse_reply

# Wherever a reply starts, three bytes tell whether it can be one: address, function, byte count.
_LEAD_BYTES = 3

# Which replies a listener takes: function -> data byte counts.
Shapes = Mapping[int, frozenset[int]]


class ReplyReader:
    """Finds replies in what comes back from the line.

    After `expect` only the reply to that very request is taken, once; later bytes are late or
    foreign. Before the first `expect` it listens: any slave, any reply of the given shapes (that is
    how a captured reply is decoded without its request).
    """

    __slots__ = ("_asked", "_echo", "_framer", "_head", "_pending", "_shapes", "_tally")

    def __init__(self, tally: Tally, shapes: Shapes) -> None:
        self._tally = tally
        self._shapes = _pattern(shapes)
        self._pending: Request | None = None
        self._asked = False
        self._head = bytearray()
        self._echo = b""
        self._framer = BinaryFramer(self._find_any, self._size_any, _judge, tally, lead=_LEAD_BYTES)

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their reply."""
        return len(self._head) + self._framer.pending

    @property
    def awaiting(self) -> bool:
        """Whether a request is still unanswered."""
        return self._pending is not None

    def expect(self, request: Request) -> bytes:
        """Note what was asked and return the bytes to send; forget what came before."""
        self.reset()
        self._asked = True
        self._pending = request
        self._echo = request.frame
        own = bytes((request.address, request.function, request.byte_count))
        refusal = bytes((request.address, request.function | EXCEPTION_BIT))
        size = request.reply_bytes

        def find(buffer: bytearray, at: int) -> int:
            reply, refused = buffer.find(own, at), buffer.find(refusal, at)
            return refused if reply < 0 or 0 <= refused < reply else reply

        def size_of(buffer: bytearray, at: int) -> int:
            return EXCEPTION_BYTES if buffer[at + 1] & EXCEPTION_BIT else size

        self._framer = BinaryFramer(find, size_of, _judge, self._tally, lead=_LEAD_BYTES)
        return self._echo

    def reset(self) -> None:
        """Forget partial bytes; a request stays asked, its reply may still come."""
        self._tally.discarded_bytes += len(self._head)
        self._head.clear()
        self._framer.reset()

    def feed(self, data: bytes) -> list[Reply]:
        """Take a piece of the line; return the replies that it completes."""
        if not data:
            return []
        if self._asked and self._pending is None:
            self._tally.discarded_bytes += len(data)
            self._tally.framing_errors += 1
            self._tally.last_error = "bytes that nobody asked for: a late or foreign reply"
            return []
        if self._echo:
            self._head += data
            if self._echo.startswith(self._head):
                return []
            data = bytes(self._head)
            self._head.clear()
            data = data.removeprefix(self._echo)
            self._echo = b""
        replies = self._take(self._framer.feed(data))
        if not replies and self._pending is not None:
            self._note_foreign(data)
        return replies

    def flush(self) -> list[Reply]:
        """Give up on a partial reply; return complete ones that stand behind its first byte."""
        return self._take(self._framer.flush())

    def _take(self, frames: list[bytes]) -> list[Reply]:
        replies = [reply for reply in map(parse_reply, frames) if reply is not None]
        if self._pending is None or not replies:
            return replies
        self._pending = None
        self._framer.reset()
        return replies[:1]

    def _note_foreign(self, data: bytes) -> None:
        """Say whose reply was thrown away, if it is one."""
        foreign = parse_reply(data)
        asked = self._pending
        if foreign is None or asked is None:
            return
        self._tally.framing_errors += 1
        self._tally.last_error = (
            f"reply of slave {foreign.address}, function {foreign.function}, {len(foreign.data)} "
            f"bytes, while slave {asked.address}, function {asked.function}, {asked.byte_count} "
            "bytes was asked"
        )

    def _find_any(self, buffer: bytearray, at: int) -> int:
        found = self._shapes.search(buffer, at)
        return -1 if found is None else found.start()

    def _size_any(self, buffer: bytearray, at: int) -> int:
        return EXCEPTION_BYTES if buffer[at + 1] & EXCEPTION_BIT else 5 + buffer[at + 2]


def _pattern(shapes: Shapes) -> re.Pattern[bytes]:
    """Return what the first three bytes of a reply look like: any address, function, byte count."""
    heads = []
    for function, sizes in shapes.items():
        listed = b"".join(re.escape(bytes((size,))) for size in sorted(sizes))
        heads.append(re.escape(bytes((function,))) + b"[" + listed + b"]")
        heads.append(re.escape(bytes((function | EXCEPTION_BIT,))) + b".")
    return re.compile(b".(?:" + b"|".join(heads) + b")", re.DOTALL)


def _judge(raw: bytes) -> Rejection | None:
    if not intact(raw):
        return BAD_CHECKSUM
    if parse_reply(raw) is None:
        return Rejection(checksum=False, why="a refusal with the exception code 0: there is none")
    return None
