"""How many connections the web server takes: each is an open file, and a system may allow few."""

from __future__ import annotations

MOST_CONNECTIONS = 4096
FILES_BESIDE = 192  # the database's, Valkey's, and whatever a library opens


def room_for_connections() -> int:
    """Raise this process's limit of open files as far as it may be and helps; return how many connections fit."""
    try:
        import resource
    except ImportError:  # not on Windows
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_wanted(soft, hard)
    if wanted != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return connections_within(wanted)


def files_wanted(soft: int, hard: int) -> int:
    """Say which limit to set, by the present one and the highest there may be; negative: none."""
    wanted = MOST_CONNECTIONS + FILES_BESIDE
    if soft < 0 or soft >= wanted:
        return soft
    return wanted if hard < 0 else max(soft, min(wanted, hard))


def connections_within(files: int) -> int:
    """Say how many connections fit into so many open files; negative: any number of files."""
    return MOST_CONNECTIONS if files < 0 else max(64, min(MOST_CONNECTIONS, files - FILES_BESIDE))
