"""Model instances: one definition version with datasets, parameters and schedules."""
