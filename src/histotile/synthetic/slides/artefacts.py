"""Pen strokes, folds and places out of focus, with their outlines."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from histotile.synthetic.slides.arrays import Bytes, Doubles, Floats

Kind = Literal["pen", "fold", "blur"]
REACH_PX = 16  # how far blurring looks around


@dataclass(frozen=True)
class Artefact:
    """A disturbance along a bent stroke (pen, fold) or in a disc (blur).

    `points` are x, y in level-0 px; `radius` is half the width of the stroke or the disc's radius.
    """

    kind: Kind
    points: tuple[tuple[float, float], ...]
    radius: float

    def distance(self, x: Doubles, y: Doubles) -> Floats:
        """Distance (px) of positions from the boundary, positive inside."""
        best = np.full(np.broadcast(x, y).shape, np.inf)
        ends = self.points[1:] or self.points
        for (ax, ay), (bx, by) in zip(self.points, ends, strict=False):
            length = (bx - ax) ** 2 + (by - ay) ** 2
            along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / max(length, 1e-9)
            t = np.clip(along, 0, 1)
            best = np.minimum(best, np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
        out: Floats = (self.radius - best).astype(np.float32)
        return out

    def touches(self, x: int, y: int, width: int, height: int) -> bool:
        """Whether it can change pixels of a window."""
        far, (px, py) = self.radius + REACH_PX, np.array(self.points).T
        return bool(
            px.max() + far > x
            and px.min() - far < x + width
            and py.max() + far > y
            and py.min() - far < y + height
        )

    def outline(self) -> Doubles:
        """Its boundary: (points, 2), level-0 px, not closed."""
        if len(self.points) == 1:
            angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
            return np.array(self.points) + self.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        p = np.array(self.points)
        way = np.gradient(p, axis=0)
        side = self.radius * np.stack([-way[:, 1], way[:, 0]], 1)
        side /= np.linalg.norm(way, axis=1, keepdims=True)
        return np.concatenate([p + side, (p - side)[::-1]])


def make_artefacts(seed: int, rate: float, pieces: Doubles, pixel: float) -> tuple[Artefact, ...]:
    """The artefacts of a slide; each kind occurs with probability `rate`.

    Args:
        seed: Of the slide.
        rate: Probability, 0-1.
        pieces: Pieces of tissue: centre x, y and half-axes, level-0 px.
        pixel: Pixels per half micrometre.
    """
    rng = np.random.default_rng([seed, 3])
    chosen = rng.uniform(size=3) < rate
    x, y, rx, ry = pieces[0]
    side = min(rx, ry)
    out = []
    for kind, wanted in zip(("pen", "fold", "blur"), chosen, strict=True):
        angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.8)
        centre = (x + far * rx * math.cos(angle), y + far * ry * math.sin(angle))
        match kind:
            case "pen":
                out.append(_stroke("pen", rng, centre, 1.0 * side, 55 * pixel))
            case "fold":
                out.append(_stroke("fold", rng, centre, 0.6 * side, 22 * pixel))
            case _:
                out.append(Artefact("blur", (centre,), 0.2 * side))
        if not wanted:
            out.pop()
    return tuple(out)


def _stroke(
    kind: Kind, rng: np.random.Generator, centre: tuple[float, float], length: float, radius: float
) -> Artefact:
    turn, bend = rng.uniform(0, 2 * math.pi), rng.uniform(-0.8, 0.8)
    t = np.linspace(-0.5, 0.5, 13)
    x, y = length * t, length * bend * (t**2 - 0.08)
    c, s = math.cos(turn), math.sin(turn)
    points = zip(centre[0] + c * x - s * y, centre[1] + s * x + c * y, strict=True)
    return Artefact(kind, tuple((float(a), float(b)) for a, b in points), radius)


def disturb(rgb: Bytes, artefact: Artefact, x: int, y: int, white: tuple[float, ...]) -> Bytes:
    """The pixels of a window (top-left x, y, level-0 px) as the artefact leaves them."""
    h, w = rgb.shape[:2]
    inside = artefact.distance(np.arange(x, x + w)[None], np.arange(y, y + h)[:, None])
    share = np.clip(inside / 4, 0, 1)[..., None]
    seen = rgb.astype(np.float32)
    match artefact.kind:
        case "pen":
            ink = np.array([[20, 105, 60], [30, 40, 120], [25, 25, 30]], np.float32)
            changed = 0.18 * seen + 0.82 * ink[int(abs(artefact.points[0][0])) % 3]
        case "fold":
            glass = np.array(white, np.float32)
            changed = glass * (np.minimum(seen, glass) / glass) ** 1.9
        case "blur":
            changed = _blurred(rgb)
    out: Bytes = np.clip(seen + (changed - seen) * share + 0.5, 0, 255).astype(np.uint8)
    return out


def _blurred(rgb: Bytes) -> Floats:
    """Two box filters of 15 px in whole numbers, exact wherever the window lies."""
    once = cv2.boxFilter(rgb.astype(np.float64), cv2.CV_64F, (15, 15), normalize=False)
    twice = cv2.boxFilter(once, cv2.CV_64F, (15, 15), normalize=False)
    return np.asarray(twice / 15**4, np.float32)
