"""World time, calendar, slots and firings, as pure functions."""
