"""PostgreSQL: connections, what an owner installs, and the operational tables."""
