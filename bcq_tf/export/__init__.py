"""Packed models for other programs: SavedModel, ONNX and TensorFlow Lite, with the codes as they
are and nothing unpacked in the file.

    saved_model     for TensorFlow and TensorFlow Serving
    onnx, tflite    for their own runtimes
    interface       which model can be exported, and what goes in and out of it
    unpacking       the ops on codes that those runtimes have
    tracing         a function in which codes are inputs, so that no converter unpacks them
"""
