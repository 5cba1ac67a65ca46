"""The views as a service has them: SQLite storage, the projector, and the answers to all queries."""
