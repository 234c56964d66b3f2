"""Generated requests: bounds, floor, ramp, mean, independence of the batch; and requests from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.core.errors import InputError
from der_gym.signals.calendar import day_of
from der_gym.signals.request import RequestConfig, edc_request, load_request, simple_mean_share, simple_request
from der_gym.signals.series import ar1

N_BLOCK = 14
N_BIN = 6 * N_BLOCK


def _generators(n: int, first: int = 0) -> list[np.random.Generator]:
    return [np.random.Generator(np.random.Philox(key=first + i)) for i in range(n)]


def _residual(n: int, seed: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n * N_BIN)
    return ar1(noise, 0.62).reshape(n, N_BIN).astype(np.float32)


def _award(n: int) -> np.ndarray:
    award = np.tile(np.r_[np.full(6, 600.0), np.full(6, 900.0), 0.0, 0.0], (n, 1))
    award[:, 3] = 0.0
    return award


def _share(request: np.ndarray, award: np.ndarray) -> np.ndarray:
    on = award[0] > 0.0
    return request.reshape(len(award), N_BLOCK, 6)[:, on] / award[:, on, None]


def test_edc_stays_in_the_award_and_off_outside_it() -> None:
    award = _award(50)
    request = edc_request(_residual(50), award, RequestConfig(), _generators(50))
    assert request.shape == (50, N_BIN) and request.dtype == np.float64
    assert (request >= 0.0).all() and (request <= np.repeat(award, 6, axis=1)).all()
    assert (request[:, np.repeat(award[0], 6) == 0.0] == 0.0).all()


@pytest.mark.parametrize("bins", [0, 3, 5])
def test_edc_keeps_its_floor(bins: int) -> None:
    award = _award(200)
    config = RequestConfig(floor_bins=bins, volatility=0.6, mean_share=0.3)
    share = _share(edc_request(_residual(200), award, config, _generators(200)), award)
    above = (share > 0.2).sum(axis=2)
    assert above.min() >= bins
    assert bins == 5 or above.min() < 6


def test_edc_moves_no_faster_than_its_ramp() -> None:
    award = np.full((100, N_BLOCK), 600.0)
    share = edc_request(_residual(100), award, RequestConfig(ramp_share=0.31), _generators(100)) / 600.0
    steps = np.diff(share, axis=1, prepend=0.0)
    assert np.abs(steps).max() <= 0.31 + 1e-12
    assert np.abs(steps).max() > 0.3


@pytest.mark.parametrize("mean", [0.2, 0.3, 0.5, 0.8])
def test_edc_averages_to_its_mean(mean: float) -> None:
    award = np.full((1500, N_BLOCK), 600.0)
    request = edc_request(_residual(1500), award, RequestConfig(mean_share=mean), _generators(1500))
    assert request.mean() / 600.0 == pytest.approx(mean, abs=0.02)


def test_edc_follows_the_residual() -> None:
    award, residual = np.full((300, N_BLOCK), 600.0), _residual(300)
    for weight, low, high in [(0.0, -0.03, 0.03), (0.7, 0.5, 0.75), (1.0, 0.8, 1.0)]:
        config = RequestConfig(floor_share=0.0, residual_weight=weight, mean_share=0.4)
        request = edc_request(residual, award, config, _generators(300))
        assert low < np.corrcoef(request.ravel(), residual.ravel())[0, 1] < high


def test_edc_of_one_date_differs_between_seeds() -> None:
    award, residual = _award(2), np.repeat(_residual(1), 2, axis=0)
    first, second = edc_request(residual, award, RequestConfig(), _generators(2))
    assert (first != second).any()


@pytest.mark.parametrize("kind", ["edc", "simple"])
def test_a_world_is_the_same_wherever_it_stands(kind: str) -> None:
    def run(worlds: list[int]) -> np.ndarray:
        generators = [_generators(1, first=w)[0] for w in worlds]
        if kind == "edc":
            return edc_request(_residual(9)[worlds], _award(9)[worlds], RequestConfig(), generators)
        return simple_request(_award(9)[worlds], RequestConfig(), generators)

    together = run(list(range(9)))
    assert (run([8, 2, 5]) == together[[8, 2, 5]]).all()
    assert (run([4]) == together[[4]]).all()


def test_edc_is_the_plain_loop() -> None:
    """One world by hand: the process, its bounds and its ramp, written out; floor off."""
    config, award = RequestConfig(floor_share=0.0), np.full((1, N_BLOCK), 500.0)
    residual = _residual(1)
    luck = _generators(1)[0].standard_normal(N_BIN)
    request = edc_request(residual, award, config, _generators(1))[0]
    phi, own, share, free = np.exp(-300 / 900), luck[0], 0.0, []
    for i in range(N_BIN):
        own = own if i == 0 else phi * own + np.sqrt(1 - phi**2) * luck[i]
        z = 0.7 * float(residual[0, i]) + np.sqrt(1 - 0.7**2) * own
        before, share = share, request[i] / 500.0
        if 0.0 < share < 1.0 and abs(share - before) < 1 / 3 - 1e-9:
            free.append(share - config.volatility * z)
    assert len(free) > 20
    assert np.ptp(free) < 1e-12  # what remains is the centre, the same in every bin


def test_simple_is_one_value_a_block_with_floor_and_mean() -> None:
    award = _award(4000)
    request = simple_request(award, RequestConfig(), _generators(4000))
    blocks = request.reshape(4000, N_BLOCK, 6)
    assert (blocks == blocks[:, :, :1]).all()
    share = _share(request, award)
    assert share.min() > 0.2 and share.max() <= 1.0
    assert share.mean() == pytest.approx(simple_mean_share(RequestConfig()), abs=0.005)
    assert simple_mean_share(RequestConfig()) == pytest.approx(0.30, abs=0.01)


def test_simple_without_floor_is_zero_or_beta() -> None:
    award = np.full((4000, N_BLOCK), 1.0)
    request = simple_request(award, RequestConfig(floor_share=0.0, activation_probability=0.25), _generators(4000))
    depth = request[:, ::6]
    called = depth[depth > 0.0]
    assert called.size / depth.size == pytest.approx(0.25, abs=0.01)
    assert (called.mean(), called.var()) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.05, abs=0.002))  # Beta(2, 2)


def test_award_does_not_change_the_luck() -> None:
    low, high = _award(3), _award(3) * 2.0
    assert (
        simple_request(high, RequestConfig(), _generators(3))
        == 2.0 * simple_request(low, RequestConfig(), _generators(3))
    ).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean_share": 0.05}, "too small"),
        ({"floor_share": 0.3}, "above ramp_share"),
        ({"volatility": 0.0}, "volatility"),
        ({"floor": 0.1}, "floor"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RequestConfig(**values)


def test_wrong_shapes_and_awards_are_refused() -> None:
    with pytest.raises(InputError, match="six bins per block"):
        edc_request(_residual(2)[:, :-1], _award(2), RequestConfig(), _generators(2))
    with pytest.raises(InputError, match="one generator per world"):
        edc_request(_residual(2), _award(2), RequestConfig(), _generators(3))
    for bad in (-1.0, np.nan):
        with pytest.raises(InputError, match="at least 0"):
            simple_request(np.full((1, 2), bad), RequestConfig(), _generators(1))


def _write(folder: Path, text: str) -> Path:
    file = folder / "request.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_request_file_both_signs(tmp_path: Path) -> None:
    rows = "2026-04-01 00:00,{0}100\n2026-04-01 00:05,0\n2026-04-01 00:10,{0}250.5\n"
    up = load_request(_write(tmp_path, "datetime,request_kw\n" + rows.format("")), "upward_positive")
    assert up.request_kw.tolist() == [100.0, 0.0, 250.5]
    assert up.start_abs_s == day_of("2026-04-01") * 86_400
    down = load_request(_write(tmp_path, "datetime,delta_kw\n" + rows.format("-")), "upward_negative")
    assert down.request_kw.tolist() == up.request_kw.tolist()
    assert up.window([up.start_abs_s + 300], 2).tolist() == [[0.0, 250.5]]
    with pytest.raises(InputError, match="not in the file"):
        up.window([up.start_abs_s + 300], 3)


def test_request_file_of_half_hours_holds_each_value(tmp_path: Path) -> None:
    file = _write(tmp_path, "datetime,request_kw\n2026/4/1 0:00,10\n2026/4/1 0:30,20\n")
    assert load_request(file, "upward_positive").request_kw.tolist() == [10.0] * 6 + [20.0] * 6


@pytest.mark.parametrize(
    ("text", "sign", "message"),
    [
        ("datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01 00:05,-3\n", "upward_positive", "line 3.*'-3'.*upward"),
        ("datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01 00:05,3\n", "upward_negative", "line 2.*upward_negative"),
        ("datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01 00:05,\n", "upward_positive", "line 3.*request_kw"),
        ("datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01 00:05,many\n", "upward_positive", "'many'.*a number"),
        ("datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01 00:07,1\n", "upward_positive", "here 420 s"),
        (
            "datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01 00:05,1\n2026-04-01 00:15,1\n",
            "upward_positive",
            "line 4",
        ),
        (
            "datetime,request_kw\n2026-04-01 00:00,1\n2026-04-01T00:05+09:00,1\n",
            "upward_positive",
            "without a time zone",
        ),
        ("datetime,request\n2026-04-01 00:00,1\n", "upward_positive", "no column 'request_kw'.*nearest: 'request'"),
        ("datetime,request_kw,delta_kw\n2026-04-01 00:00,1,1\n", "upward_positive", "both"),
        ("datetime,request_kw\n2026-04-01 00:00,1\n", "upward_positive", "two or more"),
        ("datetime,request_kw\n", "up", "sign: unknown name 'up'"),
        ("", "upward_positive", "is empty"),
    ],
)
def test_bad_request_files(tmp_path: Path, text: str, sign: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_request(_write(tmp_path, text), sign)
