"""The Aurora global database: which region writes."""
