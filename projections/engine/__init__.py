"""The engine of all views: pages of the log in, rows and position out, in one transaction."""
