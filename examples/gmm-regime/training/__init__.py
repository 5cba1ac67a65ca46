"""Training: features, outcome, how the model is judged and by which metrics."""
