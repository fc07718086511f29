"""Fit with the callback, keep one file, load it in a fresh process: the same metrics."""

import json

import pytest

pytest.importorskip("keras_hub")

import bcq_tf
from tests import fresh
from tests.models.whole_models import CASES, KINDS, TOKENIZED, compiled, data, monitored

RATE = """
import json, sys
import bcq_tf
from tests.models.whole_models import CASES, rated

found = {}
for name, packed in CASES:
    model = bcq_tf.load_model(f"{sys.argv[1]}/{name}.bcq.npy", packed=packed)
    found[f"{name} {packed}"] = rated(name, model)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(the folder of the files, {kind: what `val_*` was in the best epoch})."""
    folder, expected = tmp_path_factory.mktemp("whole"), {}
    for name, build in KINDS.items():
        model, given = build(), data(name)
        compiled(name, model)
        callback = bcq_tf.BCQCallback(
            folder / f"{name}.bcq.npy",
            3,
            every_n_steps=2,
            monitor=f"val_{monitored(name)}",
            mode="min",
        )
        validation = given if len(given) > 1 else given[0]
        fitted = model.fit(
            *given,
            validation_data=validation,
            epochs=1 if name in TOKENIZED else 2,
            batch_size=8,
            verbose=0,
            callbacks=[callback],
        )
        best = bcq_tf.read(folder / f"{name}.bcq.npy").metadata["epoch"]
        logs = {key: values[best] for key, values in fitted.history.items()}
        expected[name] = {k[4:]: v for k, v in logs.items() if k.startswith("val_")}
    return folder, expected


@pytest.fixture(scope="module")
def found(trained):
    """{"kind packed": the metrics in a fresh process}."""
    done = fresh.run(RATE, trained[0])
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("name", "packed"), CASES)
def test_the_file_alone_gives_the_metrics_of_its_epoch(name, packed, trained, found):
    assert found[f"{name} {packed}"] == pytest.approx(trained[1][name], rel=1e-4, abs=1e-6)
