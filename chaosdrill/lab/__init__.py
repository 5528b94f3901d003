"""The embedded target: real components on one Linux machine, accessed like AWS by endpoint, profile and topology."""
