"""der_gym: dispatch a group of distributed energy resources into a balancing market.

``import der_gym`` registers ``DERGroup-v0`` with Gymnasium; nothing heavy is loaded before an environment is made.
"""

import gymnasium as _gymnasium

__version__ = "0.1.0"

_gymnasium.register(
    id="DERGroup-v0",
    entry_point="der_gym.env.single:DERGroupEnv",
    vector_entry_point="der_gym.env.vector:DERGroupVectorEnv",
    order_enforce=True,
)
