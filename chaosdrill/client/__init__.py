"""What is done and seen where the clients are: commands on the client host, name resolution, the load generator."""
