"""What pyproject.toml cannot say: that one module is compiled where that is possible."""

import platform

from setuptools import Extension, setup

projection = Extension(
    "agtop_exporter._projection",
    sources=["agtop_exporter/_projection.c"],
    extra_compile_args=["-O3", "-mavx2", "-mbmi"],
    optional=True,  # all works without it, slower
)

setup(ext_modules=[projection] if platform.machine() in {"x86_64", "AMD64"} else [])
