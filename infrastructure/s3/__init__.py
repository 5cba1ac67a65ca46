"""Content-addressed objects on S3 and on services that speak its protocol."""
