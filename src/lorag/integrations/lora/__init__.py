"""LoRA training with torch and peft."""
