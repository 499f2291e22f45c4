"""Writes test/datasets/golden: small images and arrays, and what Pillow, torchvision and NumPy make of them.

    python make_data_golden.py OUT

Needs torchvision and Pillow beside PyTorch and NumPy: pip install torchvision==0.28.0 pillow==13.0.0. The tests need neither.

- decode/: PNG and JPEG files of every kind that is read; golden.json has the size and the SHA-256 of the RGB bytes [H, W, 3] that
  PIL.Image.open(file).convert("RGB") gives.
- golden.json, transforms: for a picture and sizes, the SHA-256 of the bytes [H, W, 3] after torchvision's Resize and CenterCrop.
- arrays/: .npz files of np.savez and np.savez_compressed, whose values the tests write out.
"""

import hashlib
import json
import os
import sys

import numpy as np
from PIL import Image
from torchvision import transforms

SIZE = (61, 45)
"""Width and height: odd, so that halves have to be rounded."""


def picture() -> np.ndarray:
    """[H, W, 3]: smooth waves, a hard edge, and noise, so that no rounding goes unseen."""
    random = np.random.RandomState(0)
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    channels = [128 + 100 * np.sin(x / 7 + y / 11), 128 + 90 * np.cos(x / 5 - y / 9), np.where(x > y, 250, 5)]
    values = np.stack(channels, -1) + random.normal(0, 12, (SIZE[1], SIZE[0], 3))
    return np.clip(values, 0, 255).astype(np.uint8)


def write_images(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    values = picture()
    image = Image.fromarray(values)
    transparent = image.convert("RGBA")
    transparent.putalpha(Image.fromarray(values[:, :, 0]))
    turned = Image.Exif()
    turned[0x0112] = 6
    # A profile that exchanges colours: whoever applies it is found out.
    profile = _exchanging_profile()
    for name, picture_, options in [
        ("rgb.png", image, {}),
        ("grey.png", image.convert("L"), {}),
        ("grey-alpha.png", image.convert("LA"), {}),
        ("palette.png", image.convert("P", palette=Image.Palette.ADAPTIVE), {}),
        ("bits.png", image.convert("1"), {}),
        ("alpha.png", transparent, {}),
        ("420.jpg", image, {"quality": 85}),
        ("422.jpg", image, {"quality": 75, "subsampling": 1}),
        ("444.jpg", image, {"quality": 90, "subsampling": 0}),
        ("progressive.jpg", image, {"progressive": True}),
        ("grey.jpg", image.convert("L"), {}),
        ("cmyk.jpg", image.convert("CMYK"), {"quality": 60}),
        ("turned.jpg", image, {"exif": turned, "quality": 60}),
        ("profile.jpg", image, {"icc_profile": profile, "quality": 60}),
    ]:
        picture_.save(os.path.join(folder, name), **options)
    # Not read: Pillow itself does not scale it to 8 bits.
    Image.fromarray(values[:, :, 0].astype(np.uint16) * 257).save(os.path.join(folder, "16-bit.png"))


def _exchanging_profile() -> bytes:
    """sRGB's profile with the primaries of red and blue exchanged."""
    from PIL import ImageCms

    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.find(b"rXYZ", 128), data.find(b"bXYZ", 128)
    data[red : red + 4], data[blue : blue + 4] = data[blue : blue + 4], data[red : red + 4]
    return bytes(data)


def describe(image: Image.Image) -> dict:
    content = np.asarray(image.convert("RGB")).tobytes()
    return {"width": image.width, "height": image.height, "sha256": hashlib.sha256(content).hexdigest()}


def decoded(folder: str) -> dict:
    names = sorted(name for name in os.listdir(folder) if name != "16-bit.png")
    return {name: describe(Image.open(os.path.join(folder, name))) for name in names}


def transformed(path: str) -> list[dict]:
    """Both orientations; shrinking, enlarging, one side as it is; crops of even and odd differences, and beyond the image."""
    results = []
    for turned in (False, True):
        image = Image.open(path).convert("RGB")
        if turned:
            image = image.transpose(Image.Transpose.TRANSPOSE)
        for resize, crop in [
            *((None, crop) for crop in (20, 31, 32, 44, 45, 50, 64, 77)),
            *((resize, None) for resize in (7, 16, 24, 31, 32, 44, 45, 46, 64, 100)),
            (36, 32),
            (24, 21),
            (100, 88),
            (16, 20),
        ]:
            steps = ([transforms.Resize(resize)] if resize else []) + ([transforms.CenterCrop(crop)] if crop else [])
            result = transforms.Compose(steps)(image)
            results.append({"turned": turned, "resize": resize, "crop": crop, **describe(result)})
    return results


def write_arrays(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    labels = np.array([2, 0, 1], dtype=np.int64)
    nchw = np.arange(3 * 3 * 2 * 4, dtype=np.uint8).reshape(3, 3, 2, 4)
    unit = (np.arange(3 * 4 * 5, dtype=np.float32) / 60).reshape(3, 1, 4, 5)
    more = {"classes": np.array(["ant", "bee", "\u00e9l\u00e9phant"]), "mean": np.array([0.5]), "std": np.array([0.25])}
    save = lambda name, **arrays: np.savez(os.path.join(folder, name), **arrays)  # noqa: E731
    save("uint8.npz", images=nchw, labels=labels)
    np.savez_compressed(os.path.join(folder, "compressed.npz"), images=nchw, labels=labels.astype(np.uint8))
    save("channels-last.npz", images=np.ascontiguousarray(nchw.transpose(0, 2, 3, 1)), labels=labels.astype(np.int32))
    save("float32.npz", images=unit, labels=labels, **more)
    save("float64.npz", images=unit.astype(np.float64), labels=labels, **more)
    save("keras.npz", x_test=nchw[:, 0], y_test=labels.astype(np.uint8), x_train=nchw[:2, 1], y_train=labels[:2])
    # Refused
    save("outside.npz", images=unit * 3, labels=labels, **more)
    save("nan.npz", images=np.where(unit == unit.max(), np.nan, unit), labels=labels, **more)
    save("column-major.npz", images=np.asfortranarray(nchw), labels=labels)
    save("big-endian.npz", images=unit.astype(">f4"), labels=labels)
    save("half.npz", images=unit.astype(np.float16), labels=labels)
    save("objects.npz", images=np.array([None, None, None]), labels=labels)
    save("records.npz", images=np.zeros(3, dtype=[("a", "f4")]), labels=labels)
    save("float-labels.npz", images=nchw, labels=labels.astype(np.float32))
    save("fewer-labels.npz", images=nchw, labels=labels[:2])
    save("four-channels.npz", images=np.zeros((3, 4, 5, 2), np.uint8), labels=labels)
    save("either-way.npz", images=np.zeros((3, 3, 5, 3), np.uint8), labels=labels)
    save("other-names.npz", pictures=nchw, targets=labels)


def main() -> None:
    (out,) = sys.argv[1:]
    write_images(os.path.join(out, "decode"))
    write_arrays(os.path.join(out, "arrays"))
    golden = {"decoded": decoded(os.path.join(out, "decode")), "transforms": transformed(os.path.join(out, "decode", "rgb.png"))}
    with open(os.path.join(out, "golden.json"), "w") as file:
        json.dump(golden, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
