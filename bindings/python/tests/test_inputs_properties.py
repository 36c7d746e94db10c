"""Properties of the ragged batches, for any input. Needs hypothesis."""

from __future__ import annotations

import numpy as np
import pytest

from nestling._arrays import Inputs, Texts, split

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

_ids = st.integers(-(2**31), 2**31 - 1)
_dtypes = st.sampled_from([np.int32, np.int64, ">i4", None])


@hypothesis.given(st.lists(st.lists(_ids, max_size=9), min_size=1, max_size=9), _dtypes)
def test_splitting_gives_back_what_went_in(sequences: list[list[int]], dtype: object) -> None:
    given = sequences if dtype is None else [np.array(sequence, dtype) for sequence in sequences]  # type: ignore[call-overload]
    tokens = Inputs(given).tokens
    assert tokens is not None
    assert [part.tolist() for part in split(tokens.ids, tokens.offsets)] == sequences
    assert tokens.size == sum(map(len, sequences))


@hypothesis.given(st.lists(st.text(), max_size=9))
def test_texts_are_utf8(texts: list[str]) -> None:
    batch = Texts(texts)
    assert [data.decode() for data in batch.encoded] == texts
    assert batch.lengths.tolist() == [len(text.encode()) for text in texts]
