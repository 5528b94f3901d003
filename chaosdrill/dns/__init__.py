"""DNS: the addresses of the domain and their region, as resolved by clients and on this machine."""
