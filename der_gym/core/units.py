"""Units and signs, stated once.

Power: ``power_kw`` is positive when drawn from the grid. Response: ``response_kw = plan_kw - power_kw``, positive =
upward regulation (the grid is relieved). A message's fraction ``a`` follows the response: +1 asks for the whole
upward swing, -1 for the whole downward one, 0 leaves the device on its own schedule. Energy in kWh, heat in kWh_th,
time in seconds from the start of the episode, money in yen, state of charge in 0..1.
"""

HOUR_S = 3600
DAY_S = 86_400
BLOCK_S = 1800  # the settlement block of the Japanese market, 30 minutes
REFRESH_S = 300  # period at which slow values are redrawn and measured: household noise, presence, availability
SLOT_PER_DAY = DAY_S // BLOCK_S

LITRE_K_KWH = 1.163e-3  # kWh_th to heat one litre of water by one kelvin
