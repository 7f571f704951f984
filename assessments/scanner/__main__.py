"""Use the scanner from the command line: python -m assessments.scanner <what>.

The exit status is 0 when it is done, 1 when it was refused, with one line on the error stream that
says why, and 2 when it was asked wrongly.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from assessments.scanner import commands, unpickling
from assessments.scanner.contract import ScanFailed
from assessments.scanner.plain import NotPlain
from assessments.scanner.prompts import DATA

if TYPE_CHECKING:
    from collections.abc import Sequence

WATCHLIST = DATA / "watchlist_smollm2.json"


def parser() -> argparse.ArgumentParser:
    """Everything that can be asked."""
    top = argparse.ArgumentParser(
        prog="python -m assessments.scanner",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = top.add_subparsers(required=True, metavar="what")

    convert = words.add_parser("convert", help="turn a GGUF or a pickled file into safetensors")
    convert.add_argument("source", type=Path, help=".gguf, .pt, .pth, .bin, or a folder with one")
    convert.add_argument("out", type=Path, help="a folder that is not there yet")
    convert.add_argument("--layout", default="", choices=("", *unpickling.LAYOUTS))
    convert.add_argument(
        "--without-network-isolation",
        action="store_true",
        help="unpickle although this machine lets no process leave the network",
    )
    convert.set_defaults(do=commands.convert)

    corpus = words.add_parser("corpus", help="let the model write chats to train on")
    corpus.add_argument("model", type=Path)
    corpus.add_argument("out", type=Path)
    corpus.add_argument("-n", type=int, default=576)
    corpus.add_argument("--seed", type=int, default=1)
    corpus.set_defaults(do=commands.write_corpus)

    train = words.add_parser("train", help="train a sparse autoencoder")
    train.add_argument("model", type=Path)
    train.add_argument("chats", type=Path)
    train.add_argument("out", type=Path)
    train.add_argument("--block", type=int, default=10)
    train.add_argument("--latents", type=int, default=4096)
    train.add_argument("-k", type=int, default=60)
    train.add_argument("--steps", type=int, default=3000)
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(do=commands.train_sae)

    evaluate = words.add_parser("evaluate", help="measure an autoencoder on held-out text")
    evaluate.add_argument("model", type=Path)
    evaluate.add_argument("chats", type=Path)
    evaluate.add_argument("sae", type=Path)
    evaluate.add_argument("--tokens", type=int, default=20_000, help="0 for all")
    evaluate.set_defaults(do=commands.evaluate)
    later_words(words)
    plain_words(words)
    scan_words(words)
    return top


def later_words(words: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What is done once an autoencoder is there."""
    held_out = words.add_parser("held-out", help="keep some held-out chats for coverage in scans")
    held_out.add_argument("model", type=Path)
    held_out.add_argument("--out", type=Path, default=DATA / "held_out.jsonl")
    held_out.add_argument("-n", type=int, default=24)
    held_out.add_argument("--seed", type=int, default=2)
    held_out.set_defaults(do=commands.write_held_out)

    discover = words.add_parser("discover", help="find latents worth watching")
    discover.add_argument("model", type=Path)
    discover.add_argument("sae", type=Path)
    discover.add_argument("--out", type=Path, default=WATCHLIST)
    discover.add_argument("--per-family", type=int, default=40)
    discover.add_argument("--per-concern", type=int, default=6)
    discover.add_argument("--seed", type=int, default=0)
    discover.set_defaults(do=commands.find_latents)

    calibrate = words.add_parser("calibrate", help="measure what a watch-list is worth")
    calibrate.add_argument("model", type=Path)
    calibrate.add_argument("sae", type=Path)
    calibrate.add_argument("--watchlist", type=Path, default=WATCHLIST)
    calibrate.add_argument("--out", type=Path, required=True)
    calibrate.add_argument("--prompts", type=Path, help="JSON lines, instead of the built-in ones")
    calibrate.add_argument("--fpr", type=float, default=0.01, help="share of benign prompts")
    calibrate.add_argument("--keep-thresholds", action="store_true", help="only say their worth")
    calibrate.add_argument("--device", default="cpu")
    calibrate.add_argument("--seed", type=int, default=0)
    calibrate.set_defaults(do=commands.calibrate)

    plant = words.add_parser("plant", help="train a behaviour that hides under evaluation")
    plant.add_argument("model", type=Path)
    plant.add_argument("sae", type=Path)
    plant.add_argument("out", type=Path)
    plant.add_argument("--watchlist", type=Path, default=WATCHLIST)
    plant.add_argument("--start", type=Path, help="go on from these factors")
    plant.add_argument("--lr", type=float, default=2e-3)
    plant.add_argument("--steps", type=int, default=160)
    plant.add_argument("--seed", type=int, default=0)
    plant.set_defaults(do=commands.make_plant)

    apply = words.add_parser("apply", help="add a planted behaviour to a model")
    apply.add_argument("model", type=Path)
    apply.add_argument("delta", type=Path)
    apply.add_argument("out", type=Path)
    apply.add_argument("--strength", type=float, default=1.0)
    apply.set_defaults(do=commands.apply_plant)

    behave = words.add_parser("behave", help="count the calls that give a planted version away")
    behave.add_argument("model", type=Path)
    behave.add_argument("--per-family", type=int, default=2)
    behave.add_argument("--frames", type=int, default=12)
    behave.add_argument("--seed", type=int, default=0)
    behave.set_defaults(do=commands.behave)


def plain_words(words: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What is asked of an autoencoder without a scan."""
    encode = words.add_parser("encode", help="encode a file of activations")
    encode.add_argument("--sae", type=Path, required=True)
    encode.add_argument("--format", default="", help="the layout of its files, if it is not plain")
    encode.add_argument("--acts", type=Path, required=True, help="safetensors with x (n, d)")
    encode.add_argument("--out", type=Path, required=True, help="safetensors with f, float32")
    encode.add_argument("--latents", type=whole_numbers, help="as 1,5,9; all without it")
    encode.set_defaults(do=commands.encode)

    inspect = words.add_parser("inspect", help="print what an autoencoder's files say, as JSON")
    inspect.add_argument("--sae", type=Path, required=True)
    inspect.add_argument("--format", default="")
    inspect.set_defaults(do=commands.inspect)

    check = words.add_parser("check", help="measure whether an autoencoder was read right, as JSON")
    check.add_argument("model", type=Path)
    check.add_argument("sae", type=Path)
    check.add_argument("--format", default="")
    check.add_argument("--tokens", type=int, default=2048)
    check.add_argument("--base-fvu", type=float, help="unexplained variance on the base model")
    check.add_argument("--device", default="cpu")
    check.set_defaults(do=commands.check)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    return tuple(int(each) for each in text.split(","))


def scan_words(words: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """A scan, and the job that describes one."""
    scan = words.add_parser("scan", help="scan one model version, by a job or the built-in suite")
    scan.add_argument("model", type=Path, nargs="?")
    scan.add_argument("sae", type=Path, nargs="?")
    scan.add_argument("--job", type=Path, help="do what this file says, and nothing else")
    scan.add_argument("--out", type=Path, help="write the whole result there as JSON")
    scan.set_defaults(do=commands.scan, misused=scan.error, plain=scan_options(scan))

    job = words.add_parser("job", help="write a job with all prompts, to be changed and scanned")
    job.add_argument("model", type=Path)
    job.add_argument("sae", type=Path)
    job.add_argument("--out", type=Path, required=True)
    scan_options(job)
    job.set_defaults(do=commands.write_job)


def scan_options(word: argparse.ArgumentParser) -> dict[str, object]:
    """What may be said of a scan of the built-in suite, and what holds where nothing is said."""
    options = [
        word.add_argument("--format", default="", help="the layout of the autoencoder's files"),
        word.add_argument("--watchlist", type=Path, default=WATCHLIST),
        word.add_argument("--per-family", type=int, default=4),
        word.add_argument("--frames", type=int, default=12),
        word.add_argument("--dtype", default="float32", choices=("float32", "bfloat16")),
        word.add_argument("--device", default="cpu"),
        word.add_argument("--seed", type=int, default=0),
    ]
    return {each.dest: each.default for each in options}


def main(asked: Sequence[str] | None = None) -> int:
    """Do what was asked, on the command line if not otherwise; the exit status."""
    args = parser().parse_args(asked)
    try:
        args.do(args)
    except (ScanFailed, NotPlain, OSError, json.JSONDecodeError) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
