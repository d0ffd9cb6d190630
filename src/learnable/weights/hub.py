"""Published language models by variant: where each is on the Hugging Face hub, and under which licence.

A name is what `from_pretrained` takes. Where a licence has the name of a family (llama3.1), it has terms of its own, and the files
are given to those alone who accepted them on the hub.
"""

from learnable.weights.images import Published

PUBLISHED = tuple(
    Published(name, variant, licence, preprocessing=None)
    for variant, name, licence in (
        #  variant            name                                       licence
        ("gpt2-small",      "openai-community/gpt2",                   "mit"),
        ("gpt2-medium",     "openai-community/gpt2-medium",            "mit"),
        ("gpt2-large",      "openai-community/gpt2-large",             "mit"),
        ("gpt2-xl",         "openai-community/gpt2-xl",                "mit"),
        ("bert-tiny",       "google/bert_uncased_L-2_H-128_A-2",       "apache-2.0"),
        ("bert-mini",       "google/bert_uncased_L-4_H-256_A-4",       "apache-2.0"),
        ("bert-small",      "google/bert_uncased_L-4_H-512_A-8",       "apache-2.0"),
        ("bert-medium",     "google/bert_uncased_L-8_H-512_A-8",       "apache-2.0"),
        ("bert-base",       "google-bert/bert-base-uncased",           "apache-2.0"),
        ("bert-large",      "google-bert/bert-large-uncased",          "apache-2.0"),
        ("roberta-base",    "FacebookAI/roberta-base",                 "mit"),
        ("roberta-large",   "FacebookAI/roberta-large",                "mit"),
        ("llama-2-7b",      "meta-llama/Llama-2-7b-hf",                "llama2"),
        ("llama-2-13b",     "meta-llama/Llama-2-13b-hf",               "llama2"),
        ("llama-2-70b",     "meta-llama/Llama-2-70b-hf",               "llama2"),
        ("llama-3-8b",      "meta-llama/Meta-Llama-3-8B",              "llama3"),
        ("llama-3-70b",     "meta-llama/Meta-Llama-3-70B",             "llama3"),
        ("llama-3.1-8b",    "meta-llama/Llama-3.1-8B",                 "llama3.1"),
        ("llama-3.1-70b",   "meta-llama/Llama-3.1-70B",                "llama3.1"),
        ("llama-3.1-405b",  "meta-llama/Llama-3.1-405B",               "llama3.1"),
        ("llama-3.2-1b",    "meta-llama/Llama-3.2-1B",                 "llama3.2"),
        ("llama-3.2-3b",    "meta-llama/Llama-3.2-3B",                 "llama3.2"),
        ("mistral-7b",      "mistralai/Mistral-7B-v0.1",               "apache-2.0"),
        ("mistral-7b-v0.3", "mistralai/Mistral-7B-v0.3",               "apache-2.0"),
        ("qwen2-0.5b",      "Qwen/Qwen2-0.5B",                         "apache-2.0"),
        ("qwen2-1.5b",      "Qwen/Qwen2-1.5B",                         "apache-2.0"),
        ("qwen2-7b",        "Qwen/Qwen2-7B",                           "apache-2.0"),
        ("qwen2-72b",       "Qwen/Qwen2-72B",                          "tongyi-qianwen"),
        ("qwen2.5-0.5b",    "Qwen/Qwen2.5-0.5B",                       "apache-2.0"),
        ("qwen2.5-3b",      "Qwen/Qwen2.5-3B",                         "qwen-research"),
        ("qwen2.5-14b",     "Qwen/Qwen2.5-14B",                        "apache-2.0"),
        ("qwen2.5-32b",     "Qwen/Qwen2.5-32B",                        "apache-2.0"),
        ("tinyllama-1.1b",  "TinyLlama/TinyLlama-1.1B-Chat-v1.0",      "apache-2.0"),
        ("smollm2-135m",    "HuggingFaceTB/SmolLM2-135M",              "apache-2.0"),
        ("smollm2-360m",    "HuggingFaceTB/SmolLM2-360M",              "apache-2.0"),
    )
)  # fmt: skip
