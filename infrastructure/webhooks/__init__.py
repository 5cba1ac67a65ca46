"""Alerts told to an address outside, signed as Standard Webhooks asks; off unless the settings name one."""
