"""When runs are due: the slots of a schedule, which of them still run, and who submits them."""
