"""The commands and their options. What a command needs is imported when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import der_gym
from der_gym.core.errors import DerGymError
from der_gym.core.interrupt import exit_code
from der_gym.core.text import one_line


class _Commands(TyperGroup):
    """Tells errors in one line."""

    def make_context(self, *given: Any, **more: Any) -> Any:
        with _told():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        with _told():
            return super().invoke(ctx)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DerGymError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt as error:
        _stop("interrupted; files written so far are whole", exit_code(error))
    except OSError as error:
        _stop(f"{error.filename or 'a file'}: {error.strerror or error}", 1)


def _stop(message: str, code: int) -> None:
    print(f"der-gym: {one_line(message)}", file=sys.stderr, flush=True)
    raise SystemExit(code) from None


app = typer.Typer(
    cls=_Commands,
    help="Dispatch groups of distributed energy resources into a balancing market.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class What(StrEnum):
    """What ``list`` can show."""

    scenarios = "scenarios"
    controllers = "controllers"
    devices = "devices"
    paths = "paths"
    services = "services"
    fields = "fields"
    columns = "columns"
    heads = "heads"


class Sign(StrEnum):
    """What a positive number in a request file means."""

    upward_positive = "upward_positive"
    upward_negative = "upward_negative"


Name = Annotated[str, typer.Argument(metavar="SCENARIO", help="A shipped scenario or a YAML file.")]
Scenario = Annotated[str, typer.Option("--scenario", help="A shipped scenario or a YAML file.")]
Controller = Annotated[str, typer.Option("--controller", help="A controller, NAME@FILE (settings) or policy:PATH.")]
Controllers = Annotated[str, typer.Option("--controller", help="Those with commas between; all: the rules.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: fleet.n_device=200. Repeatable."),
]
Split = Annotated[str, typer.Option("--split", help="Dates and seeds: test, validation or train.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the results into this folder.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write one HTML page with charts.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier run in that folder.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Threads; the result does not depend on it.")]
Service = Annotated[
    str | None,
    typer.Option("--service", metavar="ID", help="Of several services the one to tell of. Default: the first."),
]
Fleet = Annotated[Path | None, typer.Option("--fleet", metavar="CSV", help="Your own resource table.")]
Prices = Annotated[Path | None, typer.Option("--prices", metavar="CSV", help="JEPX spot prices.")]
Demand = Annotated[Path | None, typer.Option("--demand", metavar="CSV", help="Demand and PV of the area, 5 minutes.")]
Weather = Annotated[Path | None, typer.Option("--weather", metavar="CSV", help="JMA hourly weather.")]
Area = Annotated[str | None, typer.Option("--area", help="Price area of those files.")]
Station = Annotated[str | None, typer.Option("--station", help="Weather station of those files.")]
Start = Annotated[str | None, typer.Option("--start", metavar="YYYY-MM-DD", help="Date of the episodes.")]
Request = Annotated[Path | None, typer.Option("--request", metavar="CSV", help="Your own request, kW.")]
RequestSign = Annotated[Sign | None, typer.Option("--request-sign", help="What its sign means.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(der_gym.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Dispatch groups of distributed energy resources into a balancing market."""


@app.command()
def run(
    scenario: Name,
    controller: Controller = "closed_loop",
    seed: Annotated[int, typer.Option(min=0, help="Luck of the world.")] = 0,
    fleet: Fleet = None,
    prices: Prices = None,
    demand: Demand = None,
    weather: Weather = None,
    area: Area = None,
    station: Station = None,
    start: Start = None,
    start_h: Annotated[int | None, typer.Option("--start-h", min=0, max=23, help="Hour at which it starts.")] = None,
    request: Request = None,
    request_sign: RequestSign = None,
    settings: Settings = None,
    out: Out = None,
    overwrite: Overwrite = False,
    report: Report = None,
    service: Service = None,
    workers: Workers = None,
) -> None:
    """Play one episode and show its ledger, its service and why blocks failed."""
    from der_gym.cli import play
    from der_gym.cli.given import Given, refuse_without

    refuse_without("overwrite", overwrite, out=out)
    files = Given(fleet, prices, demand, weather, area, station, start, request, request_sign)
    play.run(files.load(scenario, settings), controller, seed, start_h, out, overwrite, report, workers, service)


@app.command()
def evaluate(
    context: typer.Context,
    scenario: Scenario = "tertiary-1",
    controller: Controllers = "all",
    seeds: Annotated[int, typer.Option(min=1, help="How many of the split's seeds.")] = 16,
    out: Out = None,
    overwrite: Overwrite = False,
    split: Split = "test",
    variation: Annotated[
        str | None, typer.Option(help="Owners at one end of their ranges: owners-low or owners-high. Default: neither.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Controller that the others are compared with. Default: closed_loop.")
    ] = None,
    fleet: Fleet = None,
    prices: Prices = None,
    demand: Demand = None,
    weather: Weather = None,
    area: Area = None,
    station: Station = None,
    start: Start = None,
    request: Request = None,
    request_sign: RequestSign = None,
    settings: Settings = None,
    traces: Annotated[bool, typer.Option(help="Whether to write every minute as well.")] = True,
    report: Report = None,
    firm: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Show the curves of der-gym firm --out DIR in the report.")
    ] = None,
    service: Service = None,
    workers: Workers = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", help="Go on with the comparison that was stopped in this folder."),
    ] = None,
    bound: Annotated[
        int,
        typer.Option(min=0, help="Replays of each seed that search the oracle, e.g. 60; the bound beside it. 0: none."),
    ] = 0,
) -> None:
    """Compare controllers on the same worlds."""
    from der_gym.cli import compare
    from der_gym.cli.given import Given, refuse_without

    pages = compare.Pages(report, firm)
    if resume is not None:
        told = {key for key in context.params if _is_named(context, key)}
        compare.resume(resume, told - {"resume", "report", "firm", "workers"}, pages, workers)
        return
    refuse_without("traces", _is_named(context, "traces"), out=out)
    refuse_without("overwrite", overwrite, out=out)
    refuse_without("firm", firm is not None, report=report, out=out)
    files = Given(fleet, prices, demand, weather, area, station, start, request, request_sign)
    loaded = compare.loaded(files, scenario, settings, variation)
    asked = compare.Asked(loaded, controller, seeds, split, base, traces, service, bound)
    compare.evaluate(asked, out, overwrite, pages, workers)


def _is_named(context: typer.Context, key: str) -> bool:
    """Return whether an option stands on the command line."""
    return str(context.get_parameter_source(key)).endswith("COMMANDLINE")


@app.command()
def firm(
    context: typer.Context,
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="A shipped scenario or a YAML file.")
    ] = None,
    controller: Controllers = "closed_loop",
    season: Annotated[list[str] | None, typer.Option(help="mid, summer or winter; repeatable. Default: all.")] = None,
    start_h: Annotated[
        list[int] | None, typer.Option("--start-h", help="Start hour; repeatable. Default: all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Episodes per season, start and award.")] = 8,
    level: Annotated[list[float] | None, typer.Option(help="Share of blocks that pass. Default: .9 .95 .99.")] = None,
    budget: Annotated[
        int | None, typer.Option(help="Awards played per controller and window at most. Default: 16.")
    ] = None,
    out: Out = None,
    overwrite: Overwrite = False,
    report: Report = None,
    split: Split = "test",
    fleet: Fleet = None,
    prices: Prices = None,
    demand: Demand = None,
    weather: Weather = None,
    area: Area = None,
    station: Station = None,
    start: Start = None,
    settings: Settings = None,
    workers: Workers = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", help="Go on with the search that was stopped in this folder."),
    ] = None,
) -> None:
    """Show what the group has by season and hour, and the largest award that a controller can keep."""
    from der_gym.cli import firm
    from der_gym.cli.given import Given, refuse_without

    if resume is not None:
        told = {key for key in context.params if _is_named(context, key)}
        firm.resume(resume, told - {"resume", "report", "workers"}, report, workers)
        return
    if scenario is None:
        context.fail("Missing argument 'SCENARIO'.")
    refuse_without("overwrite", overwrite, out=out)
    loaded = Given(fleet, prices, demand, weather, area, station, start).load(scenario, settings)
    chosen: dict[str, Any] = {"seasons": season, "starts": start_h, "levels": level, "budget": budget}
    firm.firm(firm.Asked(loaded, controller, chosen, seeds, split), out, overwrite, report, workers)


@app.command()
def tune(
    context: typer.Context,
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="A shipped scenario or a YAML file.")
    ] = None,
    controller: Controller = "closed_loop",
    trials: Annotated[
        int, typer.Option(min=1, help="Settings to try; the first are the shipped ones, or FILE's.")
    ] = 24,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of each trial.")] = 24,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the best settings (YAML).")] = None,
    ship: Annotated[bool, typer.Option("--ship", help="Write them where der_gym takes its own from.")] = False,
    fleet: Fleet = None,
    prices: Prices = None,
    demand: Demand = None,
    weather: Weather = None,
    area: Area = None,
    station: Station = None,
    start: Start = None,
    settings: Settings = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew where an unfinished search stands beside that file.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="FILE", help="Go on with the search that was stopped before it wrote FILE."),
    ] = None,
) -> None:
    """Search a rule's settings on the training dates and seeds."""
    from der_gym.cli import tune
    from der_gym.cli.given import Given, refuse_without

    if resume is not None:
        tune.resume(resume, {key for key in context.params if _is_named(context, key)} - {"resume"})
        return
    if scenario is None:
        context.fail("Missing argument 'SCENARIO'.")
    refuse_without("overwrite", overwrite, out=out, ship=ship or None)
    loaded = Given(fleet, prices, demand, weather, area, station, start).load(scenario, settings)
    tune.tune(tune.Asked(loaded, controller, trials, seeds), out, ship, overwrite)


@app.command("supply")
def supply_(
    scenario: Name,
    prices: Annotated[str, typer.Option(help="yen/kWh, with commas between.")] = "5,10,15,20,30,45,60,90",
    seeds: Annotated[int, typer.Option(min=1, help="Worlds of the test split.")] = 8,
    minutes: Annotated[int, typer.Option(min=16, max=240, help="Length of each offer, its notice included.")] = 60,
    every_h: Annotated[int, typer.Option(min=1, max=24, help="Hours between two curves.")] = 2,
    out: Annotated[Path | None, typer.Option(metavar="CSV", help="Write the curves.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="HTML", help="Write a page that draws them.")] = None,
) -> None:
    """Show how many kW answer an offer, by price, class of device and hour."""
    from der_gym.cli import supply

    supply.run(scenario, prices, seeds, minutes, every_h, out, report)


@app.command("fairness")
def fairness_(
    scenario: Name,
    seed: Annotated[int, typer.Option(min=0, help="Of the episode.")] = 1,
    permutations: Annotated[int, typer.Option(min=1, help="That the Shapley value is sampled over.")] = 200,
    out: Annotated[Path | None, typer.Option(metavar="CSV", help="Write the shares by class and decile.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="HTML", help="Write a page that draws them.")] = None,
) -> None:
    """Show what devices contribute and what rules of payment give them, slow ones first and fast ones first."""
    from der_gym.cli import fairness

    fairness.run(scenario, seed, permutations, out, report)


@app.command("list")
def show(what: Annotated[What, typer.Argument(help="What to show.")]) -> None:
    """Show what there is: scenarios, controllers, devices, paths, services, fields, heads, columns of a fleet's CSV."""
    from der_gym.cli import listing

    listing.show(what.value)


@app.command()
def validate(file: Annotated[Path, typer.Argument(metavar="FILE", help="Scenario (YAML) or resources (CSV).")]) -> None:
    """Check a file before it runs."""
    from der_gym.cli import check

    check.validate(file)


@app.command()
def schema(out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to a file.")] = None) -> None:
    """Show every setting of a scenario as JSON schema: unit, range, default, source."""
    from der_gym.cli import listing

    listing.schema(out)


@app.command()
def cache(
    prune: Annotated[bool, typer.Option("--prune", help="Remove what is old, then what is too much.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    days: Annotated[float | None, typer.Option(min=0, help="With --prune: days without use. Default: 30.")] = None,
    gigabytes: Annotated[
        float | None, typer.Option(min=0, help="With --prune: size that may stay. Default: 2.")
    ] = None,
) -> None:
    """Show the folder of compiled kernels and reference days: place, files, size, last use."""
    from der_gym.cli import cache as keeping

    keeping.cache(prune, clear, days, gigabytes)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="One short run of each; for a first look.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the speed of the environments on this machine, beside its targets."""
    from der_gym.cli import bench

    bench.bench(quick, as_json)
