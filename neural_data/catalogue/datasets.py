"""The data sets that have a name: what they are, whose they are, and where they come from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    path: where it lies under the data folder. url: "" where the publisher offers no direct link.
    size: in bytes, 0 where it is not known. checksum: "sha256:..." or "sha1:...", "" where none is published.
    """

    path: str
    url: str = ""
    size: int = 0
    checksum: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set.

    kind: "recording", "rdms" (published as RDMs only) or "simulation". part: of the file, see `load`.
    file: responses or RDMs; images: the stimuli; table: their columns. obtain: how to get what no link serves.
    degrees: size of the images in degrees of visual angle. window: (start, end) in ms, the default time window.
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

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All its files."""
        return tuple(dict.fromkeys(file for file in (self.file, self.images, self.table) if file is not None))


_COWLEY_CITATION = "Cowley, Stan, Pillow & Smith 2023, Compact deep neural network models of visual cortex, bioRxiv"
_COWLEY_URL = "https://raw.githubusercontent.com/cowleygroup/V4_compact_models/{commit}/data_V4_responses/{path}"
_COWLEY_COMMITS = {
    "responses": "d1b3526933e6bad537140a53b54abe797588f23b",
    "190923": "f6cbd03109489bef1bbbb5aaeef4f74d22d0dd7b",
    "210325": "c6b96b0d640f9abfc06912b0388e9ea5f23b5b77",
}


def _cowley(session: str, title: str, responses: DataFile, images: DataFile) -> Dataset:
    return Dataset(
        f"cowley2023/{session}",
        "recording",
        title,
        "https://github.com/cowleygroup/V4_compact_models",
        "GPL-3.0 repository",
        _COWLEY_CITATION,
        responses,
        images,
    )


_BRAINSCORE = "https://brainio-brainscore.s3.amazonaws.com/"
_MAJAJ = (
    "Majaj, Hong, Solomon & DiCarlo 2015, Simple learned weighted sums of inferior temporal neuronal firing rates"
    " accurately predict human core object recognition performance, Journal of Neuroscience 35(39)"
)
_FREEMAN = (
    "Freeman, Ziemba, Heeger, Simoncelli & Movshon 2013, A functional and perceptual signature of the second visual"
    " area in primates, Nature Neuroscience 16(7)"
)


def _brainscore(path: str, sha1: str, *, public: bool = True) -> DataFile:
    return DataFile(path, _BRAINSCORE + path if public else "", checksum=f"sha1:{sha1}")


def _majaj(part: str, title: str, assembly: str, sha1: str, public: bool = True) -> Dataset:
    hidden = "" if public else " (held back by Brain-Score)"
    stimuli = "image_dicarlo_hvm-public" if public else "image_dicarlo_hvm-private"
    zipped, table = (
        ("8aa44e038d7b551efa8077467622f9d48d72e473", "5ca7a3da00d8e9c694a9cd725df5ba0ad6d735af")
        if public
        else ("d7b1ca1876dad87e15b0242b4c82c0203ff3cbd3", "6ff4981722fa05feb73a2bd26bbbba8b50dc29a6")
    )
    return Dataset(
        "majajhong2015" + part,
        "recording",
        title + hidden,
        "https://github.com/brain-score/vision",
        "none stated; open for research",
        _MAJAJ,
        _brainscore(f"assy_dicarlo_{assembly}.nc", sha1, public=public),
        _brainscore(f"{stimuli}.zip", zipped, public=public),
        _brainscore(f"{stimuli}.csv", table, public=public),
        degrees=8.0,
        window=(70.0, 170.0),
    )


def _freeman(part: str, title: str, side: str, sha1: str, zipped: str, table: str) -> Dataset:
    public = side == "public"
    stimuli = f"image_movshon_FreemanZiemba2013_aperture-{side}"
    return Dataset(
        "freemanziemba2013" + part,
        "recording",
        title + ("" if public else " (held back by Brain-Score)"),
        "https://github.com/brain-score/vision",
        "none stated; open for research",
        _FREEMAN,
        _brainscore(f"assy_movshon_FreemanZiemba2013_{side}.nc", sha1, public=public),
        _brainscore(f"{stimuli}.zip", zipped, public=public),
        _brainscore(f"{stimuli}.csv", table, public=public),
        degrees=4.0,
        window=(50.0, 200.0),
    )


_RSATOOLBOX = "https://raw.githubusercontent.com/rsagroup/rsatoolbox/{}/demos/92imageData/"
_SUPPLEMENT = DataFile(
    "kriegeskorte92/Kriegeskorte_Neuron2008_supplementalData.mat",
    _RSATOOLBOX.format("9ac4b5cdcb702c02481cabba33c551d187d50b6c") + "Kriegeskorte_Neuron2008_supplementalData.mat",
    3603779,
    "sha256:06f21214399a5d43dc264eed19a7f4b8daf11c8622a59eec3e106064ce5e3504",
)


def _kriegeskorte(part: str, title: str, file: DataFile) -> Dataset:
    return Dataset(
        "kriegeskorte2008" + part,
        "rdms",
        title,
        "https://github.com/rsagroup/rsatoolbox",
        "MIT repository",
        "Kriegeskorte et al. 2008, Matching categorical object representations in inferior temporal cortex of man and"
        " monkey, Neuron 60(6)",
        file,
        _SUPPLEMENT,
    )


_HVM = DataFile("ventral_neural_data.hdf5")


def _hvm(part: str, title: str) -> Dataset:
    licence = "none stated; handed out with university courses"
    return Dataset(
        "hvm" + part,
        "recording",
        title,
        "DiCarlo and Yamins labs",
        licence,
        _MAJAJ,
        _HVM,
        _HVM,
        part=part[1:],
        degrees=8.0,
    )


def _simulated(part: str, what: str) -> Dataset:
    title = f"simulated HvM: 296 readouts of a network (not brains) in place of V4, pIT and aIT; {what}"
    citation = "tgsage, after the description in Bashivan, Tensen & DiCarlo 2019, ICCV"
    return Dataset("simulated" + part, "simulation", title, "made here", "MIT", citation)


DATASETS = (
    _cowley(
        "190923",
        "macaque V4, 33 neuroids, 1200 natural images, averages of about 14 repeats",
        DataFile(
            "cowley_v4/responses_190923.npy",
            _COWLEY_URL.format(
                commit=_COWLEY_COMMITS["responses"], path="responses_repeat_averaged/responses_190923.npy"
            ),
            316928,
            "sha256:741672d36541ce39930c8a3b5bd1cfd33c187aa47b1549c9c5569bc21aa97a28",
        ),
        DataFile(
            "cowley_v4/images_190923.zip",
            _COWLEY_URL.format(commit=_COWLEY_COMMITS["190923"], path="images/images_190923.zip"),
            4024034,
            "sha256:e99a4df1c7476bdc4d565ff4408bc421976ecc3a22c41af6bfd0cfbddb508c0c",
        ),
    ),
    _cowley(
        "210325",
        "macaque V4, 50 neuroids, 640 images of Bashivan et al. 2019, 6 to 10 repeats each",
        DataFile(
            "cowley_v4/responses_raw_210325.npy",
            _COWLEY_URL.format(commit=_COWLEY_COMMITS["responses"], path="responses_raw/responses_210325.npy"),
            2560128,
            "sha256:4008dbbf31a47d9b1b8d8da609f4a7a3433c7071f0e45c611c220b217dd75b76",
        ),
        DataFile(
            "cowley_v4/images_210325.zip",
            _COWLEY_URL.format(commit=_COWLEY_COMMITS["210325"], path="images/images_210325.zip"),
            1841475,
            "sha256:992774eca3508a2ad01accb1a31f5f3e3d90248c49f4eec314f2a915a263e454",
        ),
    ),
    _kriegeskorte("", "RDMs of macaque IT (674 neurons) and human IT (316 voxels), 92 images", _SUPPLEMENT),
    _kriegeskorte(
        "/subjects",
        "RDMs of human IT, 4 subjects, mean over 2 sessions each, 92 images",
        DataFile(
            "kriegeskorte92/92_brainRDMs.mat",
            _RSATOOLBOX.format("a019e37ee631456aa99425efb33cb4e26e9ea181") + "92_brainRDMs.mat",
            224663,
            "sha256:1743f90a15e895798a94318649e80e1123a7e5943a1703fa1dd7c31ea5780b7c",
        ),
    ),
    _kriegeskorte(
        "/models",
        "RDMs of 8 models, 92 images",
        DataFile(
            "kriegeskorte92/92_modelRDMs.mat",
            _RSATOOLBOX.format("ccd23d83e494c2e213a618a5fbc6143d051478c6") + "92_modelRDMs.mat",
            333004,
            "sha256:e1d2b58bb2f9508bc13da4c81b94d1ab07823b25ed30b9563bd9d6d730c2a00a",
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
        "MajajHong2015_public",
        "13d28ca0ce88ee550b54db3004374ae19096e9b9",
    ),
    _majaj(
        "/private",
        "macaque V4 and IT, 256 neuroids, 2560 images of 64 objects, single trials",
        "MajajHong2015_private",
        "7a40d16148d6f82939155f0bd976d310857fb156",
        public=False,
    ),
    _majaj(
        "/temporal",
        "as majajhong2015, in time bins",
        "MajajHong2015_temporal_public",
        "093ac35b3e8464c676d24cf38238415d4d6a9448",
    ),
    _majaj(
        "/temporal-private",
        "as majajhong2015/private, in time bins",
        "MajajHong2015_temporal_private",
        "804ea9e7c08ae9ab7a7d705c9c7e68582750e2ea",
        public=False,
    ),
    _freeman(
        "",
        "macaque V1 and V2, 205 neuroids, textures, single trials in 1 ms bins",
        "public",
        "761c08f796db4e342555cdb60eef23a4f19ead43",
        "ad3c6c237491485c863acd2f4d2f219f737e424c",
        "194c9b301a4e3e9cff02481d4c19b39331d52660",
    ),
    _freeman(
        "/private",
        "macaque V1 and V2, 205 neuroids, textures, single trials in 1 ms bins",
        "private",
        "63f636fa2e2b51b47a676768a69b06ce95efdd8f",
        "0015c94e01d037994cdde1b2e3d169ab99f380dc",
        "65bee31483dd743ae2a19c6af03b9abe5f4d5a41",
    ),
    _hvm("", "macaque V4 and IT, 5760 images of 64 objects, single trials (course file)"),
    _hvm("/averaged", "as hvm, averaged over trials"),
    _hvm("/binned", "as hvm, averaged over trials, in time bins"),
    _simulated("", "320 rendered images with every trial"),
    _simulated("/full", "5760 rendered images, averaged over trials"),
)
