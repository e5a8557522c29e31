"""Names in Python's modules that exist on Unix, but not on every supported Windows version."""

MODULES = frozenset("fcntl grp pty pwd resource syslog termios tty".split())  # noqa: SIM905 - short

OS = frozenset(
    """
    O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC
    chown confstr fchmod fchown fdatasync fork forkpty fstatvfs getegid geteuid getgid getgroups
    getloadavg getpgid getpriority getsid getuid killpg lchown lockf major makedev minor mkfifo
    mknod nice openpty pathconf posix_spawn pread preadv pwrite pwritev readv sched_getaffinity
    sched_yield sendfile setpriority setsid setuid statvfs sync sysconf ttyname uname wait wait3
    wait4 writev
    """.split()  # noqa: SIM905 - short
)

SIGNALS = frozenset(
    "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2".split()  # noqa: SIM905 - short
)

SOCKET = frozenset({"AF_UNIX", "SOCK_CLOEXEC", "SOCK_NONBLOCK"})
