"""Readings to findings: streaming, vectorised, explainable."""
