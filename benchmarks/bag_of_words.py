"""What a bag of words reaches on the texts of `bert-classify`: the figure that a fine-tuned BERT has to beat.

    python -m benchmarks.bag_of_words sst [examples]

tf-idf (words, or words and pairs; logarithmic counts) and a logistic regression by scikit-learn. Words or pairs, and the
strength of the regularization, are chosen on the validation part; the test part is asked once, by the winner.
"""

import argparse
import time

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from learnable.data.labeled import read_parts
from learnable.data.tokenizers.cleaning import BertNormalizer
from learnable.data.tokenizers.cutting import bert_words

STRENGTHS = (1, 3, 10, 30)
LENGTHS = ((1, 1), (1, 2))
CLEAN = BertNormalizer()


def words_of(text: str) -> list[str]:
    return bert_words(CLEAN(text))


def bag_of_words(source: str, examples: int = 0) -> dict[str, object]:
    """Accuracy on valid and test of the best of all settings, on the first `examples` of the shuffled training part (0: all)."""
    _, _, (train, valid, test) = read_parts(source)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()  # as `labeled_texts` has it
    parts = [[train[i] for i in order[: examples or None]], valid, test]
    labels = [[label for _, label in part] for part in parts]
    best: dict[str, object] = {}
    highest = 0.0
    for length in LENGTHS:
        words = TfidfVectorizer(
            tokenizer=words_of, token_pattern=None, lowercase=False, ngram_range=length, sublinear_tf=True
        )
        words.fit(text for text, _ in parts[0])
        features = [words.transform(text for text, _ in part) for part in parts]
        for strength in STRENGTHS:
            model = LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(features[0], labels[0])
            accuracy = model.score(features[1], labels[1])
            if accuracy > highest:
                highest = accuracy
                test_accuracy = model.score(features[2], labels[2])
                best = {"valid": accuracy, "test": test_accuracy, "words": length, "C": strength}
    return {"examples": len(parts[0]), **best}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a bag of words reaches on the texts of bert-classify.")
    parser.add_argument("source", help="modules, sst, sst5, ag_news, ag_news_test, or a file of texts and labels")
    parser.add_argument("examples", nargs="?", type=int, default=0, help="learn from so many alone (default: all)")
    asked = parser.parse_args()
    begun = time.perf_counter()
    print(bag_of_words(asked.source, asked.examples), f"{time.perf_counter() - begun:.0f} s")
