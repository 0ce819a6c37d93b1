"""The Common Alerting Protocol 1.2 (OASIS): messages of ours for others, and of others for us."""
