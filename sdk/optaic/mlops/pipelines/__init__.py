"""What a run does in its process: training, inference and monitoring around a definition's components."""
