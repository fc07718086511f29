"""Packed models for `bcq_tf.runtime`: a file with a graph.

operations      what each operation of TensorFlow is in a graph
conversion      a traced function as a function of a graph
marks           weights in codes, seen in a traced function
writing         `export_runtime`
"""
