"""The model: gradient-boosted trees on the rank of the target."""
