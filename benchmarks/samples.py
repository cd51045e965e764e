"""What reading both ways is worth on the sample corpus, five seeds: python -m benchmarks.samples"""

from statistics import mean, stdev

from benchmarks.record import record
from bothways import TextClassifier
from bothways.data.samples import film_reviews

SEEDS = range(5)
EPOCHS = 6  # as `make demo` trains


def main() -> None:
    """Train and record."""
    texts, labels = film_reviews("train")
    test = film_reviews("test")
    rows = []
    for name, settings in {
        "both ways": {"bidirectional": True},
        "forward only": {"bidirectional": False},
        "backward only": {"bidirectional": False, "one_way": "backward"},
    }.items():
        scores, linear = [], 0.0
        for seed in SEEDS:
            model = TextClassifier(seed=seed, epochs=EPOCHS, **settings).fit(texts, labels)
            scores.append(model.score(*test))
            linear = model.trained_.baselines.scores(*test)["linear"]["accuracy"]
        shown = ", ".join(f"{score:.3f}" for score in scores)
        rows.append([f"LSTM 128, {name}", f"{mean(scores):.4f} ± {stdev(scores):.4f}", shown])
    rows.append(["TF-IDF + logistic regression", f"{linear:.4f}", ""])
    record(
        "python -m benchmarks.samples",
        f"Sample corpus: test accuracy, {EPOCHS} epochs, other settings by default",
        ["model", "mean ± deviation", f"seeds {SEEDS[0]} to {SEEDS[-1]}"],
        rows,
        "The test part uses sentence frames that training never saw; the corpus is generated.",
    )


if __name__ == "__main__":
    main()
