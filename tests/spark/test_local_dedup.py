"""The walk in one process and the walk on Spark give the same duplicates."""

import json
import random

import pytest
import yaml

from pile_curate import manifest
from pile_curate.errors import SetupError
from pile_curate.spark import dedup
from pile_curate.spark.pipeline import run
from tests.spark.test_pipeline import outcomes

pytestmark = pytest.mark.spark


def family(rng: random.Random, members: int) -> list[str]:
    """Return a chain of texts, each a small change of the one before, and copies that differ in white space."""
    words = [f"w{rng.randrange(4000)}" for _ in range(80)]
    texts = []
    for _ in range(members):
        words = list(words)
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
            words[rng.randrange(len(words))] = f"w{rng.randrange(4000)}"
        texts.append((" " * rng.choice([1, 1, 2])).join(words))
    return texts


@pytest.fixture(scope="module")
def corpus(spark, tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    rng = random.Random(11)
    texts = [text for _ in range(25) for text in family(rng, rng.randrange(1, 12))]
    texts += ["two words", "two  words", ""]
    rng.shuffle(texts)
    sources = []
    for name in ("a", "b"):
        mine = texts[: len(texts) // 2] if name == "a" else texts[len(texts) // 2 :]
        lines = [json.dumps({"text": text, "meta": {"id": f"{name}{i}"}}) for i, text in enumerate(mine)]
        (root / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        sources.append(
            {"name": name, "format": "jsonl", "paths": [f"{name}.jsonl"], "licence": "CC0-1.0", "consent": "author",
             "weight": 1, "options": {"id_key": "meta.id"}, "language": "off", "quality": "off",
             "priority": 1 if name == "a" else 0}
        )  # fmt: skip
    recipe = {
        "version": 1,
        "name": "families",
        "sources": sources,
        "splits": {"validation": 0.2, "test": 0.1},
    }
    return root, recipe


@pytest.mark.parametrize(
    "rules", [{}, {"scope": "per_source", "cap": 2}, {"keep": "id", "threshold": 0.7}, {"cap": 1}], ids=str
)
def test_both_engines_give_equal_digests(corpus, spark, tmp_path, monkeypatch, rules):
    root, recipe = corpus
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, "dedup": rules}))
    out = root / "out"
    run(str(path), str(out), spark=spark, until="dedup", update=True, quiet=True)
    found = manifest.load(str(out / "duplicates"))
    assert found.facts["engine"] == "local" and found.rows > 20
    monkeypatch.setenv("PILE_CURATE_DEDUP_ENGINE", "spark")
    (out / "duplicates" / "manifest.json").unlink()
    again = outcomes(run(str(path), str(out), spark=spark, until="dedup", quiet=True))
    assert again["annotate"] == "up to date" and again["dedup"] == "done"
    other = manifest.load(str(out / "duplicates"))
    assert other.facts["engine"] == "spark"
    assert (other.digest, other.rows) == (found.digest, found.rows)
    for name in ("documents", "duplicates", "cluster_sizes", "pairs", "largest_clusters", "planted"):
        assert other.facts[name] == found.facts[name]


def test_an_unknown_engine_is_refused(monkeypatch):
    monkeypatch.setenv("PILE_CURATE_DEDUP_ENGINE", "gpu")
    with pytest.raises(SetupError, match="'gpu'; allowed: auto, spark, local"):
        dedup.engine()
