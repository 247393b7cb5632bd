"""Slides of which many are open at once."""

from histotile.slides.slide import Slide


class FrugalSlide(Slide):
    """A slide for reads at random, which hardly ever need a decoded tile twice.

    It keeps 1 MB of decoded tiles; OpenSlide's, 32 MB, all such slides of a process share.
    """

    recent_bytes = 1 << 20
    many = True
