"""Keys that every project of the Mask2Former family adds first."""


def add_deeplab_config(cfg):
    cfg.MODEL.SEM_SEG_HEAD.LOSS_TYPE = "hard_pixel_mining"
