"""The demonstration on real data: where its rows come from and what they claim to have been known when."""
