"""The command line `optaic-mlops`: everything goes through the service's HTTP API."""
