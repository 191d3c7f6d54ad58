"""Inhabitants: what they need, decide and do."""
