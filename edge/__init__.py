"""Runs on the station: serial bytes, readings, spool, MQTT; acts alone when the link is down."""
