"""Promise: a child cannot raise its own limits."""

import resource

AIM = "power"
UNLOCKED = False


def attack(target):
    unlimited = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (unlimited, unlimited))
    return b"unlimited"
