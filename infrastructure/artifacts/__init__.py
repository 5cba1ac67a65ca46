"""Content-addressed bytes: model files, packages, reports."""
