"""Puts marks into all invented homes, in places whose content must not leave the machine."""

import re
import shutil

from driving import build_databases
from places import AGENT_FOLDERS

SAID = "canarysaid"  # in each text with a space: prompts, titles, answers, commands and output
PATH = "canarypath"  # a folder above each project
SECRET = "canarysecret"  # noqa: S105 - tokens, e-mail addresses, and variables
PROJECT = "canaryproject"

TEXT = re.compile(rb'("model":)?"((?:[^"\\\n]|\\.)*)"')  # the name of a model may be published
SECRETS = re.compile(
    rb'("(?:access_?token|refresh_?token|api_?key|key|email|id_token|refresh|access)"\s*:\s*")',
    re.IGNORECASE,
)


def _mark(found):
    is_model, text = found.groups()
    if is_model or b" " not in text:
        return found[0]
    return b'"%s %s"' % (text, SAID.encode())


def marked(data):
    """Return the content of a file with marks."""
    data = SECRETS.sub(rb"\g<1>%s" % SECRET.encode(), TEXT.sub(_mark, data))
    for before, after in (("/home/ada/", f"/home/{PATH}/"), ("home-ada-", f"home-{PATH}-")):
        data = data.replace(before.encode(), after.encode())
    return data.replace(b"src/engine", b"src/" + PROJECT.encode())


def write_homes(home):
    """Write the homes of all agents into one home, with marks. Return the written files."""
    for folder in sorted(AGENT_FOLDERS.glob("*/home")):
        shutil.copytree(folder, home, dirs_exist_ok=True)
    for path in sorted(home.rglob("*ada*"), key=lambda one: -len(one.parts)):
        path.rename(path.with_name(path.name.replace("home-ada-", f"home-{PATH}-")))
    for path in home.rglob("*"):
        if path.is_file():
            path.write_bytes(marked(path.read_bytes()))
    build_databases(home)
    return [path for path in home.rglob("*") if path.is_file()]
