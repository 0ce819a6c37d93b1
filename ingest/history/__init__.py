"""The archive seam: embedded SQLite and InfluxDB; write and read."""
