"""nlpcli and a plain torch loop in one process, for `train.py`: `PYTHONSAFEPATH=1 python benchmarks/train_own.py JOB.json`.

`nlpcli` is `Trainer.run()` as `nlpcli train` listens to it. `plain` is the loop around `train_plain.py`, with fused AdamW and
batches made beforehand, so that reading costs it nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import torch
from torch import nn

sys.path.append(str(Path(__file__).parent))

from train_clock import Clock, Done
from train_peers import BETAS, CLIP, DROPOUT, FF, HEADS, LAYERS, NEVER, PAD, SMOOTHING, D, precise
from train_plain import PLAIN, plain_loss

SIZES: dict[str, dict[str, Any]] = {
    "transformer": {"d_model": D, "d_ff": FF, "num_heads": HEADS, "encoder_layers": LAYERS, "decoder_layers": LAYERS}
    | {"attention_dropout": DROPOUT, "ff_dropout": DROPOUT},  # where nn.Transformer and the others have it
    "attention": {"cell": "lstm", "d_model": D, "d_embed": D, "num_layers": 1, "attention": "general"},
}
HELD_OUT = 20  # batches


def plain_model(job: dict[str, Any]) -> nn.Module:
    torch.manual_seed(job["seed"])
    return PLAIN[job["architecture"]](job["sizes"]["src"], job["sizes"]["tgt"]).train()


def plain(job: dict[str, Any], clock: Clock) -> None:
    """Train the plain model; the clock ends it."""
    model = plain_model(job)
    optimizer = torch.optim.AdamW(model.parameters(), lr=job["learning_rate"], betas=BETAS, fused=True)
    clock.watch()
    for batch in torch.load(Path(job["work"]) / "batches.pt", weights_only=True):
        with precise(job):
            loss = plain_loss(model, (batch["src"], batch["lengths"], batch["tgt_in"], batch["tgt_out"]), SMOOTHING)
        tokens = int(batch["tgt_out"].ne(PAD).sum())
        clock.count(tokens)
        (loss / tokens).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()


def settings_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of nlpcli for a job: those of the comparison, then the job's own."""
    return {
        **SIZES[job["architecture"]],
        "dropout": DROPOUT,
        "label_smoothing": SMOOTHING,
        "batch_tokens": job["batch_tokens"],
        "learning_rate": job["learning_rate"],
        "adam_beta1": BETAS[0],
        "adam_beta2": BETAS[1],
        "clip_norm": CLIP,
        "weight_decay": 0.01,  # torch's default for AdamW
        "epochs": NEVER,
        "max_steps": job["warmup"] + job["steps"],
        "eval_every": NEVER,
        "seed": job["seed"],
        "precision": job["precision"],
        "device": "cpu",
        **job.get("settings", {}),
    }


def make_trainer(job: dict[str, Any]) -> tuple[Any, Any]:
    """Return nlpcli's trainer and its settings, made as `nlpcli train` makes them."""
    from nlpcli import console
    from nlpcli.devices import pick_device, pick_precision
    from nlpcli.tokenization.dataset import Dataset
    from nlpcli.training import run
    from nlpcli.training.train import resolve

    console.set_level(console.QUIET)
    dataset = Dataset.load(job["dataset"])
    resolved = resolve(job["architecture"], dataset, "small", settings_of(job), {})
    training, device = resolved.training, pick_device("cpu")
    fabric = run.make_fabric(training, device, pick_precision(training.precision, device))
    if training.devices > 1:
        fabric.launch()
    return run.make_trainer(fabric, dataset, resolved.config, resolved.model, training), resolved


def nlpcli(job: dict[str, Any], clock: Clock) -> None:
    """Run nlpcli's trainer and count what its steps say; the clock ends it before the validation at the end."""
    from nlpcli.training.loop import Step

    trainer, _ = make_trainer(job)
    for event in trainer.run():
        if isinstance(event, Step):
            clock.count(event.count)
            try:
                clock.step(trainer.model.parameters())
            except Done:
                if trainer.fabric.global_rank:
                    sys.exit(0)  # the first process prints
                raise


def evaluation(job: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds of one step, one validation, one save of the state and one of the weights; see `train.py`."""
    from nlpcli.training.loop import Evaluation, SavePoint, Step
    from nlpcli.training.report import Checkpoints

    trainer, resolved = make_trainer(
        {**job, "settings": {**job.get("settings", {}), "eval_every": job["warmup"] + job["steps"]}}
    )
    folder = Path(job["run"])
    checkpoints = Checkpoints(folder, resolved.config, [], keep=1)
    steps: list[float] = []
    for event in trainer.run():
        now = time.perf_counter()
        if isinstance(event, Step):
            steps.append(now)
        elif isinstance(event, Evaluation):
            checkpoints.best(trainer)
            found = {"validation": now - steps[-1], "weights": time.perf_counter() - now}
        elif isinstance(event, SavePoint) and event.final:
            checkpoints.save(trainer)
            found["state"] = time.perf_counter() - now  # what training waits for: a copy; a thread writes it
            checkpoints.close()
    return {**found, "step": (steps[-1] - steps[job["warmup"] - 1]) / job["steps"]}


def features(job: dict[str, Any]) -> dict[str, list[float]]:
    """Return the seconds of each step by feature: their trainers take turns, a step each, so all meet the same machine."""
    from nlpcli.training.loop import Step

    wanted = {name: {**job, "settings": {**job["settings"], **own}} for name, own in job["features"].items()}
    steps = {name: (e for e in make_trainer(each)[0].run() if isinstance(e, Step)) for name, each in wanted.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(job["warmup"] + job["steps"]):
        for name in steps if turn % 2 else reversed(steps):
            started = time.perf_counter()
            next(steps[name])
            seconds[name].append(time.perf_counter() - started)
    return {name: found[job["warmup"] :] for name, found in seconds.items()}


def loss_after(job: dict[str, Any]) -> dict[str, Any]:
    """Train on the first batches of nlpcli's order; return the losses on held-out batches, in nats a token."""
    trainer, resolved = make_trainer(job)
    started = time.perf_counter()
    if job["tool"] == "nlpcli":
        from nlpcli.training.loop import Step

        model = trainer.model
        for event in trainer.run():
            if isinstance(event, Step) and event.step == job["steps"]:
                break
    else:
        model = _train_plain(job, trainer, resolved.training)
    seconds = time.perf_counter() - started
    batches = _held_out(trainer)
    return {**_losses(job["tool"], model.eval(), batches), "training_seconds": seconds}


def _train_plain(job: dict[str, Any], trainer: Any, settings: Any) -> nn.Module:
    from nlpcli.training.optimisation import learning_rate, make_optimizer, set_learning_rate

    model = plain_model(job)
    optimizer = make_optimizer(model, settings)
    for step, batch in zip(range(job["steps"]), _batches(trainer)):
        set_learning_rate(optimizer, learning_rate(settings, step, step / job["steps"]))
        with precise(job):
            loss = plain_loss(model, batch, SMOOTHING)
        (loss / batch.count).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
    return model


def _batches(trainer: Any) -> Iterator[Any]:
    epoch = 0
    while True:
        yield from map(trainer.batches.load, trainer.batches.epoch(epoch))
        epoch += 1


def _held_out(trainer: Any) -> list[Any]:
    batches = trainer.measure.batches
    every = batches.in_order()
    return [batches.load(rows) for rows in every[:: max(1, len(every) // HELD_OUT)][:HELD_OUT]]


@torch.no_grad()
def _losses(tool: str, model: Any, batches: list[Any]) -> dict[str, float]:
    from nlpcli.models.base import Objective

    def loss(batch: Any, smoothing: float) -> float:
        return float(model(batch, Objective(smoothing)) if tool == "nlpcli" else plain_loss(model, batch, smoothing))

    tokens = sum(batch.count for batch in batches)
    both = {"smoothed": SMOOTHING, "unsmoothed": 0.0}
    found = {name: sum(loss(batch, smoothing) for batch in batches) / tokens for name, smoothing in both.items()}
    return {**found, "batches": len(batches), "tokens": tokens}


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Write what the peers read: pieces joined by blanks, vocabularies, and nlpcli's first batches as tensors."""
    from nlpcli.tokenization.batches import PairBatches
    from nlpcli.tokenization.dataset import Dataset

    dataset, work = Dataset.load(job["dataset"]), Path(job["work"])
    words = {}
    for language in dataset.languages:
        model = dataset.tokenizer.of(language)
        found = [model.id_to_piece(i) for i in range(model.vocab_size())]
        # a piece of white space other than the blank would be lost where the peers cut lines
        words[language] = [piece if piece.split() == [piece] else f"<white-{i}>" for i, piece in enumerate(found)]
        (work / f"vocab.{language}").write_text("".join(f"{w}\n" for w in words[language][4:]), encoding="utf-8")
    budget = {"batch_tokens": job["batch_tokens"], "max_length": 256, "seed": job["seed"]}
    for split in ("train", "valid"):
        src, tgt = (dataset.side(split, language) for language in dataset.languages)
        batches = PairBatches(src, tgt, **budget)
        for language, side in zip(dataset.languages, (src, tgt)):
            lines = (" ".join(words[language][i] for i in side[row]) + "\n" for row in batches.rows)
            (work / f"{split}.{language}").write_text("".join(lines), encoding="utf-8")
        if split == "train":
            wanted = job["warmup"] + job["steps"]
            epochs = (batches.epoch(number) for number in itertools.count())
            rows = itertools.islice(itertools.chain.from_iterable(epochs), wanted)
            first = [batches.load(each) for each in rows]
            names = ("src", "lengths", "tgt_in", "tgt_out")
            torch.save([dict(zip(names, batch[:4])) for batch in first], work / "batches.pt")
    sizes = {"src": len(words[dataset.src]), "tgt": len(words[dataset.tgt])}
    return {"src": dataset.src, "tgt": dataset.tgt, "pairs": len(dataset.side("train", dataset.src)), "sizes": sizes}


def main() -> None:
    from importlib.metadata import version

    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if job["mode"] == "profile":
        from train_profile import profile_training

        print(json.dumps(profile_training(job, make_trainer)))
        return
    if job["mode"] != "speed":
        modes = {"prepare": prepare, "loss": loss_after, "features": features, "evaluation": evaluation}
        print(json.dumps(modes[job["mode"]](job)))
        return
    clock = Clock(job["warmup"], job["steps"])
    with contextlib.suppress(Done):
        {"nlpcli": nlpcli, "plain": plain}[job["tool"]](job, clock)
    print(json.dumps({**clock.result(), "versions": {"torch": version("torch")}}))


if __name__ == "__main__":
    main()
