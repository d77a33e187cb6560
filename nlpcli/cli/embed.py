"""`nlpcli embed`: word vectors, from text to a picture of them."""

from pathlib import Path
from typing import Annotated, Any, List, Literal, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish, print_envelope

app = typer.Typer(help="Word vectors, with gensim's Word2Vec and FastText.", no_args_is_help=True, rich_markup_mode=None)

Unit = Literal["words", "pieces", "morphemes"]
Model = Literal["word2vec", "fasttext"]
Objective = Literal["skipgram", "cbow"]
Loss = Literal["negative", "hierarchical"]
Format = Literal["word2vec-text", "word2vec-binary", "fasttext-vec"]
Method = Literal["pca", "tsne"]
EmbeddingsDir = Annotated[Path, opt.option("--embeddings", help="An embedding artifact.")]
Top = Annotated[int, opt.option("--top", min=1, help="How many neighbours to show.")]


@app.command("train")
def train(
    ctx: typer.Context,
    data: Annotated[
        str, opt.option("--data", help="Text in one language: a file, a table, a folder, a name (ko-en) or an artifact.")
    ],
    out: opt.OutDir,
    lang: opt.Lang = None,
    column: opt.Column = None,
    unit: Annotated[Unit, opt.option("--unit", help="What gets a vector.")] = "words",
    tokenizer: Annotated[Optional[Path], opt.option("--tokenizer", help="The tokenizer artifact of --unit pieces.")] = None,
    lowercase: Annotated[bool, opt.option("--lowercase/--keep-case", help="Write all letters small.")] = False,
    strip_punctuation: Annotated[
        bool, opt.option("--strip-punctuation/--keep-punctuation", help="Cut punctuation off the edges of words.")
    ] = True,
    phrases: Annotated[
        bool, opt.option("--phrases/--no-phrases", help="Join pairs of units that belong together: New_York.")
    ] = False,
    phrase_threshold: Annotated[
        float, opt.option("--phrase-threshold", min=0.0, help="Score from which a pair is a phrase; higher joins fewer.")
    ] = 10.0,
    model: Annotated[
        Model, opt.option("--model", help="FastText also learns n-grams: vectors for unseen endings.")
    ] = "word2vec",
    objective: Annotated[
        Objective, opt.option("--objective", help="Predict the context (better for rare words), or from it (faster).")
    ] = "skipgram",
    loss: Annotated[Loss, opt.option("--loss", help="Negative sampling, or hierarchical softmax.")] = "negative",
    dim: Annotated[int, opt.option("--dim", min=1, help="Numbers in a vector.")] = 100,
    window: Annotated[int, opt.option("--window", min=1, help="Units to each side that are context.")] = 5,
    min_count: Annotated[int, opt.option("--min-count", min=1, help="Leave out units seen less often.")] = 5,
    max_vocab: Annotated[int, opt.option("--max-vocab", min=1, help="Vectors at most: the most frequent units.")] = 500_000,
    sample: Annotated[
        float, opt.option("--sample", min=0.0, help="Share of the text above which a unit is thinned out; 0: never.")
    ] = 0.001,
    negative: Annotated[int, opt.option("--negative", min=1, help="Noise words of negative sampling.")] = 5,
    epochs: Annotated[int, opt.option("--epochs", min=1, help="Times to go through the text.")] = 5,
    min_n: Annotated[int, opt.option("--min-n", min=1, help="FastText: shortest n-gram, in characters.")] = 3,
    max_n: Annotated[int, opt.option("--max-n", min=1, help="FastText: longest n-gram.")] = 6,
    bucket: Annotated[int, opt.option("--bucket", min=1, help="FastText: rows that n-grams are hashed to.")] = 500_000,
    jamo: Annotated[bool, opt.option("--jamo/--syllables", help="FastText: n-grams of jamo instead of syllables.")] = False,
    workers: Annotated[
        Optional[int], opt.option("--workers", min=1, help="Threads; as many as processors if not given.")
    ] = None,
    seed: opt.Seed = 1,
    on_error: opt.OnError = "stop",
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Learn a vector for each frequent word of a text.

    With --workers 1 the same text and settings give the same vectors; with more they differ a little each time.

    CREATES an embedding artifact: vectors.safetensors, vocab.txt.

    \b
    Example:
      nlpcli embed train --data ko-en --lang ko --out work/vectors --min-count 3
    """
    from nlpcli.embedding.train import train_embedding

    finish(ctx, train_embedding(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))


@app.command("nearest")
def nearest(
    ctx: typer.Context,
    embeddings: EmbeddingsDir,
    words: Annotated[Optional[List[str]], typer.Argument(metavar="[WORD]...", help="Words; lines of stdin if none.")] = None,
    top: Top = 10,
    json_: opt.Json = False,
) -> None:
    """Show the words whose vectors are nearest, by cosine.

    Words read from stdin, one a line, are answered by one JSON object a line.

    \b
    Example:
      nlpcli embed nearest --embeddings work/vectors 학교 영화
    """
    from nlpcli import console
    from nlpcli.embedding.query import nearest as run

    found = run(embeddings=embeddings, words=words or None, top=top)
    if not words:
        return
    if json_:
        print_envelope(ctx, found)
        return
    rows = [[answer.word, n.word, f"{n.similarity:.4f}", n.count] for answer in found for n in answer.neighbours]
    console.table(["word", "neighbour", "cosine", "count"], rows)


@app.command("analogy")
def analogy(
    ctx: typer.Context,
    embeddings: EmbeddingsDir,
    a: Annotated[str, typer.Argument(metavar="A", help="As A …")],
    b: Annotated[str, typer.Argument(metavar="B", help="… is to B …")],
    c: Annotated[str, typer.Argument(metavar="C", help="… so C is to what?")],
    top: Top = 10,
    cosmul: Annotated[
        bool, opt.option("--cosmul/--cosadd", help="Multiply similarities instead of adding them (Levy & Goldberg 2014).")
    ] = False,
    json_: opt.Json = False,
) -> None:
    """Solve A : B = C : ? with vectors.

    \b
    Example:
      nlpcli embed analogy --embeddings work/vectors 아버지 어머니 아들
    """
    from nlpcli import console
    from nlpcli.embedding.query import analogy as run

    found = run(embeddings=embeddings, a=a, b=b, c=c, top=top, cosmul=cosmul)
    if json_:
        print_envelope(ctx, found)
        return
    console.table(["word", "score", "count"], [[n.word, f"{n.similarity:.4f}", n.count] for n in found])


@app.command("evaluate")
def evaluate(
    ctx: typer.Context,
    embeddings: EmbeddingsDir,
    similarity: Annotated[
        Optional[Path], opt.option("--similarity", help="Pairs and people's scores: word, word, number (CSV or TSV).")
    ] = None,
    analogy: Annotated[
        Optional[Path], opt.option("--analogy", help="Four words a line, under lines such as `: capital-country`.")
    ] = None,
    json_: opt.Json = False,
) -> None:
    """Score vectors: Spearman's correlation on a similarity set, percent right on an analogy set, each with its coverage.

    \b
    Example:
      nlpcli embed evaluate --embeddings work/vectors --similarity WS353_korean.csv
    """
    from nlpcli.embedding.evaluate import evaluate_embedding

    result = evaluate_embedding(embeddings=embeddings, similarity=similarity, analogy=analogy)
    if json_:
        print_envelope(ctx, result)
    else:
        _print_scores(result)


def _print_scores(result: Any) -> None:
    from nlpcli import console

    if result.similarity is not None:
        s = result.similarity
        spearman = "-" if s.spearman is None else f"{s.spearman:.4f}"
        row = [s.file, spearman, s.covered, s.pairs, f"{s.covered / s.pairs:.1%}", s.composed]
        console.table(["similarity", "Spearman", "covered", "pairs", "coverage", "composed words"], [row])
    if result.analogies:
        rows = [
            [
                a.section,
                "-" if a.accuracy is None else f"{a.accuracy:.2f}",
                a.covered,
                a.questions,
                f"{a.covered / a.questions:.1%}",
            ]
            for a in result.analogies
        ]
        console.table(["analogy", "percent right", "covered", "questions", "coverage"], rows)


@app.command("export")
def export(
    ctx: typer.Context,
    embeddings: EmbeddingsDir,
    out: Annotated[Path, opt.option("--out", "-o", help="The file to write.")],
    format: Annotated[
        Format, opt.option("--format", help="How; fasttext-vec is text as fastText writes it.")
    ] = "word2vec-text",
    force: opt.Force = False,
    json_: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Write vectors for gensim, spaCy, fastText and others.

    CREATES a file in one of word2vec's formats.

    \b
    Example:
      nlpcli embed export --embeddings work/vectors --out work/vectors.txt
    """
    from nlpcli.embedding.export import export_embedding

    finish(ctx, export_embedding(**opt.given(ctx), force=force))


@app.command("plot")
def plot(
    ctx: typer.Context,
    embeddings: EmbeddingsDir,
    out: Annotated[Path, opt.option("--out", "-o", help="The picture: .svg, .png, or .html to point at and search.")],
    words: Annotated[
        List[str], opt.option("--words", help="Words to draw, between commas; may be repeated. The most frequent if not given.")
    ] = [],  # noqa: B006
    top: Annotated[int, opt.option("--top", min=2, help="How many of the most frequent, if no words are given.")] = 200,
    method: Annotated[Method, opt.option("--method", help="pca keeps distances at large, tsne neighbourhoods.")] = "pca",
    seed: opt.Seed = 1,
    force: opt.Force = False,
    json_: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Draw words in two dimensions.

    CREATES a picture, or a page that needs nothing else.

    \b
    Example:
      nlpcli embed plot --embeddings work/vectors --out work/words.svg --top 100
    """
    from nlpcli.embedding.plot import plot_embedding

    finish(ctx, plot_embedding(**opt.given(ctx), force=force))
