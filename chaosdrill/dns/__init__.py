"""DNS: who answers for the domain, where clients are and here."""
