"""Who is who: API keys, the directory of those that live, and the record of what was denied."""
