"""llama.cpp, built for this machine from the source that the PyPI package llama-cpp-python carries."""

import json
import os
import subprocess
import sys
import tarfile

PROGRAM = "logits.c"


class LlamaCpp:
    """Its programs, in a folder that is kept."""

    def __init__(self, folder):
        self.folder = folder
        self.build = folder / "build"
        self.source, self.version = self._fetch()
        self._make()

    def _fetch(self):
        found = sorted(self.folder.glob("llama_cpp_python-*.tar.gz"))
        if not found:
            self.folder.mkdir(parents=True, exist_ok=True)
            run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                 "--dest", self.folder, "llama-cpp-python"])  # fmt: skip
            found = sorted(self.folder.glob("llama_cpp_python-*.tar.gz"))
        name = found[-1].name.removesuffix(".tar.gz")
        source = self.folder / name / "vendor" / "llama.cpp"
        if not source.exists():
            with tarfile.open(found[-1]) as archive:
                archive.extractall(self.folder, filter="data")
        return source, name.rpartition("-")[2]

    def _make(self):
        if not (self.build / "bin" / "llama-bench").exists():
            off = [f"-DLLAMA_{part}=OFF" for part in ("CURL", "BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_SERVER")]
            run(["cmake", "-S", self.source, "-B", self.build, "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
                 "-DBUILD_SHARED_LIBS=ON", *off])  # fmt: skip
            run(["cmake", "--build", self.build, "--target", "llama-bench", "llama-quantize", f"-j{os.cpu_count()}"])
        binaries = self.build / "bin"
        run(["cc", "-O1", f"-I{self.source}/include", f"-I{self.source}/ggml/include",
             os.path.join(os.path.dirname(__file__), PROGRAM), "-o", binaries / "logits", f"-L{binaries}", "-lllama",
             "-lggml", "-lggml-base", f"-Wl,-rpath,{binaries}"])  # fmt: skip

    def gguf(self):
        """The module that writes GGUF files."""
        sys.path.insert(0, str(self.source / "gguf-py"))
        import gguf

        return gguf

    def quantize(self, source, target, kind):
        """Writes the file `source` in blocks of `kind`: Q8_0, Q4_0."""
        run([self.build / "bin" / "llama-quantize", source, target, kind, str(os.cpu_count())])

    def weight_bytes(self, path):
        """Bytes that a token is multiplied by: of all tensors but the table of embeddings, unless that is the head too."""
        tensors = {tensor.name: int(tensor.n_bytes) for tensor in self.gguf().GGUFReader(path).tensors}
        return sum(tensors.values()) - (tensors["token_embd.weight"] if "output.weight" in tensors else 0)

    def logits(self, path, ids, threads):
        """Scores of the token after `ids`."""
        import numpy as np

        text = run([self.build / "bin" / "logits", path, str(threads), *map(str, ids)])
        return np.array(text.split(), np.float32)

    def speed(self, path, prompt, generated, threads):
        """Tokens per second: of a prompt, of generating."""
        text = run([self.build / "bin" / "llama-bench", "-m", path, "-p", str(prompt), "-n", str(generated), "-t",
                    str(threads), "-r", "1", "-o", "json"])  # fmt: skip
        return {"pp" if test["n_prompt"] else "tg": test["avg_ts"] for test in json.loads(text)}


def run(command):
    """What a program writes; what it complains of if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
