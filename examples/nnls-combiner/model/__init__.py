"""The model: weights of the signals."""
