"""Alerts: told once when a trouble begins, once when it ends."""
