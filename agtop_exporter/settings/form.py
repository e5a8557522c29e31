"""`Form`: how messages, `--help` and the documentation present a setting."""

from dataclasses import dataclass

from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Form:
    """Properties of a setting that its type and its bounds do not contain."""

    nouns: tuple[str, ...] = ()
    """Nouns for messages: for the value, for an item of the value, for an item of an item."""
    metavar: str = ""  # placeholder of the value in `--help`
    unit: str = ""  # of a number
    separator: str = ""  # separates the items of a list in a variable
    default_text: str = ""  # the meaning of an empty default
    needs_restart: bool = False  # a reload keeps the old value

    @classmethod
    def of(cls, field: FieldInfo) -> "Form":
        """Return the Form in the annotation of `field`, or an empty Form."""
        return next((item for item in field.metadata if isinstance(item, cls)), cls())
