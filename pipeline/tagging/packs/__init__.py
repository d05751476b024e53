"""Packs as taggers, without code: what ``pack.toml`` says is done."""
