"""LoRA adapters with random weights, as PEFT saves them, and what they mean for their base."""

import json

import numpy as np
from decoders import write_safetensors

CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "somewhere/else",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj", "v_proj"],
    "bias": "none",
    "use_dora": False,
    "use_rslora": False,
    "fan_in_fan_out": False,
    "modules_to_save": None,
    "init_lora_weights": True,
    "rank_pattern": {},
    "alpha_pattern": {},
}


def random_changes(weights, projections, rank=4, seed=21):
    """A [rank, inputs] and B [outputs, rank] for every module of these names, by its name."""
    random = np.random.default_rng(seed)
    modules = {name.removesuffix(".weight"): w for name, w in weights.items()}
    return {
        name: (
            random.normal(0, w.shape[1] ** -0.5, (rank, w.shape[1])).astype(np.float32),
            random.normal(0, 0.5, (w.shape[0], rank)).astype(np.float32),
        )
        for name, w in modules.items()
        if name.rpartition(".")[2] in projections
    }


def merged(weights, changes, scale):
    """The base's weights with what the adapter changes."""
    changed = {f"{name}.weight": scale * b @ a for name, (a, b) in changes.items()}
    return {name: w + changed.get(name, 0) for name, w in weights.items()}


def stored(changes, prefix="base_model.model.", infix=""):
    """An adapter's tensors by PEFT's names."""
    return {
        f"{prefix}{name}.lora_{part}{infix}.weight": values
        for name, pair in changes.items()
        for part, values in zip("AB", pair, strict=True)
    }


def write_adapter(folder, tensors, dtype="F32", **changes):
    """adapter_config.json and adapter_model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | changes))
    write_safetensors(folder / "adapter_model.safetensors", tensors, dtype)
    return folder
