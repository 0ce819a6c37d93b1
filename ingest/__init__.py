"""MQTT to history: validates, stores, receipts, and keeps the ledger; see README.md."""
