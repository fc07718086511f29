"""Times the CUDA products against torch's, on one GPU, without TensorFlow.

One table: microseconds of a product (median of CUDA graph replays, so without launch overhead on
the CPU) exact and fast, of torch's float32, float16 and bfloat16 products, the ratios to torch's
float32 and bfloat16, and the share of the copy bandwidth at which the codes were read. The products
of a graph take turns among copies of the weights that do not fit into the cache together (up to 200
copies: those of matrices below a mebibyte do fit).

    python -m benchmarks.gpu
"""

import argparse
import json
import sys

import numpy as np
import torch

from tests.gpu.cuda_codes import CudaCodes, Matrix, random_codes

SHAPES = [(1024, 1024), (4096, 1024), (4096, 4096), (1000, 777), (28672, 8192)]
BATCHES = [1, 8, 32, 128, 1024]
TORCH_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
REPLAYS = 9
ROTATED_BYTES = 256 << 20  # several times the cache of any GPU so far
MOST_PRODUCTS = 200


def main():
    options = parse_arguments()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: no CUDA device")
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, seed {options.seed}")
    print(f"a copy moves {bandwidth / 1e12:.2f} TB/s, bytes read and written")
    print(
        f"{'rows x columns':>14} {'batch':>5} {'bits':>4} {'exact':>8} {'fast':>8}"
        + "".join(f" {name:>8}" for name in TORCH_TYPES)
        + "  exact:fp32  fast:bf16  exact bw  fast bw"
    )
    results = []
    for rows, columns in options.shapes:
        baselines = {
            name: time_torch(rows, columns, dtype, options.batches)
            for name, dtype in TORCH_TYPES.items()
        }
        for bits in options.bits:
            rng = np.random.default_rng(options.seed)
            codes = CudaCodes(random_codes(rng, rows, columns, bits))
            for batch in options.batches:
                row = {"rows": rows, "columns": columns, "batch": batch, "bits": bits}
                row |= {name: baselines[name][batch] for name in TORCH_TYPES}
                row |= {p: time_product(codes, batch, p) for p in ("exact", "fast")}
                row |= {f"{p} bw": codes.nbytes / row[p] / bandwidth for p in ("exact", "fast")}
                print_row(row)
                results.append(row)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "results": results}, file, indent=1)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument(
        "--shapes",
        nargs="+",
        default=SHAPES,
        type=lambda text: tuple(int(n) for n in text.split("x")),
        help="ROWSxCOLUMNS ...",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="where to write the numbers, in seconds")
    return parser.parse_args()


def print_row(row):
    print(
        f"{row['rows']:>6} x {row['columns']:<5} {row['batch']:>5} {row['bits']:>4}"
        + "".join(f" {row[name] * 1e6:>8.1f}" for name in ("exact", "fast", *TORCH_TYPES))
        + f"  {row['fp32'] / row['exact']:>10.2f} {row['bf16'] / row['fast']:>10.2f}"
        + f" {row['exact bw']:>8.0%} {row['fast bw']:>8.0%}",
        flush=True,
    )


def products_for(nbytes: int) -> int:
    return int(np.clip(ROTATED_BYTES // nbytes, 8, MOST_PRODUCTS))


def time_product(codes: CudaCodes, batch: int, precision: str) -> float:
    """Seconds of one product of a float32 x."""
    copies = products_for(codes.nbytes)
    tiles = codes.tiles.repeat(copies, 1)  # a row of it is a multiple of 256 bytes
    matrices = []
    for i in range(copies):
        matrix = Matrix.from_buffer_copy(codes.matrix)
        matrix.tiles = tiles[i].data_ptr()
        matrices.append(matrix)
    x = torch.randn(batch, codes.matrix.columns, device="cuda")
    y = torch.empty(batch, codes.matrix.rows, device="cuda")
    workspace = codes.workspace(batch, precision)
    kept = codes.matrix

    def all_products():
        for matrix in matrices:
            codes.matrix = matrix
            codes.product(x, precision, y, workspace)

    try:
        return graph_seconds(all_products) / copies
    finally:
        codes.matrix = kept


def time_torch(rows: int, columns: int, dtype: torch.dtype, batches: list[int]) -> dict:
    """Seconds of one x W^T for each batch."""
    copies = products_for(rows * columns * dtype.itemsize)
    weights = torch.randn(copies, rows, columns, device="cuda", dtype=dtype)
    times = {}
    for batch in batches:
        x = torch.randn(batch, columns, device="cuda", dtype=dtype)
        y = torch.empty(batch, rows, device="cuda", dtype=dtype)

        def all_products(x=x, y=y):
            for weight in weights:
                torch.mm(x, weight.T, out=y)

        times[batch] = graph_seconds(all_products) / copies
    return times


def graph_seconds(work) -> float:
    """Median seconds of what `work` launches, replayed as a graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()  # cuBLAS chooses its kernels and takes its memory
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return median_seconds(graph.replay)


def median_seconds(work) -> float:
    work()
    times = []
    for _ in range(REPLAYS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return float(np.median(times))


def copy_bandwidth() -> float:
    """Bytes a second that a large copy reads and writes."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: target.copy_(source))


if __name__ == "__main__":
    main()
