"""What an author declares of a device class.

Names, traits, settings, rows, registers; and functions of numbers, each under a decorator that says in which kernel it
is called. ``devices/forms.py`` says what such functions may name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from der_gym.core.errors import InputError, unknown
from der_gym.engine.schema import Table
from der_gym.engine.stage import Stage
from der_gym.engine.tables import SITE

F = TypeVar("F", bound=Callable[..., Any])
Role = Literal["", "charge", "discharge", "start", "wear", "withheld", "import", "export", "stored", "deferred"]
Command = Literal["swing", "cap", "on_off"]


class DeviceConfig(BaseModel):
    """Base of a class's settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Traits:
    """What other layers may ask of a class, in place of its name.

    Attributes
    ----------
    store : bool
        It can give back to the home what it took from the grid.
    continuous : bool
        Its power can be set to any value; else it is switched.
    heat : bool
        It stores heat.
    mobile : bool
        It is not always there.
    standby_in_award : bool
        Its own schedule in awarded blocks is to stand by.
    host : bool
        Its site takes in devices of other classes.
    guest : bool
        It may stand at the site of a host.
    switched_on : tuple of str
        Channels by which it can only be started and stopped.
    opt_out_share : float
        Chance per three hours that an owner takes no commands, where the settings say nothing.
    colour : str
        Of its lines on pages: black, blue, orange, green, red, purple, brown, grey.
    hue : int
        Of its parts in the picture of a fleet, degrees.
    """

    store: bool = False
    continuous: bool = False
    heat: bool = False
    mobile: bool = False
    standby_in_award: bool = False
    host: bool = False
    guest: bool = False
    switched_on: tuple[str, ...] = ()
    opt_out_share: float = 0.0
    colour: str = "purple"
    hue: int = 318

    def __new__(cls, **given: Any) -> Traits:
        """Refuse a trait that there is none of; InputError names the nearest one."""
        for name in given:
            if name not in cls.__dataclass_fields__:
                raise unknown("trait", name, cls.__dataclass_fields__)
        return super().__new__(cls)

    @property
    def on_off(self) -> bool:
        """Return whether it can only be switched."""
        return not self.continuous


# Roles of registers that the fleet's ledger books, in its order; from the second to the fifth: the owner's bill.
BOOKED = ("withheld", "import", "export", "stored", "deferred", "wear", "start")


@dataclass(frozen=True)
class Register:
    """A float64 sum over an episode.

    Attributes
    ----------
    unit, meaning : str
    title : tuple of str
        For tables and pages, English and Japanese.
    price : str
        Setting that says what one unit costs; '' where it costs nothing.
    harm : bool
        Whether people lose by it: then the reward counts it at its price.
    role : str
        What it is to the ledger: ``charge`` and ``discharge`` energy from and to the home, kWh; ``start``; ``wear``
        use beyond that of its own schedule; ``withheld`` energy that its own schedule, standby where it stands by,
        would have drawn more, kWh. Of the owner's bill, all against the own schedule: ``import`` and ``export`` what
        the home draws and feeds more, ``stored`` what it need not buy later, ``deferred`` what a command puts off, kWh.
        '' none.
    row : str
        Row that is entered each tick, where it has another name.
    scale : float or str
        Factor on the row: a number, or a float64 value that a function called once for a world returns.
    shown : bool
        Whether scoreboards show it although nobody loses by it.
    by_home : bool
        It is judged home by home: a float64 row of its own, which functions add to.
    """

    unit: str
    meaning: str
    title: tuple[str, str]
    price: str = ""
    harm: bool = False
    role: Role = ""
    row: str = ""
    scale: float | str = 1.0
    shown: bool = False
    by_home: bool = False


@dataclass(frozen=True)
class Kernels:
    """The compiled loops of a class; None where it needs none. See ``docs/architecture.md`` for their arguments."""

    draw: Callable[..., None] | None = None
    begin: Callable[..., None] | None = None
    redraw: Callable[..., None] | None = None
    advance: Callable[..., None] | None = None
    capability: Callable[..., None] | None = None
    save: Callable[..., None] | None = None
    owner: Callable[..., None] | None = None


KERNELS: tuple[str, ...] = tuple(f.name for f in fields(Kernels))


def rows(name: str, text: str = "") -> Table:
    """Return the table of a class's own rows, one a line: ``name | unit | meaning``.

    Parameters
    ----------
    name : str
        Of the table: the class and the array, ``"NAME.state"``.
    text : str
        Lines; none for an empty table.
    """
    lines = [line.split("|", 1) for line in text.strip().splitlines()]
    full = "\n".join(f"{first} | {rest.split('|', 1)[0]} | truth | {rest.split('|', 1)[1]}" for first, rest in lines)
    return Table(name, "one entry for each device of the class", full)


@dataclass(eq=False)
class Declaration:
    """What an author declares of a device class.

    Attributes
    ----------
    name, english, japanese : str
    echonet : int
        Class code of ECHONET Lite, 0 where there is none.
    stage : int
        1; 2 where it reads its site's net power after the classes of stage 1.
    command : str
        What a fraction asks for: ``swing`` a part of the rated swing, ``cap`` a limit on what it draws, ``on_off``.
    traits : Traits
    config : type of DeviceConfig
    layout : Layout
        From the settings to ``cfg``.
    params, state : Table
        float32 rows: drawn once; changed every tick.
    energy : Table
        float64 rows: stored energy, and registers that are judged home by home.
    meters : mapping of str to Register
        All registers; those that only add up stand in `registers`, and those of them that are booked in `booked`.
    saved : Table
        Normalised rows that carry a state from the reference days to another device.
    strata : tuple of str
        Params, and rows of `SITE`, that govern what it draws and holds without commands, the strongest first. A large
        fleet's devices take over the state of one that is alike in them.
    owner : OwnerTerms, optional
        Owners of the class who may answer offers, see `owners.terms`; with a function under `owner_asks`.
    """

    name: str
    english: str
    japanese: str
    echonet: int
    stage: int
    command: Command
    traits: Traits
    config: type[DeviceConfig]
    layout: Any
    params: Table
    state: Table
    energy: Table
    meters: Mapping[str, Register]
    saved: Table = field(default_factory=lambda: rows("none.saved"))
    strata: tuple[str, ...] = ()
    owner: Any = None

    def __post_init__(self) -> None:
        self._stages: dict[str, list[Stage]] = {name: [] for name in KERNELS}
        self._by_hand: dict[str, Callable[..., None]] = {}
        self._response: Callable[..., Any] | None = None
        sums = [f"{name} | {r.unit} | {r.meaning}" for name, r in self.meters.items() if not r.by_home]
        self.registers = rows(f"{self.name}.registers", "\n".join(sums))
        self.booked = tuple(name for name in self.registers if self.meters[name].role in BOOKED)
        for name in self.strata:
            if name not in self.params and name not in SITE:
                raise unknown(f"{self.name}: strata", name, [*self.params, *SITE])
        for name, register in self.meters.items():
            if register.by_home and name not in self.energy:
                raise unknown(f"{self.name}: register by home", name, self.energy)

    # --- what an author writes

    def draw(self, function: F | None = None) -> Any:
        """Add a function that draws what devices are, from the fleet's key."""
        return self._add("draw", function)

    def begin(self, function: F | None = None) -> Any:
        """Add a function that sets the state at the start of an episode."""
        return self._add("begin", function)

    def redraw(self, function: F | None = None, *, every_s: int = 0, at_s: int = 0, writes: str = "") -> Any:
        """Add a function that draws luck; it is called before `begin` too.

        Parameters
        ----------
        function : callable, optional
            None: a decorator is returned.
        every_s, at_s : int
            Period, and second of the day of a call, s; 0: every 300 s.
        writes : str
            Names of rows, where the function loops over whole rows itself.
        """
        return self._add("redraw", function, every_s=every_s, at_s=at_s, writes=writes)

    def tick(self, function: F | None = None, *, when: str = "") -> Any:
        """Add a function that advances a device by one tick.

        Parameters
        ----------
        function : callable, optional
            None: a decorator is returned.
        when : str
            Row; the function is left out where no device's entry is above 0. '': it is always called.
        """
        return self._add("advance", function, when=when)

    def capability(self, function: F | None = None) -> Any:
        """Add a function of what a device could give."""
        return self._add("capability", function)

    def save(self, function: F | None = None) -> Any:
        """Add a function of what is kept for other devices' start."""
        return self._add("save", function)

    def owner_asks(self, function: F | None = None) -> Any:
        """Add a function of what an owner asks for a kWh now, and of the comfort at stake; see `owners.terms.ASKED`."""
        return self._add("owner", function)

    def once(self, *kernels: str) -> Callable[[F], F]:
        """Add a function that is called once for a world, with values, in the named kernels."""

        def take(function: F) -> F:
            for kernel in kernels:
                function = self._add("advance" if kernel == "tick" else kernel, function, once=True)
            return function

        return take

    def response(self, function: F) -> F:
        """Set the function of a device's seconds from a command's arrival to full upward response."""
        self._response = function
        return function

    def by_hand(self, **kernels: Callable[..., None]) -> None:
        """Set kernels that do not fit the form, ``advance=...``."""
        for name, kernel in kernels.items():
            if name not in KERNELS:
                raise unknown(f"{self.name}: kernel", name, KERNELS)
            self._by_hand[name] = kernel

    def _add(self, kernel: str, function: Any, **how: Any) -> Any:
        if function is None:
            return lambda given: self._add(kernel, given, **how)
        if kernel not in KERNELS:
            raise unknown(f"{self.name}: kernel", kernel, (*KERNELS, "tick"))
        stage = Stage(function, **how)
        for other in self.stages():
            if (other.name, other.module) == (stage.name, stage.module) and other.plain is not stage.plain:
                raise InputError(f"{stage.label}: two functions of {self.name} have this name")
        self._stages[kernel].append(stage)
        self.__dict__.pop("kernels", None)  # they are written anew
        return stage.call

    # --- what the engine asks

    def stages(self, kernel: str = "") -> Iterator[Stage]:
        """Yield the functions of one kernel, or of all."""
        for name in [kernel] if kernel else KERNELS:
            yield from self._stages[name]

    def constants(self, config: Any) -> Any:
        """Return the settings as the float32 vector ``cfg`` that the kernels read."""
        return self.layout.vector(config)

    def role(self, role: Role) -> list[str]:
        """Return the registers that are ``role`` to a service."""
        return [name for name, register in self.meters.items() if register.role == role]

    @property
    def harm(self) -> dict[str, str]:
        """Return the registers by which people lose -> the setting of their price."""
        return {name: register.price for name, register in self.meters.items() if register.harm}
