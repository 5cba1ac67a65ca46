"""The HTTP way in: FastAPI, problem+json, server-sent events."""
