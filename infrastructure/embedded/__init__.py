"""The embedded service: one process on one data folder, found and started when it is needed."""
