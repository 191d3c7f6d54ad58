"""What happened, as a projection: completion, accounts, lag, market figures."""
