"""The commands of `embed` load neither TensorFlow nor Matplotlib where these are not needed."""

import subprocess
import sys


def test_compare_and_compress_need_no_tensorflow(files, run, tmp_path):
    commands = [
        ["embed", "compare", files / "a.txt", "--bits", "2", "--K", "2"],
        ["embed", "compress", files / "a.txt", f"{tmp_path}/a.bcq.npy", "--method", "binary",
         "--bits", "1"],
        ["embed", "neighbours", f"{tmp_path}/a.bcq.npy", "w1"],
        ["embed", "export", f"{tmp_path}/a.bcq.npy", f"{tmp_path}/a.bin"],
    ]  # fmt: skip
    code = f"""
import sys
from bcq_tf.cli import main as cli
from bcq_tf.cli.embed.vectors import plain_warnings
for words in {commands}:
    assert cli.main(words) == 0
assert not {{"tensorflow", "keras", "matplotlib"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
