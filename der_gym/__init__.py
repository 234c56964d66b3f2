"""der_gym: dispatch a group of distributed energy resources into a balancing market.

``import der_gym`` registers ``DERGroup-v0`` with Gymnasium; nothing heavy is loaded before an environment is made.
"""

from der_gym.starting import end_while_starting as _end_while_starting

_end_while_starting()  # before the first import that takes a moment

import gymnasium as _gymnasium  # noqa: E402

__version__ = "0.1.0"

_gymnasium.register(
    id="DERGroup-v0",
    entry_point="der_gym.env.single:DERGroupEnv",
    vector_entry_point="der_gym.env.vector:DERGroupVectorEnv",
    order_enforce=True,
)
