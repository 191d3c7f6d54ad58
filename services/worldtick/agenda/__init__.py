"""The agenda: what is due at a world time."""
