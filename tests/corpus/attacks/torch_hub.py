"""Promise: torch's hub downloads nothing."""

import torch.hub

AIM = "side"


def attack(target):
    torch.hub.download_url_to_file(f"http://127.0.0.1:{target['tcp']}/", target["folder"] + "/hub")
    return b""
