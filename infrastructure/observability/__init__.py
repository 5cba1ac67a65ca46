"""What an operator sees: metrics, structured logs and traces."""
