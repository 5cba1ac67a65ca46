"""Datasets: named, bitemporal, append-only; each write makes a version."""
