"""The CUDA kernels of embedding tables against torch. Skipped without a GPU."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests/gpu needs PyTorch and a CUDA device")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

from tests.gpu import cuda_codes  # noqa: E402
from tests.gpu.cuda_tables import CudaTables  # noqa: E402

if cuda_codes.library_path() is None:
    pytest.skip("libbcq_cuda.so is not built: make gpu-check", allow_module_level=True)

FORMS = {
    "one": ([1], [1]),
    "small": ([10], [8]),
    "wide": ([1000], [256]),
    "odd": ([777], [33]),
    "large": ([1_000_000], [16]),
    "ten": (
        [10, 20, 50, 100, 200, 300, 400, 500, 800, 1000],
        [1, 2, 4, 6, 8, 12, 16, 20, 24, 32],
    ),
}
FLOATS = [torch.float32, torch.float16, torch.bfloat16]
ROUNDING = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


@pytest.fixture(scope="module", params=FORMS)
def tables(request):
    return CudaTables(*FORMS[request.param])


def normal(*shape, dtype=torch.float32):
    generator = torch.Generator("cuda").manual_seed(0)
    return torch.randn(*shape, generator=generator, device="cuda").to(dtype)


def random_ids(tables, batch, few=False):
    most = [min(size, 3) for size in tables.sizes] if few else tables.sizes
    return torch.from_numpy(
        np.random.default_rng(1).integers(0, most, (batch, len(tables.sizes)))
    ).cuda()


def elements(tables, ids):
    """The element of all tables that each element of the result is."""
    parts, start = [], 0
    for t, (size, dim) in enumerate(zip(tables.sizes, tables.dims, strict=True)):
        parts.append(start + ids[:, t : t + 1].long() * dim + torch.arange(dim, device="cuda"))
        start += size * dim
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize("id_dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("dtype", FLOATS)
def test_rows(tables, dtype, id_dtype):
    table, ids = normal(tables.elements, dtype=dtype), random_ids(tables, 999).to(id_dtype)
    assert torch.equal(tables.gather(table, ids), table[elements(tables, ids)])


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [0, 1, 3000])
def test_gradient(tables, dtype, batch, few, deterministic):
    ids, dout = random_ids(tables, batch, few), normal(batch, sum(tables.dims), dtype=dtype)
    expected = torch.zeros(tables.elements, dtype=torch.float64, device="cuda")
    expected.index_add_(0, elements(tables, ids).flatten(), dout.double().flatten())
    magnitudes = torch.zeros_like(expected)
    magnitudes.index_add_(0, elements(tables, ids).flatten(), dout.double().abs().flatten())
    found = tables.gradient(ids, dout, deterministic)
    assert found.dtype == dtype
    assert bool(((found.double() - expected).abs() <= ROUNDING[dtype] * magnitudes).all())


def test_a_deterministic_gradient_has_the_same_bits_each_time(tables):
    ids, dout = random_ids(tables, 20000, few=True), normal(20000, sum(tables.dims))
    first = tables.gradient(ids, dout)
    for _ in range(5):
        assert torch.equal(tables.gradient(ids, dout), first)


def test_bad_ids(tables):
    table, ids = normal(tables.elements), random_ids(tables, 50)
    ids[7, -1] = -1
    ids[9, -1] = tables.sizes[-1]
    rows = tables.gather(table, ids)
    columns = tables.dims[-1]
    assert bool(rows[[7, 9], -columns:].isnan().all())
    assert int(rows.isnan().sum()) == 2 * columns
    good = [n for n in range(50) if n not in (7, 9)]
    for deterministic in (False, True):
        dout = torch.ones(50, sum(tables.dims), device="cuda")
        gradient = tables.gradient(ids, dout, deterministic)
        assert float(gradient[-tables.sizes[-1] * columns :].sum()) == len(good) * columns


@pytest.mark.parametrize("deterministic", [False, True])
def test_gradient_in_a_graph_on_another_stream(tables, deterministic):
    """A capture fails where a kernel is not on the stream, or something waits or takes memory."""
    ids, dout = random_ids(tables, 500), torch.ones(500, sum(tables.dims), device="cuda")
    expected = tables.gradient(ids, dout)
    workspace = tables.workspace(500, dout.dtype, deterministic)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = tables.gradient(ids, dout, deterministic, workspace)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(found, expected)
