"""Package description. Versions that were tested together are pinned in constraints.txt."""

import re
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from audio_lottery.engine import LIBRARY  # noqa: E402
from audio_lottery.engine.build import BuildError, build  # noqa: E402

VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "audio_lottery/__init__.py").read_text()).group(1)


class BuildEngine(build_ext):
    """Compile the engine beside its Python files; without a compiler numpy runs the same networks."""

    def engine_folder(self) -> Path:
        """Where the library goes: the source tree of an editable install, else the build tree."""
        return (HERE if self.inplace or self.editable_mode else Path(self.build_lib)) / "audio_lottery/engine"

    def run(self) -> None:
        """Build, or say why not."""
        try:
            build(self.engine_folder())
        except BuildError as error:
            print(f"warning: the sparse engine was not built ({error}): numpy will run instead", file=sys.stderr)

    def get_outputs(self) -> list[str]:
        """The library, if it could be built."""
        library = self.engine_folder() / LIBRARY
        return [str(library)] if library.exists() else []


setup(
    name="audio-lottery",
    version=VERSION,
    description="Winning tickets of speech recognisers: find, train and ship them, on ESPnet",
    license="Apache-2.0",
    packages=find_packages(include=["audio_lottery", "audio_lottery.*"]),
    package_data={"audio_lottery": ["engine/csrc/*", "export/format.md", "report/html/page.*"]},
    python_requires=">=3.12,<3.14",
    install_requires=[
        # One ESPnet release only: state-dict names changed between 202511 and 202611, and ESPnet loads
        # with strict=False, so another release would decode a ticket to garbage without an error.
        "espnet>=202611,<202612",
        "torch>=2.11,!=2.12.0,!=2.12.1,<2.15",  # ESPnet's own range
        "safetensors>=0.4.3",
        "numpy>=2.0",
        "scipy>=1.4.1",
        "pyyaml>=5.1.2",
        "sentencepiece==0.2.1",  # ESPnet's own pin
        "kaldiio>=2.18",
        "soundfile>=0.12",
        "soxr>=0.5",
        "tqdm>=4.60",
        "zstandard>=0.22",
        "espeakng-loader>=0.2.4",
        "matplotlib>=3.8",
        "jinja2>=3.1",  # the report's page; torch needs it as well
        "tensorboard>=2.14",  # the curves of a search, density among them
        # ESPnet needs these three without always saying so: training imports nltk, the error counts of
        # CTC validation use editdistance, and without hydra-core a warning swallows train.log's lines.
        "nltk>=3.4.5",
        "editdistance>=0.8",
        "hydra-core>=1.3,<1.4",
    ],
    extras_require={
        "onnx": ["onnx>=1.16", "onnxruntime>=1.18"],  # audio-lottery export_onnx; tested: 1.23.2 and 1.32.0
        "lm": ["kenlm>=0.2"],  # n-gram scores while decoding; built from source, so it needs a C++ compiler
        "test": ["pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.6", "hypothesis>=6.100", "ruff>=0.6"],
    },
    ext_modules=[Extension("audio_lottery.engine.library", sources=[], optional=True)],
    cmdclass={"build_ext": BuildEngine},
    entry_points={"console_scripts": ["audio-lottery=audio_lottery.bin.main:entry"]},
)
