"""The private names of Keras that the library needs, and what it does by them, in one place."""

from keras.src.backend import get_keras_mask as mask_of
from keras.src.export.export_utils import get_input_signature as input_signature
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell
from keras.src.utils.io_utils import print_msg as print_message

from bcq_tf._keras.class_swap import (
    changes_methods,
    float_class,
    float_classes,
    is_swapped,
    packed_subclass,
    swap_back,
    swap_class,
)
from bcq_tf._keras.deferred import (
    deferred_model,
    deferred_variables,
    initialize,
    initialize_rest,
)
from bcq_tf._keras.distribution import (
    is_first_process,
    of_first_process,
    sharding_of_all,
    wait_for_processes,
    with_state_sharding,
)
from bcq_tf._keras.fits import (
    backing_up_to,
    backup_paths,
    callbacks_of_this_fit,
    managed_variables,
    monitor_mode,
    optimizer_progress,
    replace_saving,
    start_at_epoch,
)
from bcq_tf._keras.grouped_attention import grouped_queries
from bcq_tf._keras.hub import (
    is_causal_lm,
    reads_hidden_states,
    set_special_tokens,
    special_tokens,
)
from bcq_tf._keras.models import (
    CompiledByXla,
    forget_training,
    part_of_loss,
    register_name,
    replaced_methods,
    running_eagerly,
    saves_as_h5,
    sync_variables,
    unpickled_model,
)
from bcq_tf._keras.recurrent_states import keeping_states, recurrent_states
from bcq_tf._keras.serialized import serialized_model
from bcq_tf._keras.structure import (
    holders_by_path,
    layers_by_path,
    overrides,
    own_variables,
    sublayers,
    walk_layers,
    weight_places,
)
from bcq_tf._keras.variables import (
    LostVariable,
    as_array,
    assign_rows,
    held_variable,
    remove_variable,
    restore_variable,
    unlocked,
)
