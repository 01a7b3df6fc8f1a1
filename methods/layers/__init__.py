"""Layers that at least two families of methods share.

A layer of one family is in that family's package. Backbones turn frames into maps at strides 8, 16
and 32; all other layers work on tokens or maps, whose shapes are in the names.
"""
