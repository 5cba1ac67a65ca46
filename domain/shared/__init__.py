"""What every aggregate shares: identity, references, errors and the envelope of an activity."""
