"""Transfer of runs between machines: export of a run as one archive with a manifest, and import into a store."""
