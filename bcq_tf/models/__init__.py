"""Whole models: what a file holds of them, and float models turned into packed ones and back."""
