"""The registry of models."""

import torch


class Registry:
    """Classes by name."""

    def __init__(self):
        self.classes = {}

    def register(self):
        def decorate(cls):
            self.classes[cls.__name__] = cls
            return cls

        return decorate


META_ARCH_REGISTRY = Registry()


def build_model(cfg):
    model = META_ARCH_REGISTRY.classes[cfg.MODEL.META_ARCHITECTURE](cfg)
    return model.to(torch.device(cfg.MODEL.DEVICE))
