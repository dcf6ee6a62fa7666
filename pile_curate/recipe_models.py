"""Type the recipe: one frozen, strict pydantic model for each block of the YAML file.

Strict means that an unknown key or a wrong type is an error and nothing is converted. What types alone
cannot say (two keys that contradict each other) stands in ``recipe_checks.py``; build recipes through
``recipe.load_recipe`` or ``recipe.parse_recipe``, which run both. The docstring under each field becomes
its description in ``schemas/recipe.schema.json``.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from pile_curate.clean import CleaningConfig
from pile_curate.schema import SIGNALS
from pile_curate.spdx import check_expression

RULE_SIGNALS = (*SIGNALS, "language_score", "text_bytes")
"""What a quality rule may test: every measured signal, and two facts that each document has."""

Consent = Literal["author", "tos", "public"]
Preset = Literal["gopher_quality", "gopher_repetition"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}([_-][A-Za-z]{4})?$")]
Licence = Annotated[str, AfterValidator(check_expression)]


def _shape(value: Any) -> str:
    """Choose a union's branch by the value's shape, so that an error speaks of the branch that was meant."""
    return "~word" if isinstance(value, str) else "~list" if isinstance(value, (list, tuple)) else "~settings"


class Strict(BaseModel):
    """The base of every block: no unknown keys, no conversions, no changes after loading."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelFile(Strict):
    """A model on disk, pinned by its hash so that another file under the same name is refused."""

    path: Annotated[str, Field(min_length=1)]
    """Path of the file, relative to the recipe's folder."""
    sha256: Sha256
    """Its sha256, 64 lower-case hexadecimal digits."""


class LanguageRule(Strict):
    """Keep a document whose most likely language is allowed and scored high enough."""

    min_score: Annotated[float, Field(ge=0, le=1)] = 0.65
    """Least probability of the most likely language (fastText)."""
    allow: Annotated[tuple[LanguageCode, ...], Field(min_length=1)] | None = None
    """Languages that stay, as the model's labels; null allows every language."""
    model: ModelFile | None = None
    """Another fastText model; null is the shipped lid.176.ftz."""


class Rule(Strict):
    """Bound one measured signal; give ``min``, ``max`` or both."""

    signal: Literal[RULE_SIGNALS]  # type: ignore[valid-type]
    """The signal that is tested."""
    min: float | None = None
    """Least value that stays."""
    max: float | None = None
    """Greatest value that stays."""
    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)] | None = None
    """Languages that the rule applies to; null is every language."""


class QualityRules(Strict):
    """Choose published rule sets and add rules of your own."""

    presets: tuple[Preset, ...] = ("gopher_quality", "gopher_repetition")
    """Published thresholds; they apply to ``languages`` only, because they were published for English."""
    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)] = ("en",)
    """Languages that the presets apply to."""
    rules: tuple[Rule, ...] = ()
    """Further rules; they apply to every language unless they name theirs."""


Off = Annotated[Literal["off"], Tag("~word")]


class ParagraphRules(Strict):
    """Cut paragraphs that earlier kept documents of the same source have already."""

    unit: Literal["block", "line"] = "block"
    """What a paragraph is: the lines between two blank lines, or each line that is not blank."""
    min_words: Count = 10
    """Words of the shortest paragraph that is ever cut; a cut document with fewer words left is dropped."""
    max_copies: Count = 1
    """How often one paragraph stays in a source; the first ones in dedup's order do."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Sources whose documents are cut; null is every source of prose."""


ParagraphChoice = Annotated[Annotated[ParagraphRules, Tag("~settings")] | Off, Discriminator(_shape)]


class DedupRules(Strict):
    """Set the near-duplicate test: words to shingles to MinHash bands to an exact Jaccard."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Jaccard of the shingle sets from which on two documents are copies."""
    ngram: Annotated[int, Field(ge=1, le=64)] = 5
    """Words in a shingle; a shorter document takes part in exact dedup only."""
    permutations: Annotated[int, Field(ge=1, le=4096)] = 126
    """Values in a signature."""
    bands: Count = 18
    """Bands of a signature; sharing one makes two documents candidates."""
    rows: Count = 7
    """Values in a band; bands x rows must not exceed permutations."""
    minimum_agreement: Annotated[int, Field(ge=0)] | None = None
    """Signature positions in which candidates must agree; null computes ceil(k(t - 4 sqrt(t(1-t)/k)))."""
    cap: Count = 1000
    """Earlier kept members of a band that a document is compared with."""
    scope: Literal["global", "per_source", "per_group"] = "global"
    """Where copies are looked for; a pair whose splits differ counts in every scope."""
    keep: Literal["longest", "priority", "id"] = "longest"
    """Which of two copies stays, after the sources' priority: the longest in bytes, or by id alone."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of the hash permutations."""
    verify: Literal["exact", "estimate", "none"] = "exact"
    """What makes a candidate a copy: its exact Jaccard; the Jaccard that the signatures estimate; a shared band
    alone. Only ``exact`` proves a verdict; the others are labelled unverified in every output."""
    urls: bool = False
    """Whether two documents with the same normalised URL are copies, whatever their texts."""
    paragraphs: ParagraphChoice = "off"
    """Cutting of paragraphs that the source's earlier documents have, or ``off``."""

    @property
    def paragraph_rules(self) -> ParagraphRules | None:
        """The paragraph rules, or None when they are off."""
        return self.paragraphs if isinstance(self.paragraphs, ParagraphRules) else None

    @property
    def agreement(self) -> int:
        """The least number of equal signature positions, given or computed (norm in CONTRIBUTING.md)."""
        if self.verify != "exact":
            exactly = self.permutations * Decimal(repr(self.threshold))
            return math.ceil(exactly) if self.verify == "estimate" else 0
        if self.minimum_agreement is not None:
            return self.minimum_agreement
        k, t = self.permutations, self.threshold
        exact = k * (t - 4 * math.sqrt(t * (1 - t) / k))
        return max(0, math.ceil(round(exact, 9)))  # rounded so that the last float bit cannot add one


class Splits(Strict):
    """Give the held-out fractions; a document's split is a hash of (seed, doc_id) and never changes."""

    validation: Fraction = 0.005
    """Fraction of the documents in the validation split."""
    test: Fraction = 0.005
    """Fraction of the documents in the test split."""


class Limits(Strict):
    """Bound what damaged or hostile input may cost."""

    max_reject_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Greatest fraction of a source's records that may be rejected as damaged before the job fails."""
    on_corrupt: Literal["keep", "fail"] = "keep"
    """A damaged file: keep the records before the damage, or fail the job."""
    cpu_seconds: Annotated[float, Field(gt=0)] = 30.0
    """CPU seconds that parsing one record may take; beyond it is retried alone at ten times that."""
    memory_mib: Annotated[int, Field(ge=64)] = 2048
    """Memory of the parser's process in MiB."""


class Shards(Strict):
    """Size the published text shards."""

    max_bytes: Annotated[int, Field(ge=4096)] = 268_435_456
    """Bytes of text in one shard, at most (a longer document has a shard of its own)."""


class TokenizerTraining(Strict):
    """Train a byte-level BPE on a sample of the train split."""

    vocab_size: Annotated[int, Field(ge=257, le=1_000_000)] = 16_384
    """Tokens, with the 256 bytes and the end-of-text token."""
    sample_bytes: Count = 100_000_000
    """Bytes of text to train on, chosen by a hash of doc_id, whatever the weights."""


class Tokenizer(Strict):
    """Either train a tokenizer or name one; nothing at all trains one with the defaults."""

    train: TokenizerTraining | None = None
    """Train one."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """A given ``tokenizer.json``, relative to the recipe's folder; needs ``sha256``."""
    sha256: Sha256 | None = None
    """The sha256 of the given tokenizer."""

    @property
    def training(self) -> TokenizerTraining | None:
        """How to train the tokenizer; None when one is given by path."""
        return None if self.path is not None else (self.train or TokenizerTraining())


class Mixture(Strict):
    """Say how much of each source training sees, together with the sources' weight, epochs or tokens."""

    unit: Literal["tokens", "bytes"] = "tokens"
    """What weights and ``total`` count: train tokens, or UTF-8 bytes of train text."""
    total: Count | None = None
    """Size of one pass over the mixture, in ``unit``. Null, all weights: the source that runs out first is
    seen exactly once."""
    max_epochs: Annotated[float, Field(gt=0)] = 4.0
    """How often a source may be repeated; more is an error (four: Muennighoff et al., arXiv 2305.16264)."""


class ReferenceModel(Strict):
    """Size the reference GPT; the trainer owns everything that is not said here."""

    preset: Literal["tiny", "10m", "50m", "124m", "350m", "1b", "gpt2"] = "tiny"
    """Size of the model; every key below that is null is as the preset says."""
    steps: Count | None = 200
    """Optimizer steps; null takes as many as the mixture's tokens fill."""
    batch_tokens: Count | None = None
    """Tokens in one step; a multiple of ``window``."""
    window: Annotated[int, Field(ge=2)] | None = None
    """Tokens the model sees at once."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """What initial weights and the order of the data are drawn from."""
    document_mask: bool | None = None
    """Whether attention stays within a document."""
    optimizer: Literal["adamw", "muon"] | None = None
    """What updates the matrices; all else is AdamW's."""
    schedule: Literal["cosine", "linear", "wsd"] | None = None
    """How the learning rate falls after its warm-up; ``wsd`` holds it until the last fifth."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Peak learning rate."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Weight decay of the matrices."""
    layers: Count | None = None
    """Transformer layers."""
    width: Count | None = None
    """Width of the residual stream."""
    heads: Count | None = None
    """Attention heads; they must divide ``width``."""
    kv_heads: Count | None = None
    """Heads of keys and values; they must divide ``heads``."""


CleaningChoice = Annotated[
    Annotated[CleaningConfig, Tag("~settings")] | Annotated[Literal["prose", "code"], Tag("~word")],
    Discriminator(_shape),
]
LanguageChoice = Annotated[Annotated[LanguageRule, Tag("~settings")] | Off, Discriminator(_shape)]
QualityItem = Annotated[
    Annotated[Preset, Tag("~word")] | Annotated[Rule, Tag("~settings")], Discriminator(_shape)
]
QualityChoice = Annotated[
    Annotated[QualityRules, Tag("~settings")] | Annotated[tuple[QualityItem, ...], Tag("~list")] | Off,
    Discriminator(_shape),
]
LicenceChoice = Annotated[
    Annotated[Literal["any", "permissive"], Tag("~word")]
    | Annotated[tuple[Licence, ...], Field(min_length=1), Tag("~list")],
    Discriminator(_shape),
]
DedupChoice = Annotated[Annotated[DedupRules, Tag("~settings")] | Off, Discriminator(_shape)]


class SourceSpec(Strict):
    """Name one source: what it is, where it lies, whose it is and how much of it is wanted."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_.-]+$", max_length=100)]
    """Unique name; part of every document's id, so never change it."""
    format: str
    """The raw format, a key of ``pile_curate.sources.SOURCES``."""
    paths: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """Globs (``**`` allowed) or folders, relative to the source's root."""
    root: Annotated[str, Field(min_length=1)] | None = None
    """Folder or URI that ``paths`` start from, relative to the recipe's folder (the default);
    ``--input NAME=DIR`` overrides it."""
    licence: Licence
    """SPDX expression that holds where a document names no licence of its own; LicenseRef-NAME for others."""
    consent: Consent
    """Who agreed, in The Pile's tiers: ``author`` (the authors, or nobody needs to), ``tos`` (the terms of
    service allow it), ``public`` (it is merely public: refused unless ``allow_unconsented``)."""
    enabled: bool = True
    """Whether the source is read at all; one that is off is checked and otherwise as if it were not there."""
    pile_set_name: Annotated[str, Field(min_length=1)] | None = None
    """Name written to ``meta.pile_set_name`` of each shard row; default: ``name``."""
    weight: Annotated[float, Field(gt=0)] | None = None
    """Share of the mixture relative to the other weights; they need not add up to 1."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """How often the source's train split is seen."""
    tokens: Count | None = None
    """How many train tokens of the source are seen."""
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0
    """Order in dedup: of two copies the one from the source with the smaller number stays."""
    group: Annotated[str, Field(min_length=1)] | None = None
    """Group for ``dedup.scope: per_group``; default: a group of its own."""
    options: dict[str, Any] = {}
    """The format's own options."""
    cleaning: CleaningChoice | None = None
    """Preset, or keys laid over the recipe's cleaning (over preset ``code`` if not prose)."""
    language: LanguageChoice | None = None
    """``off``, or keys laid over the recipe's language rule; default ``off`` if not prose."""
    quality: QualityChoice | None = None
    """``off``, a list of presets and rules, or keys laid over the recipe's; default ``off`` if not prose."""


class RecipeFile(Strict):
    """The whole YAML file."""

    version: Literal[1]
    """Version of the recipe's format."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=100)]
    """Name of the corpus."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every choice made by hash (splits, samples); doc_ids do not depend on it."""
    sources: Annotated[tuple[SourceSpec, ...], Field(min_length=1)]
    """The sources."""
    cleaning: CleaningChoice = "prose"
    """Cleaning of prose sources: a preset, or settings laid over preset ``prose``."""
    language: LanguageChoice = LanguageRule()
    """Language rule of prose sources, or ``off``."""
    quality: QualityChoice = QualityRules()
    """Quality rules of prose sources: settings, a list of presets and rules, or ``off``."""
    licences: LicenceChoice = "any"
    """Which licences may enter the corpus: ``any``; ``permissive`` (public domain, or no more than attribution and
    notice are asked for); or a list of SPDX ids. A document under others is dropped, and the mixture is planned
    over what is left."""
    allow_unconsented: bool = False
    """Whether sources may be read whose ``consent`` is ``public``: nobody agreed to their use."""
    opt_out: Annotated[str, Field(min_length=1)] | None = None
    """A list of urls, domains, ids and authors that must not be in the corpus (a text file, relative to the
    recipe's folder); see ``pile_curate.opt_out``."""
    dedup: DedupChoice = DedupRules()
    """Near- and exact-duplicate removal, or ``off``."""
    splits: Splits = Splits()
    limits: Limits = Limits()
    shards: Shards = Shards()
    tokenizer: Tokenizer = Tokenizer()
    mixture: Mixture = Mixture()
    model: ReferenceModel = ReferenceModel()
