"""Use cases: commands in, events appended; queries answered. Knows the outside only through its ports."""
