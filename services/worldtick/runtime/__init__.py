"""The worker that runs any service: consume, step, commit, publish, dead-letter, health, metrics."""
