"""Nestling: sequences as they are, without padding; images as pixels. Settings: "ffn" cuts a submodel with this part of the FFN's width."""

PACKAGES = ("nestling",)


def variants(dtype):
    return {"default": {}}


def prepare(model, dtype):
    """Nothing: Nestling reads the checkpoint."""


def load(model, dtype, threads, settings):
    import nestling

    nestling.set_thread_count(threads)
    network = nestling.load(model.directory, dtype=dtype)
    if "ffn" in settings:
        network = network.submodel(ffn=settings["ffn"])

    def run(rows, pooled):
        if pooled:
            return network.encode(rows, pooling="mean", normalize_embeddings="never", show_progress_bar=False)
        if model.classifies:
            return network.logits(**{model.takes.ARGUMENT: rows}, show_progress_bar=False)
        return network.hidden_states(**{model.takes.ARGUMENT: rows}, show_progress_bar=False)

    return run
