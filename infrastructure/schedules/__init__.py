"""What the scheduler stands on: who has schedules, how far it has come, and the thread that lets it tick."""
