"""Runs of an instance: training, inference and monitoring; each ends once."""
