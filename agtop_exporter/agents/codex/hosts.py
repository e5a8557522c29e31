"""The home directories of Codex that other applications make.

Sources (GitHub repository, and issue or pull request number):

* Orca: stablyai/orca 9501 and 12480, handlecusion/tokcat 36.
* Xcode, whose Codex has settings and an account of its own:
  https://developer.apple.com/documentation/xcode/extending-and-customizing-agents,
  JeanMeijer/slopmeter 21.
* The AI Assistant of JetBrains, in the cache directory of each editor: pukerwonderland/codex-usage
  (README).
* Multica, which makes a directory for each task: nocoo/pew 52, and `codex_home.go` of
  multica-ai/multica. Tasks that a user continues are in STORE, a folder of the default directory.
* Paperclip, which makes a directory for each company and for each agent: paperclipai/paperclip 1379
  and 8710.
* Happier, for each profile of an account: happier-dev/happier.
* Several programs that switch between accounts use `.codex-profiles` or `.codex-accounts`.
"""

from agtop_exporter.reading.hosts import Host

STORE = "multica-sessions"

_APPLICATIONS = (".config", "Library/Application Support", "AppData/Roaming")
_CACHES = (".cache", "Library/Caches", "AppData/Local", ".local/share")  # the last one in WSL

HOSTS = (
    Host("", tuple(f"{folder}/orca/codex-runtime-home/home" for folder in _APPLICATIONS)),
    Host("*", tuple(f"{folder}/orca/codex-accounts/*/home" for folder in _APPLICATIONS)),
    Host("xcode", ("Library/Developer/Xcode/CodingAssistant/codex",)),
    Host("jetbrains", tuple(f"{folder}/JetBrains/*/aia/codex" for folder in _CACHES)),
    Host("", ("multica_workspaces*/*/*/codex-home",)),
    Host(
        "",
        (
            ".paperclip/instances/*/codex-home",
            ".paperclip/instances/*/companies/*/codex-home",
            ".paperclip/instances/*/companies/*/agents/*/codex-home",
        ),
    ),
    Host(
        "happier-*",
        (
            ".happier/servers/*/daemon/connected-services/homes/*/*/codex/codex-home",
            ".happier/servers/*/profiles/native-cli/codex/*",
        ),
    ),
    Host("*", (".codex-profiles/*", ".codex-accounts/*")),
)
