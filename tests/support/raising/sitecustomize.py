"""Makes one function of the daemon raise an exception while a file exists.

`FAULT` is `module:Class.attribute`, and `FAULT_ARMED` is the path of the file. Python imports this
module at its start if it is on the path.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults import Fault, place


class _FileFault(Fault):
    @property
    def armed(self):
        return Path(os.environ["FAULT_ARMED"]).exists()

    @armed.setter
    def armed(self, value):
        """Do nothing: the file determines the state."""


if "FAULT" in os.environ:
    owner, name = place(os.environ["FAULT"])
    setattr(owner, name, _FileFault().around(getattr(owner, name)))
