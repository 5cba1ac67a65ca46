"""Child processes: an environment from nothing, bounded output, an end for the whole group."""
