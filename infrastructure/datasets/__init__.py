"""The bitemporal Parquet store: append-only rows with two clocks."""
