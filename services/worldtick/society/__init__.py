"""The society: factions and their relations, and a crowd of people, every game day."""
