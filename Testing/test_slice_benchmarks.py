"""What the benchmarks of thick slices measure, on made volumes whose answer is known."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from benchmarks import lesions as planting
from benchmarks.lesions import APART, KINDS, Lesion, measure_block, measure_kept, place_lesions, plant
from benchmarks.processes import MIB
from benchmarks.slices import Costs, format_costs, measure_costs
from benchmarks.spots import DIAMETERS, SEEN, SpotFinder, count_apart, fill_ball, measure_cnr
from benchmarks.structures import find_structure, find_ventricles
from benchmarks.thick_slices import PROFILES, Block, cut_block, make_fine, make_noise, measure_slices
from benchmarks.timing import Timings
from made_volumes import affine_of
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import THROUGH_PLANE
from metasrgan.volumes.volume import Volume
from scipy import ndimage


def make_block(shape: tuple[int, int, int] = (60, 60, 60)) -> Block:
    """Tissue of 100 with noise of 5 everywhere."""
    array = 100 + make_noise(shape, 5, (1,))
    return Block("T1", array, np.ones(shape, bool))


@pytest.mark.parametrize("diameter", DIAMETERS)
def test_a_ball_fills_its_volume_wherever_it_lies_between_voxels(diameter: int) -> None:
    for centre in ((10.0, 10.0, 10.0), (10.3, 9.6, 10.5)):
        where, share = fill_ball(centre, diameter)
        assert share.sum() == pytest.approx(np.pi / 6 * diameter**3, rel=0.06)
        filled = np.zeros((24, 24, 24))
        filled[where] = share
        np.testing.assert_allclose(ndimage.center_of_mass(filled), centre, atol=0.05)


def test_the_contrast_to_noise_is_what_was_planted_over_the_noise_and_fluid_around_does_not_count() -> None:
    block = make_block()
    added = plant(block.array, [Lesion(np.array([30.2, 29.7, 30.4]), 6, 0.2)])
    found = measure_cnr(block.array + added, block.tissue, (30.2, 29.7, 30.4), 6)
    # The surface's voxels are filled in part.
    assert 0.6 * 4 < found < 4.3
    tissue, wet = block.tissue.copy(), block.array + added
    tissue[34:], wet[36:] = False, 1000
    assert measure_cnr(wet, tissue, (30.2, 29.7, 30.4), 6) == pytest.approx(found, rel=0.15)


def test_lesions_are_of_all_kinds_well_apart_and_inside_tissue() -> None:
    block = make_block((96, 96, 96))
    block.tissue[:20] = False
    found = place_lesions(block, np.random.default_rng(0))
    assert len(found) % len(KINDS) == 0 < len(found)
    counts = dict.fromkeys(KINDS, 0)
    for lesion in found:
        counts[lesion.diameter, abs(lesion.contrast), int(np.sign(lesion.contrast))] += 1
    assert len(set(counts.values())) == 1
    for first, second in combinations(found, 2):
        assert np.linalg.norm(first.centre - second.centre) >= APART
    assert all(lesion.centre[0] > 21 for lesion in found)


def test_all_of_a_lesions_contrast_is_kept_where_it_is_left_and_half_where_half_of_it_is() -> None:
    block = make_block()
    lesion = Lesion(np.array([30.2, 29.7, 30.4]), 4, -0.3)
    added = plant(block.array, [lesion])
    assert added.min() == pytest.approx(-30, rel=0.1)
    assert measure_kept(added, added, lesion) == pytest.approx(1)
    assert measure_kept(added / 2, added, lesion) == pytest.approx(0.5)
    assert measure_kept(np.zeros_like(added), added, lesion) == 0


def test_a_spot_map_says_what_a_ball_at_a_known_place_does() -> None:
    block = make_block((40, 44, 36))
    block.tissue[:, :12] = False
    maps = SpotFinder(block.tissue).map_cnr(block.array)
    for diameter in DIAMETERS:
        expected = measure_cnr(block.array, block.tissue, (20, 18, 17), diameter)
        assert maps[diameter][0][20, 18, 17] == pytest.approx(expected, rel=0.01, abs=0.01)


def test_a_spot_in_one_volume_only_is_invented_by_it_and_lost_by_the_other() -> None:
    block = make_block((40, 44, 36))
    finder = SpotFinder(block.tissue)
    spotted = block.array + plant(block.array, [Lesion(np.array([20.0, 18.0, 17.0]), 4, 0.6)])
    plain, with_spot = finder.map_cnr(block.array), finder.map_cnr(spotted)
    found = finder.find(with_spot)[4, 1]
    assert found[20, 18, 17]
    assert with_spot[4][0][20, 18, 17] > 2 * SEEN
    assert finder.compare(with_spot, with_spot)[1:] == (0, 0)
    assert finder.compare(with_spot, plain)[1:] == (1, 1)
    marks = np.zeros((9, 9, 9), bool)
    marks[1, 1, 1] = marks[1, 1, 3] = marks[7, 7, 7] = True
    assert count_apart([marks]) == 2


@pytest.mark.parametrize("profile", PROFILES)
def test_slices_made_fine_again_lie_on_the_truth_voxel_for_voxel(profile: str) -> None:
    lines = np.ogrid[:12, :14, :30]
    waves = (np.cos(line / 9 + shift) for line, shift in zip(lines, (0.1, 0.5, 0.9)))
    array = np.asarray(sum(waves), np.float32)
    for spacing in (3, 5):
        slices = measure_slices(array, spacing, profile)
        assert slices.shape == (12, 14, 30 // spacing)
        fine = make_fine(slices, spacing, "bspline")
        assert fine.shape == array.shape
        inner = (slice(None), slice(None), slice(6, -6))
        assert np.abs(fine - array)[inner].max() < 0.06


def test_a_block_is_the_middle_of_the_brain_with_slices_last_whatever_the_axes_order() -> None:
    array = np.zeros((50, 60, 70), np.float32)
    array[5:45, 10:50, 10:60] = 100
    array[23:27, 28:32, 30:40] = 10
    block = cut_block("T1", Volume(array, affine_of((1, 1, 1), "RSA")), (30, 40, 24))
    # The array's axes are R, S and A, the block's R, A and S.
    assert block.array.shape == (30, 40, 24)
    assert (block.array == array.transpose(0, 2, 1)[10:40, 15:55, 18:42]).mean() > 0.9
    assert block.tissue.mean() > 0.9
    assert not block.tissue[block.array == 10].any()


@pytest.mark.parametrize(("name", "fluid"), [("T1", 20.0), ("T2", 220.0)])
def test_the_size_of_ventricles_is_that_of_the_fluid_amid_tissue(name: str, fluid: float) -> None:
    array = np.full((80, 80, 60), 100, np.float32)
    lines = np.ogrid[:80, :80, :60]
    squares = (((line - 0.5 * size) / radius) ** 2 for line, size, radius in zip(lines, (80, 80, 60), (9, 24, 9)))
    depth = np.asarray(sum(squares))
    array[depth < 1] = fluid
    found = find_ventricles(Block(name, array, depth >= 1))
    assert found is not None
    assert found.size == found.measure(array) == (depth < 1).sum()
    smaller = np.where(depth < 0.8, fluid, 100).astype(np.float32)
    assert found.measure(smaller) == (depth < 0.8).sum()
    inside = find_structure(array, found.threshold, found.bright, depth < 0.5)
    assert 0 < inside.size <= found.size
    assert find_ventricles(Block(name, np.full((80, 80, 60), 100, np.float32), depth >= 0)) is None


def test_a_block_is_measured_and_every_table_has_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planting, "SPACINGS", (3,))
    block = make_block((26, 28, 30))
    findings, spots, sizes = measure_block(block, 1, load_model(THROUGH_PLANE), lambda text: None)
    assert {each.profile for each in findings} == set(PROFILES)
    assert len(spots) == 2 * len(PROFILES)
    assert sizes == []
    for format_ in (planting.format_lost, planting.format_seen, planting.format_kept):
        assert format_(findings).markdown().count("\n| ") > len(PROFILES)
    assert planting.format_spots(spots).markdown().count("T1, 3 mm, ") == len(PROFILES)
    size = planting.Size("T1", 3, "box", 1000, {"bspline": 950, "net": 1040})
    assert "| T1, 3 mm, box | 1.0 | -5.0 % | +4.0 % | **no** |" in planting.format_sizes([size]).markdown()


def test_scans_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METASRGAN_DATA", str(tmp_path))
    planting.main([])
    assert capsys.readouterr().out.count(f"not in {tmp_path}; METASRGAN_DATA names the folder that has it.") == 2


def test_costs_become_a_table_and_too_much_memory_is_said() -> None:
    ways = ("net, 2 passes", "net, 1 pass", "B-spline")
    whole, work = Timings({way: [8.0, 6.0] for way in ways}), Timings({way: [4.0, 2.0] for way in ways})
    costs = Costs(whole, work, {ways[0]: 3000 * MIB, ways[1]: 100 * MIB, ways[2]: 50 * MIB}, 16 * MIB)
    table = format_costs(costs).markdown()
    assert "| net, 2 passes | 7.0 | 3.0 | 1.0× | 3,000 | **no** |" in table
    assert "| B-spline | 7.0 | 3.0 | 1.0× | 50 | yes |" in table


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
def test_costs_are_measured_in_processes_of_their_own() -> None:
    costs = measure_costs(None, 1, (16, 20, 6))
    assert min(costs.growth.values()) > 0
    assert costs.whole.of("B-spline") > costs.work.of("B-spline") > 0
    assert costs.ends == 2 * 6 * 16 * 20 * 6
