"""One video's tracks and objects, and what each kind of error turns into once it is repaired.

Repairs work on overlaps, not on masks: a track whose mask is replaced by an object's has that
object's overlaps. Shape letters: D tracks, G objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# A track and an object belong together from this space-time IoU on, and have nothing to do with
# each other below the second one (Bolya et al., TIDE, ECCV 2020).
FOUND, BACKGROUND = 0.5, 0.1


@dataclass(frozen=True)
class VideoTracks:
    """The tracks of one video, in file order, and how they overlap its objects.

    `iou_DG`: space-time IoU of every track with every object of any category. `iou_GG`: of the
    objects with each other.
    """

    score_D: np.ndarray
    category_D: np.ndarray
    category_G: np.ndarray
    crowd_G: np.ndarray
    iou_DG: np.ndarray
    iou_GG: np.ndarray

    def claims(self) -> np.ndarray:
        """The object that each track finds, (D,); -1 for none.

        Best score first, each takes the free object of its category that it overlaps most, from
        an IoU of 0.5 on; a crowd stays free.
        """
        claimed_D = np.full(len(self.score_D), -1)
        free_G = np.ones(len(self.category_G), bool)
        for track in np.argsort(-self.score_D, kind="stable"):
            fit_G = free_G & (self.category_G == self.category_D[track])
            iou_G = np.where(fit_G, self.iou_DG[track], 0.0)
            if iou_G.size and iou_G.max() >= FOUND:
                claimed_D[track] = iou_G.argmax()
                free_G[claimed_D[track]] = self.crowd_G[claimed_D[track]]
        return claimed_D

    def kept(self, kept_D: np.ndarray) -> VideoTracks:
        """Without the other tracks."""
        return replace(
            self,
            score_D=self.score_D[kept_D],
            category_D=self.category_D[kept_D],
            iou_DG=self.iou_DG[kept_D],
        )


def repair_classes(video: VideoTracks) -> VideoTracks:
    """Gives a track that finds an object of another category, and none of its own, that category.

    It is dropped where the object has been found already.
    """
    claimed_D = video.claims()
    taken = {int(g) for g in claimed_D if g >= 0}
    own_DG = video.category_D[:, None] == video.category_G
    wrong_D = (claimed_D < 0) & ~_reaches(video, own_DG, FOUND)
    category_D, kept_D = video.category_D.copy(), np.ones(len(claimed_D), bool)
    for track in np.argsort(-video.score_D, kind="stable"):
        iou_G = np.where(video.crowd_G, 0.0, video.iou_DG[track])
        if not wrong_D[track] or not iou_G.size or iou_G.max() < FOUND:
            continue
        found = int(iou_G.argmax())
        category_D[track] = video.category_G[found]
        kept_D[track] = found not in taken
        taken.add(found)
    return replace(video, category_D=category_D).kept(kept_D)


def repair_masks(video: VideoTracks) -> VideoTracks:
    """Gives a track the mask of the object that it finds, or of the one of its category that it
    overlaps most where the IoU is below 0.5 but at least 0.1.

    In the second case it is dropped where the object has been found already.
    """
    claimed_D = video.claims()
    taken = {int(g) for g in claimed_D if g >= 0}
    own_DG = (video.category_D[:, None] == video.category_G) & ~video.crowd_G
    poor_D = (claimed_D < 0) & ~_reaches(video, own_DG, FOUND) & _reaches(video, own_DG, BACKGROUND)
    iou_DG, kept_D = video.iou_DG.copy(), np.ones(len(claimed_D), bool)
    for track in np.argsort(-video.score_D, kind="stable"):
        target = int(claimed_D[track])
        if poor_D[track]:
            target = int(np.where(own_DG[track], video.iou_DG[track], 0.0).argmax())
            kept_D[track] = target not in taken
            taken.add(target)
        if target >= 0 and not video.crowd_G[target]:
            iou_DG[track] = video.iou_GG[target]
    return replace(video, iou_DG=iou_DG).kept(kept_D)


def drop_duplicates(video: VideoTracks) -> VideoTracks:
    """Drops tracks that overlap an object of their category which another track has found."""
    own_DG = (video.category_D[:, None] == video.category_G) & ~video.crowd_G
    return video.kept((video.claims() >= 0) | ~_reaches(video, own_DG, FOUND))


def drop_background(video: VideoTracks) -> VideoTracks:
    """Drops all other tracks that find nothing."""
    return video.kept(video.claims() >= 0)


def add_missed(video: VideoTracks) -> VideoTracks:
    """Adds a perfect track for every object that none has found."""
    claimed = set(video.claims().tolist())
    missed = [g for g, crowd in enumerate(video.crowd_G) if g not in claimed and not crowd]
    return replace(
        video,
        score_D=np.append(video.score_D, np.zeros(len(missed))),
        category_D=np.append(video.category_D, video.category_G[missed]),
        iou_DG=np.concatenate([video.iou_DG, video.iou_GG[missed]]),
    )


def _reaches(video: VideoTracks, allowed_DG: np.ndarray, threshold: float) -> np.ndarray:
    """Whether a track has this IoU with an allowed object, (D,)."""
    return np.any(np.where(allowed_DG, video.iou_DG, 0.0) >= threshold, axis=1)
