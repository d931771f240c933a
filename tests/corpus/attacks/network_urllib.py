"""Promise: the standard library's web client reaches nothing."""

import urllib.request

AIM = "side"


def attack(target):
    urllib.request.urlopen(f"http://127.0.0.1:{target['tcp']}/", timeout=0.3)
    return b""
