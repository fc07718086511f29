"""What was done, as values and as tables; how far it is."""
