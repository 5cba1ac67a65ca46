"""The model: nothing is learned, the rules are the model."""
