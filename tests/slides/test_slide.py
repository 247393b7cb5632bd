"""An open slide: what a read gives, and what it tells of itself."""

from PIL import Image

from histotile.slides.slide import on_white


def test_transparent_px_become_white() -> None:
    picture = Image.new("RGBA", (4, 1), (10, 20, 30, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    picture.putpixel((2, 0), (0, 0, 0, 128))
    shown = on_white(picture)[0]
    assert shown[0].tolist() == [10, 20, 30]
    assert shown[1].tolist() == [255, 255, 255]
    assert abs(int(shown[2][0]) - 127) <= 1
