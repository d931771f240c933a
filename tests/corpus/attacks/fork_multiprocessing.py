"""Promise: multiprocessing starts nothing."""

import multiprocessing

AIM = "power"


def work():
    pass


def attack(target):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    return b"a process"
