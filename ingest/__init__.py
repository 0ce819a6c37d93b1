"""MQTT to history: validates, stores, receipts, keeps the ledger."""
