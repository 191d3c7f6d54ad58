"""The crowd: people on a grid, hour by hour, what of it is news, and what it wants."""
