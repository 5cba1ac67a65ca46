"""What is measured of data and predictions: pure functions of frames, the same in a run and in a notebook."""
