"""A service author's test kit: one service lived through in memory, and checks of the laws that bind it."""
