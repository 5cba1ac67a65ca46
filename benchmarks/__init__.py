"""Measurements: each compares our part with the raw thing it is made of, side by side in one run."""
