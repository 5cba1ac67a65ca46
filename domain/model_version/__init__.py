"""Model versions: immutable results of training runs, moved between stages."""
