"""Alerts: what a rule on a run's metrics raised, and what became of it."""
