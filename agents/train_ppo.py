"""Train a policy by PPO [1]_ that corrects a rule, and leave it as ``policy.json`` and ``policy.safetensors``.

    python agents/train_ppo.py --scenario tertiary-1 --seed 0 --out results/ppo-0
    python agents/train_ppo.py --resume results/ppo-0             # goes on after a stop, to the bit
    der-gym evaluate --controller merit_order,policy:results/ppo-0

It learns on the training dates and seeds; every ``eval_every`` iterations the mean action is played on the validation
split, and the best policy so far is what the folder holds. The rule stays in force: the network moves each leaf by at
most ``scale`` of the award, so learning begins at the rule's own score.

References
----------
.. [1] Schulman et al., "Proximal policy optimization algorithms", 2017, arXiv:1707.06347; by Stable-Baselines3.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, the folder above is not on the path

from der_gym.starting import end_at_once

if __name__ == "__main__":
    end_at_once("train_ppo")  # the imports below take seconds, in which somebody may press Ctrl-C

import time
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, NoReturn

import numpy as np
import torch
import typer
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, configure

from agents import checkpoint, networks
from agents.fresh import MESSAGE_FIELDS, fresh_policy, scale_to_rule
from agents.progress import Validation, horizon, to_csv
from agents.residual_env import Corrected
from agents.script import script
from der_gym.cli import common
from der_gym.controllers import policy_file, public_info
from der_gym.controllers.policy import Policy
from der_gym.core.errors import DerGymError, InputError
from der_gym.core.files import new_folder, write_text
from der_gym.core.folders import locked
from der_gym.core.interrupt import exit_code, held_back
from der_gym.env.sb3 import DERGroupSB3VecEnv

ROOT = Path(__file__).resolve().parents[1]
Array = np.ndarray
PARTS = ("worlds", "rule", "inference", "update")  # of the time
FIRST_SEED = 10_000  # runs with different seeds meet different worlds


@dataclass(frozen=True)
class Settings:
    """What decides how a run goes; a run goes on only with the same ones."""

    scenario: str
    rule: str
    scale: float
    scale_loads: float
    frames: int
    hold: int
    message_fields: bool
    paired: bool
    seed: int
    worlds: int
    steps: int
    n_steps: int
    batch: int
    epochs: int
    learning_rate: float
    gamma: float
    gae_lambda: float
    clip: float
    entropy: float
    noise: float
    hidden: int
    eval_every: int
    eval_seeds: int
    patience: int
    start: str = ""


@dataclass
class Books:
    """What a run has found so far; part of every checkpoint."""

    iteration: int = 0
    best: float = -np.inf
    since_best: int = 0
    rule: float = 0.0
    reward_scale: float = 1.0
    rows: list[dict[str, float]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))


class Run(BaseCallback):
    """Between two iterations: books, checkpoint, evaluation, early stop.

    Parameters
    ----------
    settings : Settings
    out : Path
    env : Corrected
    books : Books
    told : callable
        Hears what is being done and the share that is done.
    """

    def __init__(self, settings: Settings, out: Path, env: Corrected, books: Books, told: common.Told) -> None:
        super().__init__()
        self.settings, self.out, self.env, self.books, self.told = settings, out, env, books, told
        self.began, self.rollout_s, self.first_step = time.perf_counter(), 0.0, 0
        self.in_between = False

    def _on_training_start(self) -> None:
        self.validation = Validation(self.settings.scenario, self.env.policy.rule, self.settings.eval_seeds)
        self.books.rule = self.validation.rule
        self.first_step = self.num_timesteps
        self.began = self.rollout_s = time.perf_counter()

    def _on_rollout_start(self) -> None:
        self.books.seconds["update"] += time.perf_counter() - self.rollout_s if self.num_timesteps else 0.0
        self.env.world_s = self.env.rule_s = 0.0
        self.rollout_s = time.perf_counter()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        spent, s = time.perf_counter() - self.rollout_s, self.books.seconds
        s["worlds"] += self.env.world_s
        s["rule"] += self.env.rule_s
        s["inference"] += spent - self.env.world_s - self.env.rule_s
        self.rollout_s = time.perf_counter()

    def between(self) -> bool:
        """Close an iteration: check, note, evaluate, keep; return whether training should go on."""
        books, settings = self.books, self.settings
        books.iteration += 1
        self._refuse_nan()
        row = self._row()
        if books.iteration % settings.eval_every == 0 or self.num_timesteps >= settings.steps:
            row |= self._evaluate()
        books.rows.append(row)
        self._log(row)
        self._tell(row)
        if "validation" in row:
            self.keep()
        return books.since_best < settings.patience

    def _refuse_nan(self) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in self.model.policy.parameters()):
            raise DerGymError(
                f"training: the network holds numbers that are not finite after {self.num_timesteps:,} steps; lower "
                f"--learning-rate; the last whole checkpoint is in {self.out}"
            )

    def _row(self) -> dict[str, float]:
        recent = [episode["r"] for episode in self.model.ep_info_buffer or []]
        noise = float(self.model.policy.log_std.detach().exp().mean())  # type: ignore[operator]
        row = {"iteration": self.books.iteration, "steps": self.num_timesteps, "noise": noise}
        return row | ({"train": float(np.mean(recent))} if recent else {})

    def _evaluate(self) -> dict[str, float]:
        """Play the mean action on the validation split; keep the policy where it is the best so far."""
        row = self.validation.row(self.policy())
        self.books.since_best += 1
        if row["validation"] > self.books.best:
            self.books.best, self.books.since_best = row["validation"], 0
            self._export(row)
        return row

    def policy(self) -> Policy:
        """Return the network as it stands as a policy."""
        fresh = self.env.policy
        return Policy(fresh.card, networks.tensors(networks.action_layers(self.model), fresh))

    def _export(self, row: dict[str, float]) -> None:
        metrics = {name: round(row[name], 4) for name in ("validation", "against_rule", "pass_rate")}
        training = asdict(self.settings) | {"iteration": self.books.iteration, "steps_taken": self.num_timesteps}
        card = self.env.policy.card.model_copy(
            update={"algorithm": "PPO (Stable-Baselines3)", "metrics": metrics, "training": training}
        )
        policy_file.save(self.out, card, networks.tensors(networks.action_layers(self.model), self.env.policy))

    def keep(self) -> None:
        """Write progress and checkpoint."""
        self.books.seconds["update"] += time.perf_counter() - self.rollout_s
        self.rollout_s = time.perf_counter()
        write_text(self.out / "progress.csv", to_csv(self.books.rows))
        checkpoint.save(self.out, self.model, self.env, asdict(self.settings), asdict(self.books))  # type: ignore[arg-type]

    def _log(self, row: dict[str, float]) -> None:
        for name, value in row.items():
            self.logger.record(f"run/{name}", value)
        self.logger.dump(self.num_timesteps)

    def _tell(self, row: dict[str, float]) -> None:
        done, most = self.num_timesteps, self.settings.steps
        left = (time.perf_counter() - self.began) / max(done - self.first_step, 1) * max(most - done, 0)
        self.told(f"{left / 60:.0f} min left", min(done / most, 1.0))
        if "validation" in row:
            print(
                f"{self.num_timesteps:>10,} steps  validation {row['validation']:.3f}  against {self.settings.rule} "
                f"{row['against_rule']:+.3f} (+-{row['against_rule_se']:.3f})  blocks {row['pass_rate']:.1%}  "
                f"best {self.books.best:.3f}  {left / 60:.0f} min left",
                flush=True,
            )


def make_env(s: Settings, workers: int | None) -> Corrected:
    """Return the worlds to learn in; their reward is scaled to returns of about 1."""
    venv = DERGroupSB3VecEnv(s.worlds * (2 if s.paired else 1), s.scenario, {"split": "train"}, workers, infos="ends")
    venv.seed(s.seed * FIRST_SEED)
    n_decision = venv.native.worlds.scenario.n_step
    if n_decision % s.hold:
        raise InputError(f"--hold {s.hold}: does not divide the {n_decision} decisions of an episode of {s.scenario}")
    if s.start:
        return Corrected(venv, *_started(venv, s), s.paired)
    without = () if s.message_fields else MESSAGE_FIELDS
    stores = public_info(venv.native.worlds).stores  # an error of theirs shows at once; of loads, minutes later
    commands = "dispatch" in venv.native.worlds.layout.action.places  # offers move by the other scale
    scale = tuple(s.scale if own and commands else s.scale_loads for own in stores)
    policy = fresh_policy(venv, s.rule, scale, (s.hidden, s.hidden), s.frames, s.hold, without)
    return Corrected(venv, policy, 1.0 / scale_to_rule(policy, venv, s.gamma), s.paired)


def _started(venv: DERGroupSB3VecEnv, s: Settings) -> tuple[Policy, float]:
    """Return the policy to begin with, bound, and the scale of the reward; its inputs stay scaled as they are."""
    policy = Policy.load(s.start)
    if policy.acts_in_box:
        raise InputError(f"--start {s.start}: corrects no rule; allowed: a policy that does")
    if policy.card.hold != s.hold:
        raise InputError(f"--hold {s.hold}: {s.start} holds a correction for {policy.card.hold}; allowed: the same")
    policy.bind(venv.native.worlds.layout, public_info(venv.native.worlds))
    mean, gain = policy.mean.copy(), policy.gain.copy()
    reward_scale = 1.0 / scale_to_rule(policy, venv, s.gamma)
    policy.mean[:], policy.gain[:] = mean, gain
    return policy, reward_scale


def make_model(s: Settings, env: Corrected, logger: Logger) -> PPO:
    """Return the learner."""
    net = {"pi": list(env.policy.card.hidden), "vf": [s.hidden, s.hidden]}
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=s.n_steps,
        batch_size=s.batch,
        n_epochs=s.epochs,
        learning_rate=lambda left: s.learning_rate * left,
        gamma=s.gamma,
        gae_lambda=s.gae_lambda,
        clip_range=s.clip,
        ent_coef=s.entropy,
        seed=s.seed,
        device="cpu",
        policy_kwargs={"net_arch": net, "log_std_init": float(np.log(s.noise)), "activation_fn": torch.nn.Tanh},
    )
    model.set_logger(logger)
    if s.start:
        networks.take(model, Policy.load(s.start))
    return model


def learn(model: PPO, run: Run) -> None:
    """Take iterations until the steps are used up or the validation score no longer rises."""
    s = run.settings
    _, callback = model._setup_learn(s.steps - model.num_timesteps, run, reset_num_timesteps=model._last_obs is None)
    callback.on_training_start(locals(), globals())
    going = True
    while going and model.num_timesteps < s.steps:
        with held_back():  # a signal waits for the end of an iteration, where a checkpoint can be written
            run.in_between = False
            model.collect_rollouts(model.env, callback, model.rollout_buffer, s.n_steps)  # type: ignore[arg-type]
            model._update_current_progress_remaining(model.num_timesteps, s.steps)
            model.train()
            going = run.between()
            run.in_between = True
    callback.on_training_end()


def train(s: Settings, out: Path, resume: bool, workers: int | None, told: common.Told) -> Books:
    """Train, or go on; return what was found."""
    torch.set_num_threads(1)  # small networks: more threads cost more than they save
    text, arrays = checkpoint.read(out) if resume else ({}, {})
    if resume:
        checkpoint.check_settings(text["settings"], asdict(s))
    env = make_env(s, workers)
    model = make_model(s, env, configure(str(out / "tensorboard"), ["tensorboard"]))
    env.seed(s.seed * FIRST_SEED)  # making the model has seeded them anew
    books = checkpoint.made(Books, text["books"]) if resume else Books(reward_scale=env.reward_scale)
    if resume:
        checkpoint.restore(text, arrays, model, env)
    run = Run(s, out, env, books, told)
    print(horizon(s.gamma, s.gae_lambda, env.policy.rule.public.decision_s, s.hold), flush=True)
    try:
        learn(model, run)
    except OSError as error:
        where = error.filename or out
        raise DerGymError(f"{where}: cannot be written: {error.strerror}; what was whole is kept in {out}") from None
    except KeyboardInterrupt as error:
        _leave(run, exit_code(error))
    return books


def _leave(run: Run, code: int) -> NoReturn:
    """End after a signal; between two iterations the run is kept as it stands, else the last checkpoint is there."""
    if run.in_between:
        with held_back():
            run.keep()
    again = f"; go on with: python agents/train_ppo.py --resume {run.out}"
    print(f"interrupted{again if (run.out / checkpoint.FILE).exists() else ''}", file=sys.stderr)
    raise SystemExit(code) from None


def show_time(books: Books) -> None:
    """Print where the time went."""
    whole = max(sum(books.seconds.values()), 1e-9)
    parts = ", ".join(f"{name} {spent / whole:.1%}" for name, spent in books.seconds.items())
    steps = books.rows[-1]["steps"] if books.rows else 0
    print(f"time: {parts} of {whole:.0f} s; {steps / whole:,.0f} steps/s")


def main(
    context: typer.Context,
    scenario: Annotated[str, typer.Option(help="A shipped scenario or a YAML file.")] = "tertiary-1",
    out: Annotated[Path | None, typer.Option(help="Folder of the run. Default: results/ppo-SCENARIO-SEED.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder, to the bit.")] = None,
    paired: Annotated[bool, typer.Option(help="Whether each world has a twin that the rule plays alone.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=99, help="Of the network, the noise and the worlds.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Corrections of all worlds together, at most.")] = 1_200_000,
    rule: Annotated[str, typer.Option(help="Controller to correct, NAME or NAME@FILE; or idle.")] = "merit_order",
    scale: Annotated[
        float, typer.Option(min=1e-3, max=2, help="Largest correction of batteries, of the award.")
    ] = 0.02,
    scale_loads: Annotated[float, typer.Option(min=1e-3, max=2, help="That of water heaters and cars.")] = 1.0,
    frames: Annotated[int, typer.Option(min=1, max=64, help="Decisions that the network sees.")] = 1,
    hold: Annotated[int, typer.Option(min=1, max=240, help="Decisions for which a correction is held.")] = 15,
    message_fields: Annotated[bool, typer.Option(help="Whether it sees what was sent and has arrived.")] = True,
    worlds: Annotated[int, typer.Option(min=1, help="Worlds played at once.")] = 64,
    n_steps: Annotated[int, typer.Option(min=1, help="Corrections of each world in an iteration.")] = 28,
    batch: Annotated[int, typer.Option(min=1, help="Corrections in a minibatch.")] = 448,
    epochs: Annotated[int, typer.Option(min=1, help="Times that an iteration's corrections are learned from.")] = 4,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's; falls to 0 along the steps.")] = 1e-3,
    gamma: Annotated[float, typer.Option(min=0, max=1, help="Discount of a correction.")] = 0.99,
    gae_lambda: Annotated[float, typer.Option(min=0, max=1, help="Of generalised advantage estimation.")] = 0.95,
    clip: Annotated[float, typer.Option(min=0, help="Largest change of a probability ratio.")] = 0.2,
    entropy: Annotated[float, typer.Option(min=0, help="Reward for noise.")] = 0.0,
    noise: Annotated[float, typer.Option(min=1e-3, help="Spread of the first corrections, of scale.")] = 0.3,
    hidden: Annotated[int, typer.Option(min=1, help="Width of both hidden layers.")] = 64,
    eval_every: Annotated[int, typer.Option(min=1, help="Iterations between two evaluations.")] = 40,
    eval_seeds: Annotated[int, typer.Option(min=1, help="Validation seeds.")] = 128,
    patience: Annotated[int, typer.Option(min=1, help="Evaluations without a new best before it stops.")] = 20,
    start: Annotated[str, typer.Option(help="Folder of a policy to begin with; its rule, reach and frames hold.")] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads of the worlds; the result is the same.")] = None,
) -> None:
    """Train a policy by PPO that corrects a rule."""
    given = locals()
    named = {key for key in given if str(context.get_parameter_source(key)).endswith("COMMANDLINE")}
    settings = Settings(**{f.name: given[f.name] for f in fields(Settings)})
    if settings.worlds * settings.n_steps % settings.batch:
        fits = [b for b in range(1, worlds * n_steps + 1) if worlds * n_steps % b == 0]
        near = ", ".join(map(str, sorted(sorted(fits, key=lambda b: abs(b - batch))[:2])))
        raise InputError(
            f"--batch {batch}: does not divide worlds x n_steps = {worlds * n_steps}; nearest that do: {near}"
        )
    if resume is not None:  # what is not named again stays as it was
        kept = checkpoint.read(resume)[0]["settings"]
        changed = {key: value for key, value in asdict(settings).items() if key in named}
        settings = checkpoint.made(Settings, {**kept, **changed})
    folder = resume or new_folder(out or ROOT / "results" / f"ppo-{Path(scenario).stem}-{seed}")
    with locked(folder), common.progress() as told:
        books = train(settings, folder, resume is not None, workers, told)
    show_time(books)
    print(f"best on validation {books.best:.3f}, {settings.rule} {books.rule:.3f}; policy in {folder}")


if __name__ == "__main__":
    script(main)
