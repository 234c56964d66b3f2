"""A fleet by its mix: shares of class, path and maker cloud become a resource table, without any randomness."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from der_gym.core.errors import InputError
from der_gym.fleet.labels import Ints, Labels, addresses, constant, labels, mix64
from der_gym.fleet.resources import ResourceTable, assemble, attribute_of

_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MixRow(BaseModel):
    """One part of a fleet: devices of a class that hang on one path and maker cloud.

    ``class`` and ``maker_cloud``, the resource table's words, may stand for ``device`` and ``cloud``.
    """

    model_config = _STRICT

    device: str = Field(description="device class")
    path: str = Field(description="path of commands and telemetry")
    cloud: str = Field(default="A", description="maker cloud")
    share: float = Field(ge=0.0, description="weight; the shares need not add up to 1")
    leaf: str = Field(default="", description="control leaf; empty: device-path-cloud")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        twice = [name for name in data if attribute_of(name) != name and attribute_of(name) in data]
        if twice:
            raise ValueError(f"{twice[0]!r} and {attribute_of(twice[0])!r} are one column; allowed: one of them")
        return {attribute_of(name): value for name, value in data.items()}

    @property
    def name(self) -> str:
        """The beginning of the ids of its devices."""
        return f"{self.device}-{self.path}-{self.cloud}"


class FleetConfig(BaseModel):
    """A fleet by its mix.

    Every [A] below is an assumption with a range to sweep. Where a site has several devices they are one class's
    each: a guest shares a host's home, no two guests of one class share one home.
    """

    model_config = _STRICT

    n_device: int = Field(ge=1, le=10_000_000, description="devices of the fleet")
    mix: tuple[MixRow, ...] = Field(min_length=1, description="parts of the fleet")
    host: str | None = Field(default=None, description="class whose sites take in guests; none: by the classes' traits")
    guests: tuple[str, ...] | None = Field(
        default=None, description="classes that may live at a host's site; none: by their traits"
    )
    colocated_share: float = Field(
        default=0.3, ge=0.0, le=1.0, description="share of the guests that live at a host's site [A], sweep 0..0.8"
    )
    area: str = Field(default="tokyo", description="area of the system operator")
    n_feeder: int = Field(default=1, ge=1, le=10_000, description="feeders over which the sites are spread")
    retailer: str = Field(default="retailer-1", description="operator of the sites' balancing groups")
    market_list: str = Field(default="list-1", description="list in which all are registered")
    placing_seed: int = Field(default=0, ge=0, lt=2**32, description="which guest lives where, which site hangs where")

    @model_validator(mode="before")
    @classmethod
    def _no_metering_point(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "metering_point" in data:
            value = data["metering_point"]
            raise ValueError(f"metering_point is no setting of the fleet any more; write services.ID.metering: {value}")
        return data

    @model_validator(mode="after")
    def _rows_differ(self) -> FleetConfig:
        names = [row.name for row in self.mix]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"mix: {twice[0]} stands twice; one row for each class, path and maker cloud")
        if not sum(row.share for row in self.mix) > 0.0:
            raise ValueError("mix: the shares add up to 0; at least one must be above 0")
        return self


def apportion(weights: Sequence[float], n: int) -> Ints:
    """Return whole numbers (k,) that add up to ``n``, by largest remainder; equal remainders in order.

    Parameters
    ----------
    weights : sequence of float
        k of them, >= 0, with a sum > 0.
    n : int
        >= 0.

    >>> apportion([0.7, 0.2, 0.1], 11).tolist()
    [8, 2, 1]
    """
    quota = np.asarray(weights, dtype=np.float64) * (n / float(np.sum(weights)))
    counts = np.floor(quota).astype(np.int64)
    missing = n - int(counts.sum())
    counts[np.argsort(counts - quota, kind="stable")[:missing]] += 1
    return counts


def leaf_counts(config: FleetConfig) -> Ints:
    """Return the devices of each mix row (k,): 0 only where the share is 0.

    Raises
    ------
    InputError
        Where there are fewer devices than rows with a share.
    """
    share = np.array([row.share for row in config.mix])
    if config.n_device < np.count_nonzero(share):
        raise InputError(
            f"n_device: {config.n_device}; allowed: at least {np.count_nonzero(share)}, one for each row of the mix"
        )
    counts = apportion(share.tolist(), config.n_device)
    for k in np.flatnonzero((counts == 0) & (share > 0.0)):
        counts[np.argmax(counts)] -= 1
        counts[k] = 1
    return counts


def sample_table(config: FleetConfig, hosts: Sequence[str] = (), guests: Sequence[str] = ()) -> ResourceTable:
    """Return the table of a fleet: rows in the order of the mix, ids such as ``CLASS-P3-A-000017``.

    A device's id does not depend on ``n_device``, on the other rows of the mix or on its leaf's name. The same config
    gives the same table on every machine.

    Parameters
    ----------
    config : FleetConfig
    hosts, guests : sequence of str
        Classes whose sites take in others, and that may live there, where ``config`` does not say.

    Raises
    ------
    InputError
        Where there are fewer devices than rows with a share.
    """
    counts = leaf_counts(config)
    n = config.n_device
    ids = np.concatenate([_ids(row.name, count) for row, count in zip(config.mix, counts.tolist(), strict=True)])
    row_of = np.repeat(np.arange(len(counts)), counts)
    texts = {name: _by_row(config, name, row_of) for name in ("device", "path", "cloud", "leaf")}
    places = hosts if config.host is None else (config.host,), guests if config.guests is None else config.guests
    texts["site"] = _sites(config, ids, texts["device"], *places)
    texts["feeder"] = _feeders(config, texts["site"])
    texts |= {name: constant(getattr(config, name), n) for name in ("area", "market_list")}
    texts |= {name: constant(config.retailer, n) for name in ("demand_bg", "generation_bg")}
    return assemble(ids, texts, {})


def _ids(name: str, count: int) -> NDArray[np.bytes_]:
    start = f"{name}-".encode()
    return np.array([start + b"%06d" % k for k in range(count)], dtype=np.bytes_)


def _by_row(config: FleetConfig, column: str, row_of: Ints) -> Labels:
    texts = [getattr(row, column) for row in config.mix]
    names = list(dict.fromkeys(texts))
    place = np.array([names.index(text) for text in texts])
    return labels(names, place.astype(np.min_scalar_type(len(names)))[row_of])


def _sites(
    config: FleetConfig, ids: NDArray[np.bytes_], device: Labels, host: Sequence[str], guests: Sequence[str]
) -> Labels:
    """Return each device's site, named by the id of its first device: a host, or a guest that lives alone."""
    home = np.arange(len(ids), dtype=np.uint32)
    hosts = _rows_of(device, host)
    for guest in guests:
        rows = _scattered(ids, _rows_of(device, (guest,)), f"{config.placing_seed} guests {guest}")
        homes = _scattered(ids, hosts, f"{config.placing_seed} homes {guest}")
        count = min(round(config.colocated_share * len(rows)), len(homes))
        home[rows[:count]] = homes[:count]
    founders = np.flatnonzero(home == np.arange(len(ids)))
    place = np.empty(len(ids), np.uint32)
    place[founders] = np.arange(len(founders), dtype=np.uint32)
    return Labels(ids[founders], place[home])


def _feeders(config: FleetConfig, site: Labels) -> Labels:
    names = [f"feeder-{k + 1:04d}" for k in range(config.n_feeder)]
    feeder = (_hash(site.names, f"{config.placing_seed} feeders") % np.uint64(config.n_feeder)).astype(np.uint32)
    return labels(names, feeder[site.codes])


def _rows_of(device: Labels, names: Sequence[str]) -> Ints:
    return np.flatnonzero(np.isin(device.codes, device.codes_of(list(names))))


def _scattered(ids: NDArray[np.bytes_], rows: Ints, purpose: str) -> Ints:
    """Return rows in an order that looks random and depends on their ids and the purpose alone."""
    return rows[np.argsort(_hash(ids[rows], purpose), kind="stable")]


def _hash(names: NDArray[np.bytes_], purpose: str) -> NDArray[np.uint64]:
    """Return 64 well-mixed bits (n,) for each name and a purpose, from both CRC-32."""
    return mix64(addresses(names).astype(np.uint64) | np.uint64(zlib.crc32(purpose.encode()) << 32))
