"""Everything that touches the world: one folder for one outside system, behind the ports of `application`."""
