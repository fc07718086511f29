"""Training of one layer."""

import tensorflow as tf


def train(layer, ids, optimizer, steps=3, **options):
    """The table after some steps, whose loss weighs all elements of the result differently."""
    optimizer.build(layer.trainable_variables)

    @tf.function(**options)
    def step(ids):
        with tf.GradientTape() as tape:
            rows = tf.cast(layer(ids, training=True), tf.float32)
            weights = tf.sin(tf.range(1, tf.size(rows) + 1, dtype=tf.float32))
            loss = tf.reduce_sum((tf.reshape(rows, [-1]) - weights) ** 2) + sum(layer.losses)
        variables = [variable.value for variable in layer.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), layer.trainable_variables)

    for _ in range(steps):
        step(tf.constant(ids))
    return layer.embeddings.numpy()
