"""A process that works a spool until it is killed: what it prints has reached the hub."""

from __future__ import annotations

import base64
import random
import sys
from pathlib import Path

from core.clock import RunClock
from core.quantity import Quantity
from core.reading import Reading
from core.status import encode_status
from edge.pack_books import StoredPack
from edge.spool import Spool
from tests.chaos.account_hub import START_MS, status_of


def main() -> None:
    path, boot, first, seed = sys.argv[1:]
    chance = random.Random(int(seed))
    spool = Spool(Path(path), boot, RunClock(), max_bytes=30_000, at_risk=7)
    at = START_MS + int(first)
    while True:
        count = chance.randint(1, 9)
        at += count
        made = [Reading("one-0", Quantity.WATER_LEVEL, at + index, 0.25) for index in range(count)]
        online = chance.random() < 0.5
        sent = spool.commit(made, sync=True, sent=online, alarm=chance.random() < 0.05)
        if online:
            sent = sent + spool.oldest(chance.randint(0, 5), [sent[0].id])
            for pack in sent:
                say(pack)
            spool.receipt([pack.id for pack in sent])
            if chance.random() < 0.2:
                print("status", base64.b64encode(encode_status(status_of(spool))).decode())
        # The hub has it: only then a receipt may be acted on.
        sys.stdout.flush()


def say(pack: StoredPack) -> None:
    payload = base64.b64encode(pack.payload).decode()
    print("pack", pack.id.boot, pack.id.seq, pack.count, payload, flush=True)


if __name__ == "__main__":
    main()
