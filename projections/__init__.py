"""The read side: views that are folds of the activity log, each of them answerable as of any position."""
