"""Keys of the older form of a scenario, and what to write now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from der_gym.core.errors import InputError

_EPISODE = ("n_block", "n_block_after", "starts_h", "seasons")
_COSTS = (
    "retail_day_yen_kwh",
    "retail_night_yen_kwh",
    "maker_fee_yen_month",
    "wear_yen_kwh",
    "start_yen",
    "message_yen",
)
_DEFAULT = "tertiary-1"


def now_called(key: str, product: str = _DEFAULT) -> str | None:
    """Return the present name of a dotted key of the older form; None where the key is not of that form.

    Parameters
    ----------
    key : str
        Dotted key.
    product : str
        What the older form's ``market.product`` says, the name of a service.

    Examples
    --------
    >>> now_called("market.award_kw"), now_called("market.rules.wear_yen_kwh"), now_called("market.n_block")
    ('services.tertiary-1.award_kw', 'costs.wear_yen_kwh', 'episode.n_block')
    """
    if key == "fleet.metering_point":
        return "services.ID.metering"
    if key == "market" or not key.startswith("market."):
        return None
    rest = key.removeprefix("market.")
    if rest == "product":
        return "services: [{name: ...}]"
    if rest.split(".")[0] in _EPISODE:
        return f"episode.{rest}"
    if rest.startswith("plan"):
        return rest
    rest = rest.removeprefix("rules.").removeprefix("rules")
    return f"costs.{rest}" if rest in _COSTS else f"services.{product}.{rest}".rstrip(".")


def refuse_old_form(data: Mapping[str, Any]) -> None:
    """Raise InputError for a ``market`` section, with one line that says what to write now."""
    if "market" not in data:
        return
    market = data["market"] if isinstance(data["market"], Mapping) else {}
    product = str(market.get("product", _DEFAULT))
    first = next((key for key in market if key != "product"), "product")
    inner = market.get(first)
    if first == "rules" and isinstance(inner, Mapping) and inner:
        first = f"rules.{next(iter(inner))}"
    new = now_called(f"market.{first}", product)
    raise InputError(
        f"market.{first}: this section is now 'services' (a list of services with their rules and awards), 'episode' "
        f"(n_block, starts_h ...), 'plan' and 'costs'; write {new}"
    )
