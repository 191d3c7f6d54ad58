"""Decides which boundaries are due, seals ticks and publishes them."""
