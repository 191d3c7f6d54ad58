"""Counter-based random numbers: raw Philox words, pure."""
