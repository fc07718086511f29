"""What a compressed table is worth: distances, overlaps, tests of similarity and analogy."""
