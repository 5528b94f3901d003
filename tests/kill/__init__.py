"""The kill matrix: a drill that dies at each point of it, and a rescue from another machine."""
