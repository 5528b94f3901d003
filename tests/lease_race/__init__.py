"""Small drivers that race for the lease of one system, and a checker of what their calls came to."""
