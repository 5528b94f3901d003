"""Scheduled game days: drills that a calendar plans, that any scheduler may start, and that a ledger records."""
