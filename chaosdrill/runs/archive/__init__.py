"""Runs that go from one machine to another: one archive of a run, with its manifest, and back into a store."""
