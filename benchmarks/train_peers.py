"""One contender of `train.py` in one process: other tools' own training loops, measured by one clock.

    PYTHONSAFEPATH=1 PYTHON benchmarks/train_peers.py JOB.json

PYTHON is the interpreter that has the tool; nothing of nlpcli is imported here. JOB is what `train.py` wrote. The clock
is a hook behind every torch optimiser: the end of each step, and with it the real target tokens of the step's batch, as
the tool itself counts them (all of them count the end mark and no padding). It ends the process's training after the last
measured step. Where a tool's own option differs from nlpcli's default, the comment says why.
"""

from __future__ import annotations

import contextlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from train_clock import Clock, Done, counted

DROPOUT, SMOOTHING, BETAS, CLIP = 0.1, 0.1, (0.9, 0.98), 1.0
D, FF, HEADS, LAYERS = 256, 1024, 4, 3
NEVER = 10**6  # steps between validations, reports and checkpoints
POOL = 32_768  # rows that OpenNMT-py and Eole sort by length at a time: read before the first step, enough for 200
PAD, BOS, EOS = 0, 2, 3  # in the batches for transformers


def precise(job: dict[str, Any]) -> Any:
    """Return autocast to bfloat16 on the CPU, or none."""
    import torch

    return torch.autocast("cpu", torch.bfloat16, enabled=job["precision"] == "bf16")


def transformers(job: dict[str, Any], clock: Clock) -> None:
    """MarianMTModel in a plain loop over nlpcli's batches, made beforehand. It normalises after each sublayer."""
    import torch
    import torch.nn.functional as F
    from transformers import MarianConfig, MarianMTModel

    both = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", LAYERS), ("ffn_dim", FF), ("attention_heads", HEADS))
    }
    model = MarianMTModel(
        MarianConfig(
            vocab_size=job["sizes"]["src"],
            decoder_vocab_size=job["sizes"]["tgt"],
            share_encoder_decoder_embeddings=False,
            tie_word_embeddings=True,
            d_model=D,
            activation_function="relu",
            dropout=DROPOUT,
            attention_dropout=DROPOUT,
            activation_dropout=DROPOUT,
            scale_embedding=True,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            forced_eos_token_id=EOS,
            decoder_start_token_id=BOS,
            use_cache=False,
            **both,
        )
    ).train()
    learnt = [p for p in model.parameters() if p.requires_grad]  # not the sinusoids
    optimizer = torch.optim.AdamW(learnt, lr=job["learning_rate"], betas=BETAS, fused=True)
    for batch in torch.load(Path(job["work"]) / "batches.pt", weights_only=True):
        src, tgt_in, tgt_out = batch["src"], batch["tgt_in"], batch["tgt_out"]
        with precise(job):
            logits = model(
                input_ids=src,
                attention_mask=src.ne(PAD).long(),
                decoder_input_ids=tgt_in,
                decoder_attention_mask=tgt_out.ne(PAD).long(),
            ).logits
        loss = F.cross_entropy(
            logits.float().flatten(0, 1), tgt_out.flatten(), ignore_index=PAD, label_smoothing=SMOOTHING, reduction="sum"
        )
        tokens = int(tgt_out.ne(PAD).sum())
        (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        clock.count(tokens)
        optimizer.step()
        optimizer.zero_grad()


def joeynmt(job: dict[str, Any], clock: Clock) -> None:
    """JoeyNMT: fp32 only on a CPU; batches by tokens are not sorted by length, so much of them is padding."""
    from joeynmt.training import TrainManager, train

    work, run = Path(job["work"]), Path(job["run"])
    embeddings = {"embedding_dim": D, "scale": job["architecture"] == "transformer", "dropout": DROPOUT}
    if job["architecture"] == "transformer":
        one = {"type": "transformer", "num_layers": LAYERS, "num_heads": HEADS, "hidden_size": D, "ff_size": FF}
        encoder = decoder = {**one, "dropout": DROPOUT, "layer_norm": "pre", "embeddings": embeddings}
    else:
        one = {"type": "recurrent", "rnn_type": "lstm", "num_layers": 1, "dropout": DROPOUT, "embeddings": embeddings}
        encoder = {**one, "hidden_size": D // 2, "bidirectional": True}
        steps = {"attention": "luong", "init_hidden": "last", "input_feeding": False, "hidden_dropout": DROPOUT}
        decoder = {**one, "hidden_size": D, **steps}
    sides = {
        side: {"lang": job[side], "level": "word", "voc_file": str(work / f"vocab.{job[side]}")} for side in ("src", "tgt")
    }
    config = {
        "name": "bench",
        "model_dir": str(run),
        "use_cuda": False,
        "random_seed": job["seed"],
        "data": {"train": str(work / "train"), "dev": str(work / "valid"), "dataset_type": "plain"}
        | {"src": sides["src"], "trg": sides["tgt"]},
        "testing": {"beam_size": 1, "eval_metrics": ["bleu"]},
        "training": {
            "optimizer": "adamw",
            "adam_betas": list(BETAS),
            "learning_rate": job["learning_rate"],
            "scheduling": "warmupinversesquareroot",  # its plateau fails on torch of today, and one it must have
            "learning_rate_warmup": 200,
            "learning_rate_min": 0.0,
            "batch_type": "token",
            "batch_size": job["batch_tokens"],
            "normalization": "tokens",
            "label_smoothing": SMOOTHING,
            "clip_grad_norm": CLIP,
            "epochs": NEVER,
            "validation_freq": NEVER,
            "logging_freq": NEVER,
        },
        "model": {"encoder": encoder, "decoder": decoder, "tied_softmax": True, "tied_embeddings": False},
    }
    counted(clock, TrainManager, "_train_step", lambda _, arguments: int(arguments[1].ntokens))
    train(0, 0, config, skip_test=True)


def opennmt(job: dict[str, Any], clock: Clock) -> None:
    """OpenNMT-py 3: fp32 on a CPU; Adam, as it has no AdamW of torch's; batches made in the same process."""
    import torch
    from onmt.bin.train import _get_parser, train
    from onmt.utils.loss import LossCompute

    model: dict[str, Any] = {"hidden_size": D, "word_vec_size": D, "share_decoder_embeddings": True}
    if job["architecture"] == "transformer":
        both = {"encoder_type": "transformer", "decoder_type": "transformer", "enc_layers": LAYERS, "dec_layers": LAYERS}
        model |= {**both, "heads": HEADS, "transformer_ff": FF, "attention_dropout": [DROPOUT], "position_encoding": True}
        model |= {"add_qkvbias": True, "add_ffnbias": True, "param_init_glorot": True, "param_init": 0.0}
    else:
        both = {"encoder_type": "brnn", "decoder_type": "rnn", "rnn_type": "LSTM", "enc_layers": 1, "dec_layers": 1}
        model |= {**both, "global_attention": "general", "input_feed": 0}
    config = {
        **pieces(job),
        **model,
        **schedule(job),
        "save_model": str(Path(job["run"]) / "model"),
        "seed": job["seed"],
        "optim": "adam",
        "decay_method": "none",
        "model_dtype": "fp32",
        "report_every": NEVER,
    }
    path = Path(job["run"]) / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    counted(clock, LossCompute, "forward", lambda returned, _: int(returned[1].n_words))
    options, _ = _get_parser().parse_known_args(["-config", str(path)])
    torch.manual_seed(job["seed"])
    train(options)


def eole(job: dict[str, Any], clock: Clock) -> None:
    """Eole: AdamW; its statistics of attention entropy are off, as no other tool has them; batches in the same process."""
    from eole.config.run import TrainConfig
    from eole.train_single import main
    from eole.utils.loss import LossCompute

    model: dict[str, Any] = {"hidden_size": D, "share_decoder_embeddings": True, "embeddings": {"word_vec_size": D}}
    if job["architecture"] == "transformer":
        model |= {"architecture": "transformer", "layers": LAYERS, "heads": HEADS, "transformer_ff": FF}
        model |= {"add_qkvbias": True, "add_ffnbias": True}
        model["embeddings"] |= {"position_encoding": True, "position_encoding_type": "SinusoidalInterleaved"}
    else:
        one = {"rnn_type": "LSTM", "layers": 1, "hidden_size": D}
        model |= {"architecture": "custom", "input_feed": 0, "encoder": {"encoder_type": "brnn", **one}}
        model["decoder"] = {"decoder_type": "rnn", **one, "global_attention": "general", "bidirectional_encoder": True}
    training = {
        **schedule(job),
        "world_size": 0,
        "gpu_ranks": [],
        "attention_dropout": [DROPOUT],
        "optim": "adamw",
        "decay_method": "none",
        "param_init_method": "xavier_uniform",
        "log_attention_entropy": False,
        "compute_dtype": {"32": "fp32"}.get(job["precision"], job["precision"]),
        "model_path": str(Path(job["run"]) / "model"),
    }
    config = TrainConfig(**pieces(job), seed=job["seed"], report_every=NEVER, model=model, training=training)
    config._validate_vocab_config()
    counted(clock, LossCompute, "forward", lambda returned, _: int(returned[1].n_tokens))
    main(config, device_id=-1)


def pieces(job: dict[str, Any]) -> dict[str, Any]:
    """Return where the text is, in the words that OpenNMT-py and Eole share."""
    work, sides = Path(job["work"]), (("src", job["src"]), ("tgt", job["tgt"]))
    files = {split: {f"path_{side}": str(work / f"{split}.{lang}") for side, lang in sides} for split in ("train", "valid")}
    vocabularies = {f"{side}_vocab": str(work / f"vocab.{lang}") for side, lang in sides}
    sizes = {f"{side}_vocab_size": job["sizes"][side] for side, _ in sides}
    return {"data": {name: {**paths, "transforms": []} for name, paths in files.items()}, **vocabularies, **sizes}


def schedule(job: dict[str, Any]) -> dict[str, Any]:
    """Return batches and optimisation, in the words that OpenNMT-py and Eole share."""
    return {
        "batch_type": "tokens",
        "batch_size": job["batch_tokens"],
        "normalization": "tokens",
        "bucket_size": POOL,
        "num_workers": 0,
        "learning_rate": job["learning_rate"],
        "adam_beta1": BETAS[0],
        "adam_beta2": BETAS[1],
        "max_grad_norm": CLIP,
        "label_smoothing": SMOOTHING,
        "dropout": [DROPOUT],
        "train_steps": NEVER,
        "valid_steps": NEVER,
        "save_checkpoint_steps": NEVER,
    }


TOOLS = {"transformers": transformers, "joeynmt": joeynmt, "opennmt": opennmt, "eole": eole}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    clock = Clock(job["warmup"], job["steps"])
    clock.watch()
    with contextlib.suppress(Done):
        TOOLS[job["tool"]](job, clock)
    package = {"opennmt": "OpenNMT-py"}.get(job["tool"], job["tool"])
    versions = {name: version(name) for name in ("torch", package)}
    print(json.dumps({**clock.result(), "versions": versions}))


if __name__ == "__main__":
    main()
