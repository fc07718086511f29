"""Memory of this process, as Linux tells it."""

from pathlib import Path

OWN, PEAK = (
    "RssAnon",
    "VmHWM",
)  # what no file is mapped for now; all that was mapped, at its largest


def process_memory(kind):
    """Bytes of a kind, OWN or PEAK."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
