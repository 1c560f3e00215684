# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong clocks for whole processes: containers share the kernel's clock, which stays right.

A library that is loaded before all others answers for the C library. Debian's libfaketime would do, but with it a
Python from 3.11 on cannot sleep (its version 0.9.10 takes the monotonic deadline for a time of day).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from field_hosts import CACHE, UNIT, Field

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long wrong(void) {
    static long days;
    static int file = -2;
    char text[16];
    ssize_t length;
    if (file == -2) {
        const char *set = getenv("WRONG_CLOCK_DAYS");
        if (set) days = atol(set);
        file = set ? -1 : open("/etc/wrong-clock-days", O_RDONLY | O_CLOEXEC);
    }
    if (file >= 0 && (length = pread(file, text, sizeof text - 1, 0)) > 0) {
        text[length] = 0;
        days = atol(text);
    }
    return days * 86400;
}
int clock_gettime(clockid_t which, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, which, at);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec += wrong();
    return failed;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
THERE = "/usr/local/lib/wrong-clock.so"


def library() -> str:
    """Return the path of the library, made once."""
    made = CACHE / "wrong-clock.so"
    if not made.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("there is no C compiler, without which no clock can be wrong")
        words = [compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-o", str(made), "-"]
        subprocess.run(words, input=SOURCE, text=True, check=True)
    return str(made)


def controller(days: int) -> dict[str, str]:
    """Return the environment of a controller whose clock is that many days ahead, or behind."""
    return {"LD_PRELOAD": library(), "WRONG_CLOCK_DAYS": str(days)}


def set_clock(field: Field, days: int) -> None:
    """Set the server's clock while it runs; it is noticed at once."""
    field.on("srv-1", f"echo {days} > /etc/wrong-clock-days")


@contextmanager
def own_clock(field: Field) -> Iterator[None]:
    """Give the server a clock that can be set: for what starts from now on, the instance included."""
    subprocess.run(["docker", "cp", library(), f"{field.project}-srv-1:{THERE}"], check=True, capture_output=True)
    set_clock(field, 0)
    # However often it was started in the last minutes.
    restart = f"systemctl reset-failed {UNIT}; systemctl restart {UNIT}"
    field.on("srv-1", f"chmod 755 {THERE} && echo {THERE} > /etc/ld.so.preload && {restart}")
    try:
        yield
    finally:
        field.on("srv-1", f"rm -f /etc/ld.so.preload /etc/wrong-clock-days && {restart}")
