"""Bits where they count: what errors in weights cost, and the best spending of bytes."""
