"""Triple-N: processed sessions in MATLAB 5, as the authors' script saves them."""

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from tgsage.neural_data import load, region_rdms
from tgsage.rsa import RSAError
from tgsage.rsa.io.kinds import content_of
from tgsage.rsa.io.tables import read_frame
from tgsage.rsa.types import Array

NAME, UNITS = "Processed_ses01_240629_M1_2.mat", 7
AREAS = "SesIdx,y1,y2,AREALABEL,RoiIndex\n1,0,250,MB1,3\n1,250,550,V4,4\n2,0,900,AF2,5\n1,550,620,Unknown,6\n"


def write_processed(path: Path, **changed: Any) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    columns = ("F_SI", "B_SI", "O_SI", "best_r_time1", "best_r_time2", "reliability_basic", "reliability_best", "snr")
    content: dict[str, Any] = {name: rng.uniform(size=(1, UNITS)) for name in (*columns, "snrmax")}
    content |= {name: rng.uniform(0, 40, (UNITS, 1072)) for name in ("response_basic", "response_best")}
    content |= {"pos": np.arange(1.0, UNITS + 1)[None] * 100, "UnitType": np.array([[1, 2, 1, 3, 1, 1, 2]])}
    content |= {"UnitNum": UNITS, "mean_psth": rng.uniform(size=(UNITS, 451))}
    scipy.io.savemat(path, content | changed, do_compression=True)
    return content | changed


@pytest.mark.parametrize("part", ["", "nsd", "best", "localizer"])
def test_a_processed_session_equals_its_arrays(part: str, tmp_path: Path) -> None:
    content = write_processed(tmp_path / NAME)
    (tmp_path / "exclude_area.csv").write_text(AREAS)
    rows = "".join(f"nsd_{7 * i:05d},{7 * i},{i}\n" for i in range(1000, 0, -1))
    (tmp_path / "stimulus_Li2026_Stimuli.csv").write_text("stimulus_id,nsd_id,tn_index\n" + rows)
    one = load(tmp_path / NAME, part=part)
    responses = content["response_best" if part == "best" else "response_basic"]
    shown = slice(1000, None) if part == "localizer" else slice(0, 1000)
    np.testing.assert_array_equal(one.values, responses[:, shown].T)
    first = "localizer/01" if part == "localizer" else "nsd_00007"
    assert one["stimulus_id"].values[0] == first
    assert one["neuroid_id"].values.tolist() == [f"M1_ses01_unit{i:04d}" for i in range(UNITS)]
    assert one["arealabel"].values.tolist() == ["MB1", "MB1", "V4", "V4", "V4", "unassigned", "unassigned"]
    assert one["region"].values.tolist() == ["IT", "IT", "V4", "V4", "V4", "unassigned", "unassigned"]
    own = content["reliability_best" if part == "best" else "reliability_basic"].ravel()
    np.testing.assert_array_equal(one["reliability"].values, own)
    assert ("window_start" in one.attrs) == (part != "best")
    assert "note" not in one.attrs
    if part in ("", "nsd"):
        r: Array = np.asarray(np.corrcoef(responses[2:5, :40].T))
        expected = 1 - r[np.triu_indices(40, 1)]
        v4 = one.isel(presentation=slice(0, 40), neuroid=slice(2, 5))
        found = region_rdms(v4)["V4"]
        np.testing.assert_allclose(found.values, expected, atol=1e-9)


def test_what_is_not_beside_the_file_is_said(tmp_path: Path) -> None:
    write_processed(tmp_path / NAME)
    one = load(tmp_path / NAME)
    assert "exclude_area.xls of Triple-N is not beside the file" in one.attrs["note"]
    assert "images are named by their order" in one.attrs["note"]
    assert set(one["region"].values.tolist()) == {"unassigned"}
    assert one["stimulus_id"].values[[0, -1]].tolist() == ["shared0001", "shared1000"]


@pytest.mark.parametrize(
    ("changed", "beside", "message"),
    [
        ({"response_basic": np.zeros((UNITS, 1000))}, {}, r"response_basic must be numbers \(units, 1072\)"),
        ({"pos": np.zeros((1, 3))}, {}, "pos must hold one number per unit, 7"),
        ({"snr": "text"}, {}, "snr must hold one number per unit, 7"),
        ({}, {"exclude_area.csv": "a,b\n1,2\n"}, "needs columns SesIdx, y1, y2 and AREALABEL"),
        ({}, {"exclude_area.xls": "not Excel"}, "needs python-calamine|cannot be read as an Excel file"),
        ({}, {"stimulus_Li2026_Stimuli.csv": "stimulus_id,tn_index\nnsd_1,1\n"}, "needs columns tn_index, 1 to 1000"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    changed: dict[str, Any], beside: dict[str, str], message: str, tmp_path: Path
) -> None:
    write_processed(tmp_path / NAME, **changed)
    for name, text in beside.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RSAError, match=message) as caught:
        load(tmp_path / NAME)
    assert "\n" not in str(caught.value)


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    write_processed(tmp_path / NAME)
    with pytest.raises(RSAError, match=r"unknown part 'bst' of .*; did you mean best"):
        load(tmp_path / NAME, part="bst")


@pytest.fixture
def areas(tmp_path: Path) -> Path:
    """`exclude_area.xls` as Excel 97 to 2003 saves it."""
    packed = (
        "c-rk)Pe>F|82`PQS@%!6?%En@Ad8Td=|StzMYmaSC2&OzDk7-WokJ*VtR31eS+>U@=#+F3ymYa;^oI)S)*&$J5CnnN"
        "txiEg2i@s=-@LKaJh)I|F~8w`?|t9<zTbN@@6WuMH}lbjnFo!FSch)tDA_?&mDvQPpsPec^|mdGZXTdyd-$gi4A4MU"
        "`S7&nwO@{*9PdSFxNp2934Ee-1{csjp0naxh$QzRBV-@CNDAB`OBfB@t2&k=EO)ZJ$DYqv9%ai7mR;n#AWmaG(cgMR"
        "&Eiv9GuMS7c^`4i2ex#e9<SsqzH(DIzCM`w^O>>jS<z%vV-_@Sy;jc3XT}x~qXC@7k{t)WyDRlY+_P`3U4ZOA*4q6W"
        "*l%eDFbVq{Pw*mYu%ycxA2N9>GqH?8>>xGdtjpup#Ifupnx=&gDLQE@Hivr5J~P?VM?5BlP;@%kLB8qs<ao9~ZYK_t"
        "%}jNY&1_F)Ml4C@Ec(crMPI{<p_*hCwOo$!l8Df@zI^xF+w|~2;w)Pxd82n;2Yclmz{XV>LBV0JG2q+<(8>`9Szcq-"
        "JzQ>N86zLcTL$V?AvMK5*SWTZ+Bw8{m)KWU-cRM?*TKh4#m|WYRG#Zyyd0Z*pO`^2y`HiZFRv-Ii8e8PTjEK=&4t=J"
        "KC*21Z5s(_5!H8Fz4L0Z!UF($9ukfwpN?47H1(_;O(#uX)eO=M#Vpn_KgVviMR^1qjwrt9l2Jwr=JF{n!CX~}OWS};"
        "E8~(ZQA`J1E{(bTic4cIzv9w2;L@2TRMxM$u*;=0S3q&;%q0&7-C7+UN@v=Fe<1`99z1yP;K73j58DQUkFVh4o}muy"
        "@&M^q|8-U<mAv01|1E|vPS-{HFzrE(@;nL^&7WQH371Q3GRFO1C~=Zn&tnwB+>g<U=P!NEiSql|bYSGqEul)=FICdd"
        "zuf*$f4SO9"
    )
    (tmp_path / "exclude_area.xls").write_bytes(zlib.decompress(base64.b85decode(packed)))
    return tmp_path / "exclude_area.xls"


def test_areas_come_from_the_old_excel_file(areas: Path) -> None:
    pytest.importorskip("python_calamine")
    write_processed(areas.parent / NAME)
    one = load(areas.parent / NAME)
    assert one["arealabel"].values.tolist() == ["MB1", "MB1", "V4", "V4", "V4", "unassigned", "unassigned"]
    frame = read_frame(areas, content_of(areas), "", lambda names: ["AREALABEL"])
    assert frame["AREALABEL"].tolist() == ["MB1", "V4", "AF2"]
    areas.write_bytes(areas.read_bytes()[:3000])
    for path in (areas.parent / NAME, areas):
        with pytest.raises(RSAError, match=r"exclude_area\.xls cannot be read as") as caught:
            load(path)
        assert "\n" not in str(caught.value)
