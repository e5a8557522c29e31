"""Makes one function of the program raise an exception while a test requests it."""

from importlib import import_module

QUOTED = "aaaPROMPTaaa"  # what an exception quotes of a file


class Fault:
    """Makes a function raise an exception while it is armed and `when` holds for the arguments."""

    def __init__(self, when=lambda *_arguments: True, error=KeyError):
        self.armed = False
        self.when = when
        self.error = error

    def check(self, *arguments):
        """Raise the exception if it is armed."""
        if self.armed and self.when(*arguments):
            raise self.error(QUOTED)

    def put(self, target, monkeypatch):
        """Replace `module:Class.attribute` by a function that may raise an exception first."""
        owner, name = place(target)
        monkeypatch.setattr(owner, name, self.around(getattr(owner, name)))

    def around(self, function):
        """Return a function that may raise an exception before it calls the original one."""

        def raising(*arguments, **options):
            self.check(*arguments)
            return function(*arguments, **options)

        return raising

    def after(self, function):
        """Return a function that yields the items of a list, and then may raise an exception."""

        def raising(*arguments):
            yield from function(*arguments)
            self.check(*arguments)

        return raising


def place(target):
    """Return the owner and the attribute name of `module:Class.attribute`."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    return owner, name
