"""The packet-loss fault: a FIS experiment with the SSM document AWSFIS-Run-Network-Packet-Loss-Sources."""
