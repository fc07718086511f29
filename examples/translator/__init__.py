"""The translator of the demo without TensorFlow: one file, NumPy and SentencePiece.

export       writes the file, with TensorFlow
translate    translates with it, without
"""
