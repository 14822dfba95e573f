"""The table and the document of filled holes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from i2i.evaluation.filled_report import HEADINGS, Figures, Filled, Report, Row

A = Figures(hole_l1=10.0, hole_psnr=20.0, hole_ssim=0.5, l1=1.0, psnr=30.0, ssim=0.9, lpips=0.1)
B = Figures(hole_l1=20.0, hole_psnr=10.0, hole_ssim=0.3, l1=2.0, psnr=20.0, ssim=0.7, lpips=0.3)
C = Figures(hole_l1=60.0, hole_psnr=6.0, hole_ssim=0.1, l1=3.0, psnr=10.0, ssim=0.5, lpips=0.8)


def report(*figures: Figures, who: str = "photo-fill") -> Report:
    filled = [
        Filled("a", "band-0/a", 0, 0.05, figures[0]),
        Filled("b\n", "band-0/b\n", 0, 0.07, figures[1]),
        Filled("a", "band-5/a", 5, 0.55, figures[2]),
        Filled("b\n", "full/b\n", None, 0.9, figures[2]),
    ]
    return Report("4 holes in 2 pictures", (Row("mean", filled), Row(who, filled)))


def test_the_table_has_a_block_for_each_band_and_one_over_all_holes():
    assert report(A, B, C).lines() == [
        "4 holes in 2 pictures",
        "hole     by          holes  hole L1  hole PSNR  hole SSIM     L1   PSNR    SSIM   LPIPS",
        "1-10 %   mean            2    15.00      15.00     0.4000  1.500  25.00  0.8000  0.2000",
        "1-10 %   photo-fill      2    15.00      15.00     0.4000  1.500  25.00  0.8000  0.2000",
        "50-60 %  mean            1    60.00       6.00     0.1000  3.000  10.00  0.5000  0.8000",
        "50-60 %  photo-fill      1    60.00       6.00     0.1000  3.000  10.00  0.5000  0.8000",
        "other    mean            1    60.00       6.00     0.1000  3.000  10.00  0.5000  0.8000",
        "other    photo-fill      1    60.00       6.00     0.1000  3.000  10.00  0.5000  0.8000",
        "all      mean            4    37.50      10.50     0.2500  2.250  17.50  0.6500  0.5000",
        "all      photo-fill      4    37.50      10.50     0.2500  2.250  17.50  0.6500  0.5000",
    ]


def test_no_two_columns_have_one_name():
    assert len(set(HEADINGS.values())) == len(HEADINGS) == 7


def test_lpips_is_no_column_where_there_is_none_and_a_dash_where_some_lack_it():
    without = [replace(figures, lpips=None) for figures in (A, B, C)]
    assert report(*without).lines()[1].endswith("SSIM")
    some = report(A, without[1], C).lines()
    assert some[2].endswith("  -")  # of band 0
    assert some[4].endswith("0.8000")
    assert some[-1].endswith("  -")


@pytest.mark.parametrize("who", ["runs/" + "very-" * 20 + "long/model.safetensors", "\n" * 40])
def test_nothing_is_wider_than_100_columns_and_a_long_name_keeps_its_end(who: str):
    wide = Figures(hole_l1=100.0, hole_psnr=100.0, hole_ssim=-0.9, l1=100.0, psnr=100.0, ssim=0.9, lpips=1.1)
    for figures in ((A, B, C), (wide, wide, wide)):
        long = Report("word " * 100, report(*figures, who=who).rows)
        assert max(map(len, long.lines())) <= 100
        if "safetensors" in who:
            assert "  ...model.safetensors  " in long.lines()[-1]


def test_the_document_holds_everything_in_full():
    document = json.loads(json.dumps(report(A, B, C).as_json()))
    assert (document["schema"], document["task"], document["protocol"]) == (1, "inpaint", "4 holes in 2 pictures")
    assert [row["name"] for row in document["rows"]] == ["mean", "photo-fill"]
    row = document["rows"][1]
    assert row["mean"] == {
        "hole_l1": 37.5,
        "hole_psnr": 10.5,
        "hole_ssim": 0.25,
        "l1": 2.25,
        "psnr": 17.5,
        "ssim": pytest.approx(0.65),
        "lpips": 0.5,
    }
    assert [(band["band"], band["area"], band["holes"]) for band in row["bands"]] == [
        (0, [0.01, 0.1], 2),
        (5, [0.5, 0.6], 1),
        (None, None, 1),
    ]
    assert row["bands"][1]["mean"] == asdict(C)
    assert row["pictures"][1] == {"name": "b\n", "mask": "band-0/b\n", "band": 0, "area": 0.07} | asdict(B)
