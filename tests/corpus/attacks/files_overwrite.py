"""Promise: no file of the user can be changed."""

AIM = "side"


def attack(target):
    with open(target["file"], "w") as stream:
        stream.write("owned")
    return b""
