"""The configuration directories of Claude Code that other applications make.

Sources (GitHub repository, and issue or pull request number):

* Xcode, whose Claude Agent has settings and an account of its own:
  https://developer.apple.com/documentation/xcode/extending-and-customizing-agents,
  phuryn/claude-usage 22, JeanMeijer/slopmeter 21.
* CCS (kaitranntt/ccs), which makes a directory for each account. Accounts can share their sessions
  in a group: cemalturkcan/opencode-anthropic-login-via-cli 1.
* cc-mirror (junhoyeo/tokscale 610; numman-ali/cc-mirror, `src/core/constants.ts`), for each
  provider of models.
* Happier, for each profile of an account: happier-dev/happier.
* Several programs that switch between accounts use `.claude-profiles`, such as
  jakubkontra/claude-profile-manager, or `.claude-accounts`.
"""

from agtop_exporter.reading.hosts import Host

HOSTS = (
    Host("xcode", ("Library/Developer/Xcode/CodingAssistant/ClaudeAgentConfig",)),
    Host("ccs-*", (".ccs/shared/context-groups/*", ".ccs/instances/*")),
    Host("cc-mirror-*", (".cc-mirror/*/config",)),
    Host(
        "happier-*",
        (
            ".happier/servers/*/daemon/connected-services/homes/*/*/claude/claude-config",
            ".happier/servers/*/profiles/native-cli/claude/*",
        ),
    ),
    Host("*", (".claude-profiles/*", ".claude-accounts/*")),
)
