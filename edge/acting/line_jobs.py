"""Jobs for a bus that somebody else serves: the crew asks, the port's own thread does it.

A line has one speaker at a time, so what is switched over RS-485 takes its turn between two
questions to sensors, at once and before them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from edge.acting.output import OutputError
from edge.ports import BytePort, PortLostError

# What a job does with an open line.
Job = Callable[[BytePort], None]
# Bits per second of a line with nothing but relay modules, unless its port says otherwise: what
# such modules are shipped with.
RELAY_BAUD = 9600
# Jobs that wait at most; there is one crew, which waits for each.
_MOST = 8
# Wall seconds that a job may wait and take: a bus turn of a silent device is below half a second.
_PATIENCE_S = 3.0


class _Ticket:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = threading.Event()
        self.given_up = False
        self.error = ""


class LineJobs:
    """The jobs of one port.

    Args:
        baud: Bits per second of the line.

    Attributes:
        baud: The same, for the pauses and time-outs of a job.
        wake: Set while a job may wait; the port's thread sleeps on it.
    """

    def __init__(self, baud: int = RELAY_BAUD) -> None:
        self.baud = baud
        self._tickets: queue.Queue[_Ticket] = queue.Queue(_MOST)
        self.wake = threading.Event()

    def do(self, job: Job) -> None:
        """Have a job done, and wait for it.

        Raises:
            OutputError: It failed, or nobody serves the line.
        """
        ticket = _Ticket(job)
        try:
            self._tickets.put_nowait(ticket)
        except queue.Full as error:
            raise OutputError("the line is busy") from error
        self.wake.set()
        if not ticket.done.wait(_PATIENCE_S):
            # Not done later: by then the opposite may be wanted.
            ticket.given_up = True
            raise OutputError("the line is not open, or does not get on")
        if ticket.error:
            raise OutputError(ticket.error)

    def serve(self, port: BytePort) -> bool:
        """Do the next job on an open line; False if there is none. Called by the port's thread.

        Raises:
            PortLostError: The line is gone.
        """
        self.wake.clear()
        try:
            ticket = self._tickets.get_nowait()
        except queue.Empty:
            return False
        if ticket.given_up:
            return True
        try:
            ticket.job(port)
        except PortLostError as error:
            ticket.error = str(error)
            raise
        except OutputError as error:
            ticket.error = str(error)
        finally:
            ticket.done.set()
        return True
