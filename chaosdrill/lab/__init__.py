"""The embedded target: real parts on one Linux machine, reached like AWS, by endpoint, profile and topology."""
