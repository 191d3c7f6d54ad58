"""Markets: agents that produce, consume and trade; a uniform-price call auction each hourly tick."""
