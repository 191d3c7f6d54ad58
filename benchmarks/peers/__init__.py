"""The rivals, each in a process of its own that is told everything by its arguments and runs until it is terminated."""
