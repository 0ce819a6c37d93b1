"""Measures how early, how completely and how quietly the detectors warn, on recordings."""
