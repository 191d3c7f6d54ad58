"""The words by which others know society: its budgets, facts, tables.
Lives here: names alone. Not here: what they stand for."""

from typing import Final

NAME: Final = "society"
PAIRS: Final = "diplomacy_pairs"  # budget: pairs evaluated in a tick
AGENT_STEPS: Final = "crowd_agent_steps"  # budget: hours of single people lived in a tick
PRICES: Final = "prices"  # facts read: district/commodity -> price ticks
UNREST: Final = "unrest_ppm"  # fact: district -> ppm
DEMAND: Final = "demand_ppm"  # fact: district/commodity/crowd -> factor
AT_WAR: Final = "at_war"  # fact: faction -> wars that it is in
RELATION: Final = "relation"  # table
