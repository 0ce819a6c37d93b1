"""Findings to grades, incidents and people who are told."""
