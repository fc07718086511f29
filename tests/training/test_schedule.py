"""Schedules: which weights have how many bits at which optimizer step, and what is kept of it."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf import BCQCallback
from bcq_tf.training.schedule import check_phases, make_phases, phase_at
from tests.small_models import batches, compiled_mlp

from .test_callback import RULES, Spy, fit

STEPS = 4  # an epoch
VALIDATION = batches(seed=2, size=64)  # one batch


def plan_at(schedule, step, bits=2, rules=None):
    """{path: bits} of the quantized weights and {path: reason} of the kernels left float."""
    plan = bcq_tf.select(compiled_mlp(), bcq_tf.BCQConfig(bits), rules or RULES)
    phases = make_phases(schedule)
    check_phases(phases, plan)
    phase = phase_at(phases, step)
    plan = phase.apply(plan) if phase else plan
    positions = [weight.position for weight in plan.skipped]
    assert positions == sorted(positions)
    kept = {w.path: w.reason for w in plan.skipped if w.path.endswith("kernel")}
    return {w.path: w.config.bits for w in plan.chosen}, kept


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (None, 0, {"hidden/kernel": 2, "output/kernel": 2}),
        ({5: 4}, 0, {"hidden/kernel": 4, "output/kernel": 4}),
        ({5: 4}, 4, {"hidden/kernel": 4, "output/kernel": 4}),
        ({5: 4}, 5, {"hidden/kernel": 2, "output/kernel": 2}),
        ({9: 3, 5: 8}, 4, {"hidden/kernel": 8, "output/kernel": 8}),
        ({9: 3, 5: 8}, 5, {"hidden/kernel": 3, "output/kernel": 3}),
        ({5: 1}, 0, {"hidden/kernel": 2, "output/kernel": 2}),  # never fewer than at the end
        ({5: None}, 0, {}),
        ({5: {"hidden*": None}}, 0, {"output/kernel": 2}),
        ({5: {"hidden*": 3, "*": None}}, 0, {"hidden/kernel": 3}),
        ({5: {"*put*": 5}}, 0, {"hidden/kernel": 2, "output/kernel": 5}),
        ({np.int64(5): np.int8(4)}, 0, {"hidden/kernel": 4, "output/kernel": 4}),
    ],
)
def test_bits_at_a_step(schedule, step, expected):
    assert plan_at(schedule, step)[0] == expected


def test_rules_of_the_end_hold_and_what_is_still_float_says_until_when():
    chosen, kept = plan_at({7: {"hidden*": None}}, 0, rules={"output*": 6, "hidden*": {}})
    assert chosen == {"output/kernel": 6}
    assert kept == {"hidden/kernel": "float until step 7"}


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({0: 4}, "`step` must be a positive integer. Received: step=0"),
        ({"5": 4}, "`step` must be a positive integer. Received: step='5'"),
        ({5: 9}, r"`bits` must be .* Received: bits=9 \(`schedule`, until step 5\)"),
        ({5: {"*": "x"}}, r"`bits` must be .* Received: bits='x' \(`schedule`, until step 5\)"),
        ({5: {"encoder*": 2}}, "`schedule` must have patterns .* 'encoder\\*' until step 5"),
        ([5, 4], r"`schedule` must be a mapping of steps to bits. Received: \[5, 4\]"),
    ],
)
def test_bad_schedules(schedule, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plan_at(schedule, 0)


def kernel_bits(model):
    """{layer: bits} of the kernels, None where a column has more values than 8 bits give."""
    found = {}
    for name in ("hidden", "output"):
        kernel = np.asarray(model.get_layer(name).kernel)
        values = max(len(np.unique(column)) for column in kernel.T)
        found[name] = int(np.ceil(np.log2(values))) if values < len(kernel) else None
    return found


class Validated(Spy):
    """Looks at the model where it is validated."""

    def on_epoch_end(self, epoch, logs=None):
        pass

    def on_test_batch_begin(self, batch, logs=None):
        self.seen.append(self.look(self.model))


@pytest.mark.parametrize(("every_n_steps", "latent"), [(1, True), (2, False), (100, True)])
def test_a_model_goes_through_the_phases(tmp_path, latent, every_n_steps):
    path = tmp_path / "m.bcq.npy"
    schedule = {STEPS + 1: None, 2 * STEPS + 1: {"hidden*": 3, "*": None}, 3 * STEPS + 1: 2}
    options = {"latent": latent, "every_n_steps": every_n_steps, "schedule": schedule}
    spy = Validated(kernel_bits)
    callback = BCQCallback(path, 1, rules=RULES, **options)
    model = compiled_mlp()
    history = fit(model, [spy, callback], epochs=5, validation_data=VALIDATION).history
    assert spy.seen[0] == {"hidden": None, "output": None}
    assert spy.seen[1]["hidden"] == 3
    assert spy.seen[1]["output"] is None
    assert spy.seen[2:] == [{"hidden": 2, "output": 2}] + [{"hidden": 1, "output": 1}] * 2
    assert history["bcq_bits"][0] == 0
    assert history["bcq_bits"][1] > history["bcq_bits"][2] > history["bcq_bits"][3]
    best = 3 + int(np.argmin(history["val_loss"][3:]))  # no epoch before has counted
    assert bcq_tf.read(path).metadata["epoch"] == best
    assert callback.best == pytest.approx(history["val_loss"][best])
    assert kernel_bits(model) == {"hidden": 1, "output": 1}


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.graphs
def test_a_phase_may_change_within_an_epoch_and_in_one_execution(latent):
    model = compiled_mlp(steps_per_execution=4)
    callback = BCQCallback(bits=1, rules=RULES, schedule={3: 4, 6: 2}, latent=latent)
    spy = Validated(kernel_bits)
    fit(model, [spy, callback], epochs=2, validation_data=VALIDATION)
    assert spy.seen == [{"hidden": 2, "output": 2}, {"hidden": 1, "output": 1}]


@pytest.mark.parametrize("latent", [False, True])
def test_training_that_ends_before_the_schedule_is_kept_as_at_its_end(tmp_path, latent):
    path = tmp_path / "m.bcq.npy"
    model = compiled_mlp()
    callback = BCQCallback(path, 2, rules=RULES, schedule={100: None}, latent=latent)
    with pytest.warns(UserWarning, match="`schedule` goes on until step 100 .* ended at 8"):
        fit(model, [callback])
    assert kernel_bits(model) == {"hidden": 2, "output": 2}
    assert bcq_tf.read(path).metadata["value"] is None


def test_a_run_that_starts_again_goes_on_in_its_phase(tmp_path):
    backup = tmp_path / "backup"
    options = {"rules": RULES, "schedule": {STEPS + 1: None}, "every_n_steps": 1}
    first = keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)
    with pytest.warns(UserWarning, match="`schedule` goes on"):
        fit(compiled_mlp(), [first, BCQCallback(bits=1, **options)], epochs=1)
    spy = Validated(kernel_bits)
    again = keras.callbacks.BackupAndRestore(backup)
    fit(compiled_mlp(), [again, spy, BCQCallback(bits=1, **options)], validation_data=VALIDATION)
    assert spy.seen == [{"hidden": 1, "output": 1}]


@pytest.mark.parametrize("latent", [False, True])
def test_weights_may_be_float_again_for_a_while(latent):
    schedule = {STEPS + 1: 3, 2 * STEPS + 1: None}
    callback = BCQCallback(bits=1, rules=RULES, schedule=schedule, latent=latent)
    spy = Validated(kernel_bits)
    fit(compiled_mlp(), [spy, callback], epochs=3, validation_data=VALIDATION)
    assert spy.seen == [{"hidden": n, "output": n} for n in (3, None, 1)]
