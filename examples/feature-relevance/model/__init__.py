"""The model: how much each feature says about the size of the next move."""
