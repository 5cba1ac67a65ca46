"""The model: trees that rank the signals of a date."""
