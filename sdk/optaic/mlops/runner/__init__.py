"""The child of a run: `python -P -s -m optaic.mlops.runner`.

It has an environment built from nothing, a working folder of its own and one way out: the Unix socket named
by
`OPTAIC_MLOPS_RUN_SOCKET`, which its executor owns. `protocol.py` describes what is said over it.
"""
