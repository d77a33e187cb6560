"""nlpcli and a plain torch loop in one process, for `train.py`: `PYTHONSAFEPATH=1 python benchmarks/train_own.py JOB.json`.

`plain` is what somebody writes in an afternoon: `nn.Transformer` or `nn.LSTM`, `F.cross_entropy`, fused AdamW, on
batches made beforehand (so reading costs it nothing). `nlpcli` is `Trainer.run()` as `nlpcli train` listens to it.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parent))  # behind the standard library, whose tokenize must be found first

from train_peers import BETAS, CLIP, DROPOUT, FF, HEADS, LAYERS, NEVER, PAD, SMOOTHING, Clock, D, Done, precise

SIZES: dict[str, dict[str, Any]] = {
    "transformer": {"d_model": D, "d_ff": FF, "num_heads": HEADS, "encoder_layers": LAYERS, "decoder_layers": LAYERS}
    | {"attention_dropout": DROPOUT, "ff_dropout": DROPOUT},  # where nn.Transformer and the others have it
    "attention": {"cell": "lstm", "d_model": D, "d_embed": D, "num_layers": 1, "attention": "general"},
}
HELD_OUT = 20  # batches


class PlainTransformer(nn.Module):
    """nn.Transformer with sinusoidal positions, normalising before each sublayer as nlpcli does."""

    def __init__(self, src_size: int, tgt_size: int) -> None:
        super().__init__()
        self.src, self.tgt = (nn.Embedding(size, D, PAD) for size in (src_size, tgt_size))
        self.body = nn.Transformer(D, HEADS, LAYERS, LAYERS, FF, DROPOUT, batch_first=True, norm_first=True)
        self.output = nn.Linear(D, tgt_size)
        self.output.weight = self.tgt.weight
        nn.init.normal_(self.tgt.weight, std=D**-0.5)
        nn.init.normal_(self.src.weight, std=D**-0.5)
        self.dropout = nn.Dropout(DROPOUT)
        angles = torch.arange(512)[:, None] * torch.exp(torch.arange(0, D, 2) * (-math.log(1e4) / D))
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], -1).flatten(1))

    def read(self, table: nn.Embedding, ids: Tensor) -> Tensor:
        return self.dropout(table(ids) * math.sqrt(D) + self.positions[: ids.size(1)])

    def forward(self, src: Tensor, lengths: Tensor, tgt: Tensor) -> Tensor:
        order = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
        padding = torch.zeros(src.shape).masked_fill(src.eq(PAD), -math.inf)
        hidden = {"src_key_padding_mask": padding, "memory_key_padding_mask": padding}
        x, y = self.read(self.src, src), self.read(self.tgt, tgt)
        return self.output(self.body(x, y, tgt_mask=order, tgt_is_causal=True, **hidden))


class PlainAttention(nn.Module):
    """nn.LSTM in both directions, nn.LSTM, Luong's general attention over all target positions at once."""

    def __init__(self, src_size: int, tgt_size: int) -> None:
        super().__init__()
        self.src, self.tgt = (nn.Embedding(size, D, PAD) for size in (src_size, tgt_size))
        self.encoder = nn.LSTM(D, D // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(D, D, batch_first=True)
        self.key, self.readout = nn.Linear(D, D, bias=False), nn.Linear(2 * D, D)
        self.output = nn.Linear(D, tgt_size)
        self.output.weight = self.tgt.weight
        nn.init.normal_(self.tgt.weight, std=D**-0.5)
        nn.init.normal_(self.src.weight, std=D**-0.5)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, src: Tensor, lengths: Tensor, tgt: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.dropout(self.src(src)), lengths, batch_first=True, enforce_sorted=False)
        packed, last = self.encoder(packed)
        values, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        first = tuple(state.transpose(0, 1).flatten(1)[None] for state in last)
        out, _ = self.decoder(self.dropout(self.tgt(tgt)), first)
        scores = (out @ self.key(values).transpose(1, 2)).masked_fill(src.eq(PAD)[:, None], -math.inf)
        context = scores.softmax(-1).to(values.dtype) @ values
        return self.output(torch.tanh(self.readout(torch.cat([self.dropout(out), context], -1))))


PLAIN = {"transformer": PlainTransformer, "attention": PlainAttention}


def plain_model(job: dict[str, Any]) -> nn.Module:
    torch.manual_seed(job["seed"])
    return PLAIN[job["architecture"]](job["sizes"]["src"], job["sizes"]["tgt"]).train()


def plain_loss(model: nn.Module, batch: Any, smoothing: float) -> Tensor:
    """Return the loss summed over real targets; `batch` is (src, lengths, tgt_in, tgt_out)."""
    src, lengths, tgt_in, tgt_out = batch[:4]
    logits = model(src, lengths, tgt_in).float()
    options: Any = {"ignore_index": PAD, "label_smoothing": smoothing, "reduction": "sum"}
    return F.cross_entropy(logits.flatten(0, 1), tgt_out.flatten(), **options)


def plain(job: dict[str, Any], clock: Clock) -> None:
    """Train the plain model; the clock ends it."""
    model = plain_model(job)
    optimizer = torch.optim.AdamW(model.parameters(), lr=job["learning_rate"], betas=BETAS, fused=True)
    clock.watch()
    for batch in torch.load(Path(job["work"]) / "batches.pt"):
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
            first = [batches.load(rows) for rows in batches.epoch(0)[: job["warmup"] + job["steps"]]]
            names = ("src", "lengths", "tgt_in", "tgt_out")
            torch.save([dict(zip(names, batch[:4])) for batch in first], work / "batches.pt")
    return {"src": dataset.src, "tgt": dataset.tgt, "pairs": len(batches.rows)} | {
        "sizes": {"src": len(words[dataset.src]), "tgt": len(words[dataset.tgt])}
    }


def main() -> None:
    from importlib.metadata import version

    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if job["mode"] == "profile":
        from train_profile import profile_training

        print(json.dumps(profile_training(job, make_trainer)))
        return
    if job["mode"] != "speed":
        print(json.dumps({"prepare": prepare, "loss": loss_after, "evaluation": evaluation}[job["mode"]](job)))
        return
    clock = Clock(job["warmup"], job["steps"])
    with contextlib.suppress(Done):
        {"nlpcli": nlpcli, "plain": plain}[job["tool"]](job, clock)
    print(json.dumps({**clock.result(), "versions": {"torch": version("torch")}}))


if __name__ == "__main__":
    main()
