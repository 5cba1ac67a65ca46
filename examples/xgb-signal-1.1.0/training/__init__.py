"""Training: features, target, how the model is judged and by which metrics."""
