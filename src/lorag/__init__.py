"""Keep a language model's knowledge current by RAG, LoRA or both, and measure what each update costs."""
