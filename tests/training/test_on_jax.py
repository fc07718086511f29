"""The callback, latent training and schedules, in a process in which Keras runs on JAX.

There a step is a function of its state, and the variables lag behind it: the tests of what reads
or writes them in a `fit` run again, each setting once; what no backend has a part in does not.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends import only_on

TESTS = {
    "training/test_callback.py": [
        "test_solves_at_multiples_of_the_interval_and_before_each_validation[crossing]",
        "test_solves_at_multiples_of_the_interval_and_before_each_validation[latent, crossing]",
        "test_an_interval_crossed_inside_one_execution_counts[True]",
        "test_gradient_accumulation_divides_the_steps",
        "test_val_logs_are_those_of_the_quantized_model_in_the_file[2-False]",
        "test_val_logs_are_those_of_the_quantized_model_in_the_file[3-True]",
        "test_training_ends_with_the_best_epochs_weights[True]",
        "test_the_averaged_weights_are_quantized_when_training_ends",
        "test_beside_model_checkpoint_backup_and_early_stopping",
        "test_mixed_precision[True-mixed_float16]",
        "test_one_callback_serves_two_fits",
    ],
    "training/test_callback_cut_short.py": [
        "test_a_callback_that_ends_training_in_nan_leaves_the_best_epoch[its own-True]",
        "test_a_callback_that_ends_training_in_nan_leaves_the_best_epoch[EarlyStopping-False]",
        "test_without_one_the_weight_is_named_and_the_best_epoch_is_there[True-1000]",
        "test_training_goes_on_where_a_callback_puts_good_weights_in_place[True]",
        "test_where_no_epoch_was_good_training_ends_as_in_keras[True]",
        "test_a_validation_that_is_cut_short_leaves_the_float_weights[data]",
    ],
    "training/test_latent.py": [
        "test_fit_takes_the_steps_of_the_definition[accumulating]",
        "test_fit_takes_the_steps_of_the_definition[averaging]",
        "test_every_way_to_compile_takes_the_same_steps[eagerly]",
        "test_every_way_to_compile_takes_the_same_steps[several an execution]",
        "test_mixed_precision_keeps_float32_latents[mixed_float16]",
        "test_offsets_and_groups_are_projected",
        "test_a_row_of_zeros_can_train",
        "test_new_codes_are_projected_onto_from_the_next_step_on",
        "test_remove_gives_the_model_its_own_step_back",
        "test_a_fit_after_an_interrupted_one_trains_plainly",
    ],
    "training/test_latent_on_jax.py": [],
    "training/test_latent_written.py": [
        "test_what_others_write_stays[{}-moving_average-codebook]",
        "test_a_frozen_weight_is_seen_quantized_and_stays[8]",
        "test_a_weight_that_is_not_finite_is_not_hidden_by_its_levels[nan]",
    ],
    "training/test_teaching.py": [
        "test_the_loss_is_that_of_the_formula[True-3.0-categorical]",
        "test_at_alpha_1_labels_do_not_matter[False]",
        "test_at_alpha_1_labels_do_not_matter[True]",
        "test_val_loss_stays_the_plain_one",
        "test_the_path_of_a_teacher[.bcq.npy]",
    ],
    "training/test_optimizers.py": [
        "test_batches_of_one_execution",
        "test_optimizers_are_found_once_wherever_they_stand",
        "test_solves_and_schedules_go_by_these_steps",
    ],
    "training/test_schedule.py": [
        "test_a_model_goes_through_the_phases[2-False]",
        "test_a_phase_may_change_within_an_epoch_and_in_one_execution[True]",
        "test_a_run_that_starts_again_goes_on_in_its_phase",
    ],
    "training/test_shown_weights.py": [
        "test_scores_of_an_epochs_end_are_those_of_the_quantized_model[after ours-True]",
        "test_scores_of_an_epochs_end_are_those_of_the_quantized_model[before ours-False]",
        "test_every_callback_sees_quantized_weights_at_the_end_of_every_epoch[no validation-True]",
        "test_every_callback_sees_quantized_weights_at_the_end_of_every_epoch[no validation-False]",
        "test_a_context_shows_the_quantized_or_the_training_weights_at_any_moment[True-False]",
        "test_a_context_shows_the_quantized_or_the_training_weights_at_any_moment[False-True]",
        "test_an_error_puts_the_training_weights_back[True]",
        "test_what_another_callback_assigns_at_an_epochs_end_stays[True]",
        "test_a_function_of_the_model_rates_epochs_and_all_callbacks_see_its_entry",
    ],
    "layers/test_fast_embeddings_on_other_backends.py": [],
}
ROOT = Path(__file__).parents[2]


@only_on("tensorflow")
def test_all_this_holds_on_jax():
    pytest.importorskip("jax")
    chosen = [
        f"tests/{file}::{name}" if name else f"tests/{file}"
        for file, names in TESTS.items()
        for name in names or [None]
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *chosen],
        cwd=ROOT,
        # What is compiled runs for milliseconds: optimizing it takes longer.
        env=environment | {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d{2,} passed", done.stdout), done.stdout[-500:]
