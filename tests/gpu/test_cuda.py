"""The CUDA kernels against float64: products, gradients, gather. Skipped without a GPU.

`make gpu-check` runs this where there are nvcc, torch and a GPU but no TensorFlow.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests/gpu needs PyTorch and a CUDA device")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from tests.gpu import cuda_codes  # noqa: E402
from tests.gpu.cuda_codes import CudaCodes, random_codes  # noqa: E402

if cuda_codes.library_path() is None:
    pytest.skip("libbcq_cuda.so is not built: make gpu-check", allow_module_level=True)

SEED = 20
# rows, columns, bits, what else
SHAPES = {
    "one": (1, 1, 1, {}),
    "whole rows": (256, 512, 3, {}),
    "odd": (1000, 777, 3, {}),
    "one bit": (65, 4097, 1, {}),
    "groups of 32": (70, 1061, 2, {"group_size": 32}),
    "groups of 96": (130, 1000, 4, {"group_size": 96, "offset": True}),
    "groups of 128": (512, 4096, 3, {"group_size": 128}),
    "eight bits": (100, 300, 8, {"offset": True}),
    "ragged": (
        300,
        333,
        4,
        {
            "plane_rows": (300, 200, 64, 1),
            "group_size": 64,
            "offset": True,
            "row_order": True,
        },
    ),
    "large": (4096, 4096, 3, {}),
    "long": (192, 28672, 2, {}),
}
FLOATS = [torch.float32, torch.float16, torch.bfloat16]
# A relative rms error for each precision and batch, and what rounding to the dtype adds.
ROUNDING = {torch.float32: 0, torch.float16: 3e-4, torch.bfloat16: 2.5e-3}
BATCHES = [1, 2, 3, 8, 9, 32, 33, 100, 1030]


def codes_of(name, **options) -> CudaCodes:
    rows, columns, bits, more = SHAPES[name]
    return CudaCodes(
        random_codes(np.random.default_rng(SEED), rows, columns, bits, **more), **options
    )


def normal(*shape, dtype=torch.float32, seed=SEED):
    generator = torch.Generator("cuda").manual_seed(seed)
    return torch.randn(*shape, generator=generator, device="cuda").to(dtype)


def random_ids(rows, count):
    generator = torch.Generator("cuda").manual_seed(SEED)
    return torch.randint(rows, (count,), generator=generator, device="cuda")


def relative_error(got, expected) -> float:
    return float((got.double() - expected).norm() / expected.norm().clamp_min(1e-30))


def bound(precision, batch) -> float:
    if precision == "exact":
        return 6e-7
    return 1e-2 if batch > 32 else 2e-4


@pytest.fixture(scope="module", params=SHAPES)
def codes(request):
    return codes_of(request.param)


@pytest.fixture(scope="module")
def weights(codes):
    return codes.weights()


def test_weights_are_those_of_the_codes(codes, weights):
    np.testing.assert_array_equal(weights.cpu().numpy(), codes.codes.reconstruct())


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_product(codes, weights, precision, batch):
    x = normal(batch, codes.matrix.columns, seed=batch)
    y = codes.product(x, precision)
    expected = x.double() @ weights.double().T
    assert relative_error(y, expected) <= bound(precision, batch)


@pytest.mark.parametrize("dtype", FLOATS[1:])
@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("batch", [1, 8, 40])
def test_product_of_half_precision(codes, weights, precision, batch, dtype):
    x = normal(batch, codes.matrix.columns, dtype=dtype)
    y = codes.product(x, precision)
    assert y.dtype == dtype
    expected = x.double() @ weights.double().T
    assert relative_error(y, expected) <= bound(precision, batch) + ROUNDING[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_of_scales(dtype):
    codes = codes_of("ragged", scale_type=dtype)
    x = normal(5, codes.matrix.columns)
    expected = x.double() @ codes.weights().double().T
    assert relative_error(codes.product(x), expected) <= 6e-7


def test_exact_error_at_4096_columns():
    codes = codes_of("large")
    weights = codes.weights().double()
    x = normal(4, 4096)
    assert relative_error(codes.product(x), x.double() @ weights.T) <= 3e-7
    x[:, ::100] *= 100
    assert relative_error(codes.product(x), x.double() @ weights.T) <= 2e-6


def test_exact_rows_have_the_same_bits_in_any_batch(codes):
    x = normal(60, codes.matrix.columns)
    whole = codes.product(x)
    for size in [1, 2, 3, 8, 20]:
        parts = torch.cat([codes.product(part.contiguous()) for part in x.split(size)])
        assert torch.equal(parts, whole), f"batches of {size}"


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("batch", [1, 8, 32, 100])
def test_product_is_the_same_every_time(codes, precision, batch):
    x = normal(batch, codes.matrix.columns)
    first = codes.product(x, precision)
    for _ in range(5):
        assert torch.equal(codes.product(x, precision), first)


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("batch", [1, 2, 7, 20, 50])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_values_that_are_not_finite(precision, batch, value):
    codes = codes_of("ragged")
    weights = codes.weights().double()
    x = normal(batch, codes.matrix.columns)
    clean = codes.product(x, precision)
    x[batch // 2, -1] = value
    y = codes.product(x, precision)
    others = torch.arange(batch, device="cuda") != batch // 2
    assert torch.equal(y[others], clean[others])
    expected = (x[batch // 2].double() * weights).sum(dim=1)
    torch.testing.assert_close(y[batch // 2].double(), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("size", [1e-38, 1e-30, 1e30])
def test_tiny_and_huge_values(codes, weights, size):
    x = normal(3, codes.matrix.columns) * size
    expected = x.double() @ weights.double().T
    assert relative_error(codes.product(x), expected) <= 2e-6


def test_batch_of_0(codes):
    assert codes.product(normal(0, codes.matrix.columns)).shape == (0, codes.matrix.rows)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [1, 33])
def test_product_transposed(codes, weights, batch, dtype):
    dy = normal(batch, codes.matrix.rows, dtype=dtype)
    dx = codes.product_transposed(dy)
    expected = dy.double() @ weights.double()
    assert relative_error(dx, expected) <= 2e-6 + ROUNDING[dtype]


def signed_sums(codes, d):
    """d float64 [R, C] -> what the scales' and the offset's gradients are: [G, q, R], [G, R]."""
    value, groups = codes.codes, codes.codes.groups
    stored = d if codes.row_order is None else d[codes.row_order.long()]
    padded = torch.zeros(len(d), groups * codes.matrix.group_size, dtype=torch.float64).cuda()
    sums = torch.zeros(groups, value.bits, len(d), dtype=torch.float64).cuda()
    for i, signs in enumerate(value.signs()):
        padded.zero_()
        padded[: len(signs), : value.columns] = (
            stored[: len(signs)] * torch.from_numpy(signs).cuda()
        )
        sums[:, i] = padded.view(len(d), groups, -1).sum(dim=2).T
    padded[:, : value.columns] = stored
    return sums, padded.view(len(d), groups, -1).sum(dim=2).T


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [1, 70])
def test_scale_gradient(codes, batch, dtype):
    x = normal(batch, codes.matrix.columns, dtype=dtype)
    dy = normal(batch, codes.matrix.rows, dtype=dtype, seed=1)
    dscales, doffset = codes.scale_gradient(x, dy)
    expected, expected_offset = signed_sums(codes, dy.double().T @ x.double())
    assert relative_error(dscales, expected) <= 2e-6
    assert relative_error(doffset, expected_offset) <= 2e-6


@pytest.mark.parametrize("dtype", FLOATS)
def test_gather_is_exact(codes, weights, dtype):
    ids = random_ids(codes.matrix.rows, 999)
    rows, bad = codes.gather(ids, dtype)
    assert bad == -1
    assert torch.equal(rows, weights[ids].to(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_columns_are_exact(codes, weights, dtype):
    assert torch.equal(codes.columns(dtype), weights.T.to(dtype))


def test_bad_ids():
    codes = codes_of("ragged")
    ids = torch.tensor([0, 5, 300, -1, 299], device="cuda")
    rows, bad = codes.gather(ids)
    assert bad == 2
    assert rows[[2, 3]].isnan().all()
    assert torch.equal(rows[[0, 1, 4]], codes.weights()[ids[[0, 1, 4]]])


def test_gather_scale_gradient(codes):
    ids = random_ids(codes.matrix.rows, 500)
    dout = normal(500, codes.matrix.columns)
    dscales, doffset = codes.gather_scale_gradient(ids, dout)
    d = torch.zeros(codes.matrix.rows, codes.matrix.columns, dtype=torch.float64, device="cuda")
    d.index_add_(0, ids, dout.double())
    expected, expected_offset = signed_sums(codes, d)
    assert relative_error(dscales, expected) <= 2e-6
    assert relative_error(doffset, expected_offset) <= 2e-6


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("batch", [1, 8, 16, 64])
def test_product_in_a_graph_on_another_stream(precision, batch):
    """A capture fails where a kernel is not on the stream, or something waits or takes memory."""
    codes = codes_of("odd")
    x = normal(batch, codes.matrix.columns)
    expected = codes.product(x, precision)
    y, workspace = torch.zeros_like(expected), codes.workspace(batch, precision)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        codes.product(x, precision, y, workspace)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(y, expected)


def test_bad_arguments():
    codes = codes_of("odd")
    x, y = normal(3, 777), normal(3, 1000)
    call = codes.lib.bcq_cuda_product
    arguments = [codes.matrix, 0, 0, x.data_ptr(), 3, y.data_ptr(), None, None]
    assert call(*arguments) == cuda_codes.BAD_ARGUMENT  # no workspace
    arguments[2] = 7
    assert call(*arguments) == cuda_codes.BAD_ARGUMENT  # no such type
    assert codes.lib.bcq_cuda_product_workspace(codes.matrix, 0, -1) == -1
