"""Builds the extensions: every environment of csrc/environments, for each instruction set, beside what Python sees; and
what lays the wires of pictures.

What is generated is a pure function of the files in csrc/, so it is written into the build folder and not kept. Each
environment is compiled once for each instruction set; which one is used is decided where it runs. Beside each object
lies a digest of all that it was made from, so that after a change only what it concerns is compiled again.
"""

from __future__ import annotations

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from sqmagic.world.build import BUILDS, FAST, FLAGS, header_text, registry, sources  # noqa: E402

CSRC = HERE / "csrc"
CORE = "sqmagic.world._core"
OWN = os.environ.get("SQMAGIC_CFLAGS", "").split()  # -Werror, or a sanitizer: for who works on sqmagic itself


class Build(build_ext):
    """Generates, compiles each environment with its own flags, and lets setuptools link the rest with them."""

    def build_extension(self, ext: Extension) -> None:
        self.force = True  # who asks for it knows why: an object is of more files than setuptools can see
        ext.extra_compile_args = [*FLAGS, *FAST, *OWN]
        ext.extra_link_args = [flag for flag in OWN if flag.startswith("-fsanitize")]
        if ext.name == CORE:
            self.add_environments(ext)
        super().build_extension(ext)

    def add_environments(self, ext: Extension) -> None:
        made = Path(self.build_temp).resolve() / "generated"
        made.mkdir(parents=True, exist_ok=True)
        declared = sources(CSRC / "environments")
        for name, text in declared.items():
            (made / f"{name}.c").write_text(text, encoding="utf-8")
        builds = BUILDS if platform.machine().lower() in ("x86_64", "amd64") else BUILDS[-2:]
        (made / "header_text.h").write_text(
            header_text((CSRC / "sq_env.h").read_text(encoding="utf-8")), encoding="utf-8"
        )
        (made / "registry.c").write_text(registry(list(declared), builds), encoding="utf-8")
        tasks = [(name, isa, flags) for name in declared for isa, flags in builds]

        headers = [path.read_text(encoding="utf-8") for path in sorted(CSRC.rglob("*.h"))]

        def compiled(task: tuple[str, str, tuple[str, ...]]) -> str:
            name, isa, flags = task
            source, own = str(made / f"{name}.c"), [*FLAGS, *flags, *OWN, f"-DSQ_SPEC=sq_env_{name}_{isa}"]
            (there,) = self.compiler.object_filenames([source], output_dir=str(made / isa))
            parts = (declared[name], *headers, *getattr(self.compiler, "compiler_so", ()), *own)
            digest, kept = sha256("\0".join(parts).encode()).hexdigest(), Path(f"{there}.sha256")
            if Path(there).exists() and kept.exists() and kept.read_text(encoding="utf-8") == digest:
                return there
            self.compiler.compile(
                [source],
                output_dir=str(made / isa),
                include_dirs=[str(CSRC), str(CSRC / "environments")],
                extra_postargs=own,
            )
            kept.write_text(digest, encoding="utf-8")
            return there

        with ThreadPoolExecutor(os.cpu_count()) as workers:
            ext.extra_objects = list(workers.map(compiled, tasks))
        ext.sources = [*ext.sources, str(made / "registry.c")]
        ext.include_dirs = [str(CSRC), str(made)]


setup(
    ext_modules=[
        Extension(
            CORE,
            sources=["csrc/module.c", "csrc/batch.c", "csrc/replay.c"],
            depends=[str(path.relative_to(HERE)) for path in sorted(CSRC.rglob("*.*"))],
            py_limited_api=True,
        ),
        Extension(
            "sqmagic.board.layout._wires",
            sources=[str(path.relative_to(HERE)) for path in sorted(CSRC.glob("board/*.c"))],
            depends=[str(path.relative_to(HERE)) for path in sorted(CSRC.glob("board/*.h"))],
            py_limited_api=True,
        ),
    ],
    cmdclass={"build_ext": Build},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
