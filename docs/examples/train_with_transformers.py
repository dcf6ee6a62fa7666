"""Train a model on a curated corpus with Hugging Face's Trainer: copy this file and change it.

    pip install transformers accelerate datasets
    python docs/examples/train_with_transformers.py --data corpus --to model --steps 1000

Streams ``corpus/shards``, whose card says which files are which split, so nothing is copied or held in memory.
``--model`` goes on from a model that ``python -m trainer.export`` wrote, or any other; without it a small Qwen3 is made
for the corpus's own tokenizer. The sources come in the proportions of the shards: for the mixture of the recipe, write
it out first (``pile-curate materialize --out corpus --to mixture``) and give ``--shards mixture``.
"""

import argparse
import json
from itertools import chain
from pathlib import Path

from datasets import IterableDataset, load_dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

parser = argparse.ArgumentParser(description="Train on a curated corpus with transformers.")
parser.add_argument("--data", type=Path, required=True, help="what pile-curate wrote")
parser.add_argument("--shards", type=Path, help="the folder to stream (default: DATA/shards)")
parser.add_argument("--model", help="go on from this model (default: a new small one)")
parser.add_argument("--to", type=Path, required=True, help="where the trained model goes")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--batch", type=int, default=8, help="windows a step")
parser.add_argument("--window", type=int, default=256, help="tokens a window")
parser.add_argument("--learning-rate", type=float, default=1e-3)
parser.add_argument("--layers", type=int, default=4)
parser.add_argument("--width", type=int, default=128)
args = parser.parse_args()

if args.model:
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model)
else:
    stated = json.loads((args.data / "mixture.json").read_text())["tokenizer"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(args.data / stated["path"]))
    end = tokenizer.convert_ids_to_tokens(stated["eos_id"])
    tokenizer.add_special_tokens({"bos_token": end, "eos_token": end})
    heads = max(1, args.width // 64)
    config = Qwen3Config(
        vocab_size=stated["vocab_size"],
        hidden_size=args.width,
        intermediate_size=4 * args.width,
        num_hidden_layers=args.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=args.width // heads,
        max_position_embeddings=args.window,
        tie_word_embeddings=True,
        bos_token_id=stated["eos_id"],
        eos_token_id=stated["eos_id"],
    )
    model = Qwen3ForCausalLM(config)


def windows(batch: dict) -> dict:
    """Tokenise documents, each ended by the end-of-text token, and cut what they are joined to into windows."""
    ids = tokenizer(batch["text"], add_special_tokens=False, split_special_tokens=True, verbose=False)[
        "input_ids"
    ]
    joined = list(chain.from_iterable([*document, tokenizer.eos_token_id] for document in ids))
    # The rest of a batch, less than a window, is left out.
    cut = [joined[i : i + args.window] for i in range(0, len(joined) - args.window + 1, args.window)]
    return {"input_ids": cut, "labels": cut}


def read(split: str) -> IterableDataset:
    """Stream a split as windows of tokens."""
    documents = load_dataset(str(args.shards or args.data / "shards"), split=split, streaming=True)
    return documents.map(windows, batched=True, batch_size=256, remove_columns=documents.column_names)


trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir=str(args.to / "checkpoints"),
        max_steps=args.steps,
        per_device_train_batch_size=args.batch,
        learning_rate=args.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=args.steps // 10,
        weight_decay=0.1,
        adam_beta2=0.95,
        logging_steps=max(1, args.steps // 20),
        save_strategy="no",
        report_to="none",
    ),
    train_dataset=read("train").shuffle(seed=0, buffer_size=1000),
    data_collator=default_data_collator,
    processing_class=tokenizer,
)
trainer.train()
model.save_pretrained(args.to)
tokenizer.save_pretrained(args.to)
for line in trainer.state.log_history:
    if "loss" in line:
        print(f"step {line['step']}: loss {line['loss']:.4f}")
