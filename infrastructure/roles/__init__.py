"""The production roles: one process each, the code of the embedded service on PostgreSQL and Kafka."""
