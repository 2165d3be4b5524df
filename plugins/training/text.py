"""Text to train language models on: contexts of words, in the order of the text."""

from array import array
from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...rsa import RSAError
from ...rsa.errors import reason
from ...rsa.types import Array
from ..networks.structures import WORDS
from .data import PARTS, Data, Part

if TYPE_CHECKING:
    from .performance import Performance

VOCABULARY = 10_000
UNKNOWN, END = "<unk>", "<eos>"  # a word beyond the vocabulary; the end of a line
_MOST_BYTES = 2**27
_LONGEST = 100  # characters of a word; what is longer is unknown, lest a column of words fill the memory
_LEAST = 30  # contexts of a text, so that each part has some


class TextData(Data):
    """A text in contexts of equally many words, each labelled with the words that come next.

    The last tenth is for testing, the tenth before it for P, which is minus the loss: nats per word.
    """

    unit = "contexts"
    by = "stimulus"

    def summary(self) -> str:
        """Describe it in one line: words in each part, and the vocabulary."""
        length = self.shape[2]
        counts = ", ".join(f"{length * len(getattr(self, name)):,} {name}" for name in PARTS)
        return f"{self.name}: words: {counts}, in contexts of {length}; vocabulary of {self.n_classes:,}"

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"classes": f"{self.n_classes} words, SHA-256 {_digest(self.classes)}"}

    def value(self, found: "Performance") -> float:
        return -found.loss

    def normalise(self, images: Tensor) -> Tensor:
        return images

    def preprocess(self, image: Any) -> Tensor:
        """Turn a context into an input: words (1, 1, n) by number, or text, of which the last words are taken.

        Parameters
        ----------
        image : torch.Tensor or str
            A shorter text has ends of lines before it.
        """
        if isinstance(image, Tensor):
            return image
        if not isinstance(image, str):
            raise RSAError(f"a context is text, not {type(image).__name__}")
        length, unknown = self.shape[2], self._places[UNKNOWN]
        found = [self._places.get(word, unknown) for word in _words(image.splitlines())][:-1][-length:]
        padded = [self._places[END]] * (length - len(found)) + found
        return torch.tensor(padded, dtype=torch.int32).view(1, 1, length)

    def streams(self, batch_size: int) -> tuple[Tensor, list[int]]:
        n = len(self.train)
        parts = torch.arange(n).tensor_split(min(batch_size, n))  # the longer ones first
        steps = [[part[step] for part in parts if step < len(part)] for step in range(len(parts[0]))]
        return torch.tensor([int(place) for step in steps for place in step]), [len(step) for step in steps]

    def columns(self, part: Part) -> dict[str, Array]:
        words = np.array(self.classes)
        texts = [" ".join(words[row]) for row in part.batch(torch.arange(len(part))).flatten(1).numpy()]
        return {**part.table, "text": np.array(texts)}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.classes)}


def read_text(
    path: str | Path, *, name: str, vocabulary: int = VOCABULARY, length: int = WORDS, validation: int | None = None
) -> TextData:
    """Read a file of UTF-8 text: words are what spaces divide, and every line ends with one more.

    A word of more than 100 characters is "<unk>".

    Parameters
    ----------
    path : path
    name : str
        Of the data set.
    vocabulary : int
        At most so many words: the most frequent of the training part, "<unk>" for others, and "<eos>".
    length : int
        Words in a context, through which gradients flow.
    validation : int, optional
        How many contexts before the test part are held out for P; by default a tenth of all.

    Raises
    ------
    RSAError
        For a file that is missing, larger than 128 MB, no UTF-8 text, or too short.
    """
    numbers, known = _numbers(Path(path))
    n = (len(numbers) - 1) // length
    if n < _LEAST:
        raise RSAError(f"{path} has {len(numbers):,} words; at least {_LEAST * length + 1:,} are needed")
    test = n // 10
    held_out = n // 10 if validation is None else validation
    if not 0 <= held_out < n - test:
        raise RSAError(f"{path} has {n - test} contexts to train on; {held_out} of them cannot be held out")
    if vocabulary < 3:
        raise RSAError(f"a vocabulary has at least 3 words, not {vocabulary}")
    first = (n - test - held_out) * length
    counts = np.bincount(numbers[:first], minlength=len(known))
    special = [known[word] for word in (UNKNOWN, END)]
    counts[special] = 0
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0][: vocabulary - len(special)]
    kept = np.concatenate([special, order])
    place = np.zeros(len(known), np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    spelled = list(known)
    words = torch.from_numpy(place[numbers[: n * length + 1]])
    source = words[:-1].view(n, 1, 1, length)
    labels = words[1:].view(n, length).long()
    ids = np.array([f"word-{start:09d}" for start in range(0, n * length, length)])

    def part(start: int, stop: int) -> Part:
        places = torch.arange(start, stop)
        return Part(source, places, labels[start:stop], {"stimulus_id": ids[start:stop]})

    bounds = (0, n - test - held_out, n - test, n)
    train, valid, tested = (part(start, stop) for start, stop in pairwise(bounds))
    return TextData(name, tuple(spelled[i] for i in kept), train, valid, tested)


def _numbers(path: Path) -> tuple[Array, dict[str, int]]:
    """The words of a text as numbers, and the number of each word in order of appearance."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RSAError(f"{path} is larger than {_MOST_BYTES >> 20} MB; give a part of it")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise RSAError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise RSAError(f"{path} is no UTF-8 text: byte {error.start:,} is {error.object[error.start]:#x}") from error
    except OSError as error:
        raise RSAError(f"{path} cannot be read: {reason(error)}") from error
    if "\0" in text:
        raise RSAError(f"{path} is no text: it has characters of number 0")
    numbers, known = array("i"), {UNKNOWN: 0, END: 1}
    numbers.extend(known.setdefault(word, len(known)) for word in _words(text.split("\n")))
    return np.frombuffer(numbers, np.int32) if numbers else np.zeros(0, np.int32), known


def _words(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield from (word if len(word) <= _LONGEST else UNKNOWN for word in line.split())
        yield END


def _digest(words: Iterable[str]) -> str:
    from hashlib import sha256

    return sha256("\n".join(words).encode()).hexdigest()[:16]
