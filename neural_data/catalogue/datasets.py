"""The data sets that have a name: what they are, whose they are, and where they come from."""

import re
from dataclasses import dataclass, replace

_AFTER_YEAR = re.compile(r"(?<=\d{4}),")


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Path within the data folder.
    url : str
        `""` where the publisher offers no direct link.
    size : int
        In bytes, 0 if unknown.
    checksum : str
        `"sha256:..."` or `"sha1:..."`, `""` if none is published.
    older : tuple of str
        Paths at which the file may be found under its earlier names.
    """

    path: str
    url: str = ""
    size: int = 0
    checksum: str = ""
    older: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes
    ----------
    name : str
    kind : str
        `"recording"`, `"rdms"` (published as RDMs only), `"simulation"` or `"behavior"` (choices).
    title, source, licence, citation : str
    file, images, table : DataFile, optional
        The file of responses, RDMs or choices; that of the stimuli; and that of the columns of the stimuli.
    part : str
        Part of the file, see `load`.
    degrees : float, optional
        Size of the images in degrees of visual angle.
    window : (float, float), optional
        Start and end of the default time window in ms.
    obtain : str
        How to get files without a link.
    images_at : str
        Where to get images that are not published with it.
    usual_filter : str
        Condition on a column of neuroids, by which publications select neuroids.
    megabytes : float
        Approximate size, where the size of a file is not known to the byte; 0 if unknown.
    public : bool
        Whether anybody may get it.
    """

    name: str
    kind: str
    title: str
    source: str
    licence: str
    citation: str
    file: DataFile | None = None
    images: DataFile | None = None
    table: DataFile | None = None
    part: str = ""
    degrees: float | None = None
    window: tuple[float, float] | None = None
    obtain: str = ""
    images_at: str = ""
    usual_filter: str = ""
    megabytes: float = 0.0
    public: bool = True

    @property
    def authors(self) -> str:
        """Whom to cite: the citation up to and including the year."""
        return _AFTER_YEAR.split(self.citation)[0]

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All its files."""
        return tuple(dict.fromkeys(file for file in (self.file, self.images, self.table) if file is not None))


_COWLEY = "https://raw.githubusercontent.com/cowleygroup/V4_compact_models/{}/data_V4_responses/{}"
_RSATOOLBOX = "https://raw.githubusercontent.com/rsagroup/rsatoolbox/{}/demos/92imageData/{}"
_STORE = "https://brainscore-storage.s3.amazonaws.com/"
_REGISTRY = "https://github.com/brain-score/vision/tree/master/brainscore_vision/data/"
_MAJAJ = (
    "Majaj, Hong, Solomon & DiCarlo 2015, Simple learned weighted sums of inferior temporal neuronal firing rates"
    " accurately predict human core object recognition performance, Journal of Neuroscience 35(39)"
)
_FREEMAN = (
    "Freeman, Ziemba, Heeger, Simoncelli & Movshon 2013, A functional and perceptual signature of the second visual"
    " area in primates, Nature Neuroscience 16(7)"
)


def _cowley(
    session: str, title: str, kind: str, responses: tuple[int, str], commit: str, images: tuple[int, str]
) -> Dataset:
    """responses, images: size and SHA-256. commit: of the images."""
    name, url = f"responses_{'raw_' if kind == 'raw' else ''}{session}.npy", f"responses_{kind}/responses_{session}.npy"
    file, pictures = (
        DataFile(f"cowley_v4/{path}", _COWLEY.format(at, link), size, f"sha256:{digest}")
        for path, at, link, (size, digest) in (
            (name, "d1b3526933e6bad537140a53b54abe797588f23b", url, responses),
            (f"images_{session}.zip", commit, f"images/images_{session}.zip", images),
        )
    )
    source, licence = "https://github.com/cowleygroup/V4_compact_models", "GPL-3.0 repository"
    citation = "Cowley, Stan, Pillow & Smith 2023, Compact deep neural network models of visual cortex, bioRxiv"
    return Dataset(f"cowley2023/{session}", "recording", title, source, licence, citation, file, pictures)


def _brainscore(
    name: str,
    title: str,
    citation: str,
    assembly: str,
    stimuli: tuple[str, str],
    sha1: tuple[str, str, str],
    degrees: float | None,
    window: tuple[float, float] | None,
    *,
    public: bool = True,
    folder: str = "brainio-brainscore",
    versions: tuple[str, str, str] = ("", "", ""),
    licence: str = "none stated; open for research",
) -> Dataset:
    """sha1 and versions: of the assembly, the images and their table. stimuli: identifier, and the one before 2024."""
    hidden = "" if public else " (held back by Brain-Score)"
    now, before = stimuli
    paths = (f"assy_{assembly}.nc", f"stimulus_{now}.zip", f"stimulus_{now}.csv")
    older = ((), *(((f"image_{before}.{kind}",) if before else ()) for kind in ("zip", "csv")))
    file, images, table = (
        DataFile(
            path,
            f"{_STORE}{folder}/{path}{f'?versionId={version}' if version else ''}" if public else "",
            checksum=f"sha1:{digest}",
            older=places,
        )
        for path, digest, version, places in zip(paths, sha1, versions, older, strict=True)
    )
    source = _REGISTRY + name.split("/")[0]
    found = Dataset(name, "recording", title + hidden, source, licence, citation, file, images, table)
    return replace(found, degrees=degrees, window=window, public=public)


_HVM_IMAGES = {  # identifier -> SHA-1 of the images and their table
    "hvm-public": ("8aa44e038d7b551efa8077467622f9d48d72e473", "5ca7a3da00d8e9c694a9cd725df5ba0ad6d735af"),
    "hvm-private": ("d7b1ca1876dad87e15b0242b4c82c0203ff3cbd3", "6ff4981722fa05feb73a2bd26bbbba8b50dc29a6"),
    "hvm": ("6fd5080deccfb061699909ffcb86a26209516811", "a56f55205904d5fb5ead4d0dc7bfad5cc4083b94"),
}


def _majaj(part: str, title: str, assembly: str, sha1: str, images: str = "hvm-public") -> Dataset:
    name, assembly = "majajhong2015" + part, f"dicarlo_MajajHong2015_{assembly}"
    named, digests, public = (images, f"dicarlo_{images}"), (sha1, *_HVM_IMAGES[images]), images != "hvm-private"
    found = _brainscore(name, title, _MAJAJ, assembly, named, digests, 8.0, (70.0, 170.0), public=public)
    return found if part else replace(found, megabytes=152.0)  # 256 x 148,480 numbers of 4 bytes


def _freeman(part: str, side: str, sha1: tuple[str, str, str]) -> Dataset:
    title = "macaque V1 and V2, 205 neuroids, textures, single trials in 1 ms bins"
    assembly = f"movshon_FreemanZiemba2013_{side}"
    stimuli = (f"FreemanZiemba2013_aperture-{side}", f"movshon_FreemanZiemba2013_aperture-{side}")
    name, window = "freemanziemba2013" + part, (50.0, 200.0)
    return _brainscore(name, title, _FREEMAN, assembly, stimuli, sha1, 4.0, window, public=side == "public")


_PAPALE = (
    "Papale, Wang, Self & Roelfsema 2025, An extensive dataset of spiking activity to reveal the syntax of the ventral"
    " stream, Neuron 113"
)
_LI = (
    "Li et al. 2026, Triple-N dataset: large-scale fMRI-guided dense recordings of nonhuman primate neural responses to"
    " natural scenes, Nature Neuroscience"
)


def _papale(part: str, title: str, sha1: tuple[str, str, str], versions: tuple[str, str, str]) -> Dataset:
    assembly, stimuli = f"THINGS_TVSD_{part}_Assembly", (f"THINGS_TVSD_{part}_Stimuli", "")
    name = "papale2025" + ("" if part == "test" else f"/{part}")
    return _brainscore(
        name, f"TVSD as Brain-Score has it: {title}", _PAPALE, assembly, stimuli, sha1, None, None,
        folder="brainscore-vision/benchmarks/Papale2025", versions=versions, licence="CC-BY 4.0",
    )  # fmt: skip


def _li(part: str, title: str, assembly: str, sha1: str, version: str) -> Dataset:
    digests = ("76cef574cbb09e53cc18573690558a85f9470231", "3e3603f9080dcc1c5519a3ac66895d55a3c486a1")
    versions = ("jIe9AbMniKL7UXUJShW8ypdXwucfBg5N", "gRAM7LbVvIAgPeDCgvzX8sPuLsbsBbTN")
    found = _brainscore(
        "li2026" + part, title, _LI, assembly, ("Li2026_Stimuli", ""), (sha1, *digests), 11.0, (70.0, 170.0),
        folder="brainscore-vision/benchmarks/Li2026", versions=(version, *versions),
    )  # fmt: skip
    return replace(found, usual_filter="reliability_window>.4")


_THINGS = "THINGS has them (https://things-initiative.org); name the folder of its images as stimuli"


def _rajalingham() -> Dataset:
    citation = (
        "Rajalingham, Issa, Bashivan, Kar, Schmidt & DiCarlo 2018, Large-scale, high-resolution comparison of the core"
        " visual object recognition behavior of humans, monkeys, and state-of-the-art deep artificial neural networks,"
        " Journal of Neuroscience 38(33)"
    )
    sha1 = (
        "34c6a8b6f7c523589c1861e4123232e5f7c7df4c",
        "064f2955f98e63867755fee2e3ead8cddf6bfab8",
        "47884e17106a3be471d6481279cab33889b80850",
    )
    stimuli = ("dicarlo_objectome_public", "dicarlo_objectome_public")
    title = "choices of people between two of 24 objects, public images"
    assembly = "dicarlo_Rajalingham2018_public"
    found = _brainscore("rajalingham2018", title, citation, assembly, stimuli, sha1, 8.0, None)
    return replace(found, kind="behavior")


def _tvsd(monkey: str, part: str, title: str) -> Dataset:
    """part: of `read_tvsd`."""
    folder = f"tvsd/{monkey}"
    source = "https://gin.g-node.org/paolo_papale/TVSD"
    found = Dataset(
        folder + ("" if part == "test" else f"/{part}"),
        "recording",
        f"macaque V1, V4 and IT, 1,024 neuroids, {title}",
        source,
        "CC-BY 4.0",
        _PAPALE,
        DataFile(f"{folder}/THINGS_normMUA.mat"),
        table=DataFile(f"{folder}/_logs/things_imgs.mat"),
    )
    how = f"{source} has {monkey}/THINGS_normMUA.mat and {monkey}/_logs/things_imgs.mat"
    return replace(found, part=part, obtain=how, images_at=_THINGS, usual_filter="reliability>.3", megabytes=194.0)


def _rsatoolbox(name: str, commit: str, size: int, sha256: str) -> DataFile:
    return DataFile(f"kriegeskorte92/{name}", _RSATOOLBOX.format(commit, name), size, f"sha256:{sha256}")


_SUPPLEMENT = _rsatoolbox(
    "Kriegeskorte_Neuron2008_supplementalData.mat",
    "9ac4b5cdcb702c02481cabba33c551d187d50b6c",
    3603779,
    "06f21214399a5d43dc264eed19a7f4b8daf11c8622a59eec3e106064ce5e3504",
)


def _kriegeskorte(part: str, title: str, file: DataFile) -> Dataset:
    citation = (
        "Kriegeskorte et al. 2008, Matching categorical object representations in inferior temporal cortex of man and"
        " monkey, Neuron 60(6)"
    )
    source, licence = "https://github.com/rsagroup/rsatoolbox", "MIT repository"
    return Dataset("kriegeskorte2008" + part, "rdms", title, source, licence, citation, file, _SUPPLEMENT)


_HVM = DataFile("ventral_neural_data.hdf5")


def _hvm(part: str, title: str) -> Dataset:
    licence = "none stated; handed out with university courses"
    found = Dataset("hvm" + part, "recording", title, "DiCarlo and Yamins labs", licence, _MAJAJ, _HVM, _HVM)
    return replace(found, part=part[1:], degrees=8.0, public=False)


def _simulated(part: str, what: str) -> Dataset:
    title = f"simulated HvM: 296 readouts of a network (not brains) in place of V4, pIT and aIT; {what}"
    citation = "tgsage, after the description in Bashivan, Tensen & DiCarlo 2019, ICCV"
    return Dataset("simulated" + part, "simulation", title, "made here", "MIT", citation)


DATASETS = (
    _cowley(
        "190923",
        "macaque V4, 33 neuroids, 1200 natural images, averages of about 14 repeats",
        "repeat_averaged",
        (316928, "741672d36541ce39930c8a3b5bd1cfd33c187aa47b1549c9c5569bc21aa97a28"),
        "f6cbd03109489bef1bbbb5aaeef4f74d22d0dd7b",
        (4024034, "e99a4df1c7476bdc4d565ff4408bc421976ecc3a22c41af6bfd0cfbddb508c0c"),
    ),
    _cowley(
        "210325",
        "macaque V4, 50 neuroids, 640 images of Bashivan et al. 2019, 6 to 10 repeats each",
        "raw",
        (2560128, "4008dbbf31a47d9b1b8d8da609f4a7a3433c7071f0e45c611c220b217dd75b76"),
        "c6b96b0d640f9abfc06912b0388e9ea5f23b5b77",
        (1841475, "992774eca3508a2ad01accb1a31f5f3e3d90248c49f4eec314f2a915a263e454"),
    ),
    _kriegeskorte("", "RDMs of macaque IT (674 neurons) and human IT (316 voxels), 92 images", _SUPPLEMENT),
    _kriegeskorte(
        "/subjects",
        "RDMs of human IT, 4 subjects, mean over 2 sessions each, 92 images",
        _rsatoolbox(
            "92_brainRDMs.mat",
            "a019e37ee631456aa99425efb33cb4e26e9ea181",
            224663,
            "1743f90a15e895798a94318649e80e1123a7e5943a1703fa1dd7c31ea5780b7c",
        ),
    ),
    _kriegeskorte(
        "/models",
        "RDMs of 8 models, 92 images",
        _rsatoolbox(
            "92_modelRDMs.mat",
            "ccd23d83e494c2e213a618a5fbc6143d051478c6",
            333004,
            "e1d2b58bb2f9508bc13da4c81b94d1ab07823b25ed30b9563bd9d6d730c2a00a",
        ),
    ),
    Dataset(
        "zhangdesimone",
        "recording",
        "macaque IT, 132 neuroids, 7 objects at 3 positions, single trials; no images",
        "https://github.com/emeyers/NeuroDecodeR",
        "GPL-3.0 repository",
        "Zhang, Meyers, Bichot, Serre, Poggio & Desimone 2011, Object decoding with attention in inferior temporal"
        " cortex, PNAS 108(21)",
        DataFile(
            "zd_it/zd_it.npz", "", 585538, "sha256:695f5cffbc22b1fe09ac899a4861f26a32499adc039db801df8e293888d96257"
        ),
        window=(100.0, 300.0),
        obtain="it is made from the binned trials (150 ms every 50 ms) that https://github.com/emeyers/NeuroDecodeR has"
        " as an R file: numpy.savez of rate (trials, bins), site, stimulus, position and bins (their names)",
    ),
    _majaj(
        "",
        "macaque V4 and IT, 256 neuroids, 3200 images of 64 objects, single trials",
        "public",
        "13d28ca0ce88ee550b54db3004374ae19096e9b9",
    ),
    _majaj(
        "/private",
        "macaque V4 and IT, 256 neuroids, 2560 images of 64 objects, single trials",
        "private",
        "7a40d16148d6f82939155f0bd976d310857fb156",
        "hvm-private",
    ),
    _majaj(
        "/temporal", "as majajhong2015, in time bins", "temporal_public", "093ac35b3e8464c676d24cf38238415d4d6a9448"
    ),
    _majaj(
        "/temporal-private",
        "as majajhong2015/private, in time bins",
        "temporal_private",
        "804ea9e7c08ae9ab7a7d705c9c7e68582750e2ea",
        "hvm-private",
    ),
    _majaj(
        "/temporal-10ms",
        "macaque V4 and IT, 5760 images of 64 objects, in bins of 10 ms",
        "temporal-10ms",
        "3a43db05db722b456d156f53b7215413c994e5b5",
        "hvm",
    ),
    _freeman(
        "",
        "public",
        (
            "761c08f796db4e342555cdb60eef23a4f19ead43",
            "3a6fec1fc28c212882d6833e267ea8654d289611",
            "194c9b301a4e3e9cff02481d4c19b39331d52660",
        ),
    ),
    _freeman(
        "/private",
        "private",
        (
            "63f636fa2e2b51b47a676768a69b06ce95efdd8f",
            "daa724a4797b23929df59c18744923790edf71cb",
            "65bee31483dd743ae2a19c6af03b9abe5f4d5a41",
        ),
    ),
    _tvsd("monkeyN", "test", "100 THINGS images 30 times each"),
    _tvsd("monkeyN", "train", "22,248 THINGS images of 1,854 concepts once each"),
    _tvsd("monkeyF", "test", "100 THINGS images 30 times each"),
    _tvsd("monkeyF", "train", "22,248 THINGS images of 1,854 concepts once each"),
    _papale(
        "test",
        "macaque V1, V4 and IT of two animals, 100 THINGS images",
        (
            "685025f67e90006e775ac153e8e0007e35b62bbc",
            "dfd6e8769414505afbf51de3ab207cb7a3cf49d6",
            "b08c1c560f008cf3fb2982c22c881ea8ffce0410",
        ),
        ("XK0CVCAzfHNOrKgmNrLqFfwvs_gSWKb.", "AGNDfuS5nyIjTuXrM4hWFze.sWM9py2Z", "gEGUgT7PJB8z3roRkTiJ6zriSuehd2DI"),
    ),
    _papale(
        "train",
        "macaque V1, V4 and IT of two animals, 22,248 THINGS images",
        (
            "97e3e9ed2280441a30fa5c33e8537db1b45a9da8",
            "0a97a7952097800207a23fe73281c256dfc90902",
            "4a094a7e4c2408abc333ba610215a7c30277d904",
        ),
        ("q3sE0RZ5Fuq0C6vTVIiF48AsvG40.b7l", "S.DCjiAaGQ6PjCUs4QugwsHaZa9YiEuV", "kCt7PZx9jxXDrRhyow9y8hDUUDFAAp._"),
    ),
    _li(
        "",
        "Triple-N: macaque V1, V2, V4 and IT of five animals, 47,503 units, 1000 images of NSD, 70-170 ms",
        "Li2026_Assembly",
        "bb59217628132183a57ef10bb9017d857816ed53",
        "jJWOONfWTN3pbp6clmE3Ea8eQ9ZZb_D6",
    ),
    _li(
        "/temporal",
        "as li2026, in bins of 10 ms from 0 to 300 ms",
        "Li2026_temporal_Assembly",
        "c27623909299dd4617672596c114fbe370ed271a",
        "JmOzjXLy0K192AvgcpUxkN_X3B7z4i74",
    ),
    Dataset(
        "bashivan2019",
        "recording",
        "macaque V4, 233 neuroids, 640 natural images; further parts with synthesised images; single trials",
        "https://github.com/dicarlolab/npc",
        "none stated",
        "Bashivan, Kar & DiCarlo 2019, Neural population control via deep image synthesis, Science 364",
        DataFile("npc_v4_data.h5"),
        DataFile("npc_v4_data.h5"),
        obtain="https://github.com/dicarlolab/npc has npc_v4_data.h5.zip",
    ),
    Dataset(
        "cifar10h",
        "behavior",
        "511,000 choices of people among ten classes, 47 to 63 for each of the 10,000 test images of CIFAR-10",
        "https://github.com/jcpeterson/cifar-10h",
        "CC BY-NC-SA 4.0 (choices)",
        "Peterson, Battleday, Griffiths & Russakovsky 2019, Human uncertainty makes classification more robust, ICCV",
        DataFile(
            "cifar10h/counts.npy", "", 800128, "sha256:9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff"
        ),
        DataFile(
            "cifar10h/images_test.zip",
            "",
            10349684,
            "sha256:7927686acf0120b5e176cf1ec1285c59e138bec4fa8a150edfe8ab657cae7d16",
        ),
        DataFile(
            "cifar10h/labels.npy", "", 10128, "sha256:19004b019bd095265b4ce6637c9ff979c66abcbc8e658a665f791b487cdea5eb"
        ),
        obtain="counts.npy is data/cifar10h-counts.npy of https://github.com/jcpeterson/cifar-10h, labels.npy the"
        " labels of CIFAR-10's test images as uint8, images_test.zip these images as test/CLASS/NNNN.jpg, numbered in"
        " each class",
    ),
    _rajalingham(),
    _hvm("", "macaque V4 and IT, 5760 images of 64 objects, single trials (course file)"),
    _hvm("/averaged", "as hvm, averaged over trials"),
    _hvm("/binned", "as hvm, averaged over trials, in time bins"),
    _simulated("", "320 rendered images with every trial"),
    _simulated("/time", "320 rendered images with every trial, in 25 time bins of 10 ms"),
    _simulated("/full", "5760 rendered images, averaged over trials"),
)
