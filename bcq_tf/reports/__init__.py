"""What was done, as values and as text; how far it is."""
