"""What pyproject.toml cannot say: that one module is compiled where that is possible."""

import platform
import tempfile

from setuptools import Extension, setup

projection = Extension(
    "agtop_exporter._projection",
    sources=["agtop_exporter/_projection.c"],
    extra_compile_args=["-O3", "-mavx2", "-mbmi"],
    optional=True,  # all works without it, slower
)

with tempfile.TemporaryDirectory() as folder:  # what an earlier version built is not built again
    setup(
        ext_modules=[projection] if platform.machine() in {"x86_64", "AMD64"} else [],
        options={"build": {"build_base": folder}},
    )
