"""Runs on the station: serial bytes, readings, spool, MQTT; acts alone when the link is down."""

from edge.spool_file import SpoolTotals, read_spool

__all__ = ["SpoolTotals", "read_spool"]
