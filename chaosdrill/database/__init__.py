"""The stores: which region writes to the Aurora global database, and how late both stores are replicated."""
