"""Seals ticks under the worlds' locks: what ticker and control share."""
