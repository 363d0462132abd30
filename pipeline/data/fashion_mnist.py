"""Fashion-MNIST: 60,000 + 10,000 pictures of clothes in MNIST's format. It is not in the paper, and harder at the same cost."""

from pathlib import Path

from pipeline.data import _files, _idx, _sources
from pipeline.domain.bundle import Bundle, Form

FORM = Form(train=60_000, test=10_000, shape=(1, 28, 28), classes=10)
MD5 = dict(
    zip(
        _idx.FILES,
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
        strict=True,
    )
)


def fashion_mnist(folder: Path) -> Bundle:
    """Raises: UserError when no source gives the files with the known checksums."""
    sources = {"torchvision": _torchvision, "the Debian package dataset-fashion-mnist": _apt}
    return _idx.obtain("fashion_mnist", MD5, sources, folder)


def _torchvision(folder: Path) -> _files.Contents:
    _sources.torchvision("FashionMNIST", folder)
    return _files.read(folder, _idx.FILES)


def _apt(folder: Path) -> _files.Contents:
    _sources.apt_download("dataset-fashion-mnist", folder)
    return _files.read(folder, _idx.FILES)
