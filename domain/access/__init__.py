"""Access: which keys a tenant has given out, to whom, with which role."""
