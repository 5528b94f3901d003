"""A drill as it happens, in a terminal beside it, from nothing but what it writes into its run directory."""
