"""Contracts are the law, gates the police: pure validators that judge measurements."""
