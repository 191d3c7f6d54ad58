"""Diplomacy: what factions feel and hold against each other, and the states that come of it."""
