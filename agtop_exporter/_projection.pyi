from collections.abc import Mapping
from typing import TypeAlias

Wanted: TypeAlias = Mapping[str, Wanted | None]

def lines(text: memoryview, wanted: Wanted, /) -> bytes | None: ...
