"""One module per sensor family: bytes to readings, and readings to bytes."""
