"""`PackedTask`: what a packed task of KerasHub can be asked for beside a model."""

from __future__ import annotations


class PackedTask:
    """Stands before `PackedModel` in the class of a packed KerasHub task."""

    def save_to_preset(self, preset_dir, *args, **kwargs):
        """As `keras_hub.models.Task.save_to_preset`; the backbone in the preset is packed.

        Raises:
            ValueError: `from_preset` could not make the task again. It takes a packed backbone, but
                no task with weights of its own, a classifier's say, or without a preprocessor.
        """
        if self.has_task_weights() or self.preprocessor is None:
            raise ValueError(
                "`from_preset` loads no packed task that has weights beside its backbone or no "
                "preprocessor: save it as .keras, or make it float with bcq_tf.unpack_model. "
                f"Received: {type(self).__name__} '{self.name}'"
            )
        return super().save_to_preset(preset_dir, *args, **kwargs)
