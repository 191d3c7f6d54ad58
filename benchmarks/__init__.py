"""Figures that can be taken again: each module states its question, its rival and what it does not ask."""
