"""The rules of model operations: pure, no input or output, nothing but values in and events out."""
