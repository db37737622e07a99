"""Job ids prove by themselves that they were issued here."""

from hypothesis import given
from hypothesis import strategies as st

from common.crypto.sealing import Sealer, Secret, make_key
from common.messages.job_id import is_job_id, make_job_id

OLD, NEW = Secret(make_key()), Secret(make_key())
SEALER = Sealer([OLD])


def test_issued_id_is_known_and_no_two_are_alike() -> None:
    """Every id is fresh, and fits into a URL and a routing key as it is."""
    ids = {make_job_id(SEALER, 1_790_000_000) for _ in range(100)}
    assert len(ids) == 100
    assert all(is_job_id(SEALER, job_id) and job_id.replace("-", "").replace("_", "").isalnum() for job_id in ids)


def test_changed_id_is_unknown() -> None:
    """No character can be another one, be added or left out."""
    job_id = make_job_id(SEALER, 1_790_000_000)
    for place, char in enumerate(job_id):
        assert not is_job_id(SEALER, job_id[:place] + ("A" if char != "A" else "B") + job_id[place + 1 :])
    assert not is_job_id(SEALER, job_id[:-1])
    assert not is_job_id(SEALER, job_id + "A")
    assert not is_job_id(SEALER, job_id + "=")


def test_id_outlives_the_rotation_of_keys() -> None:
    """It is known while its key still opens, and no longer."""
    job_id = make_job_id(SEALER, 1_790_000_000)
    assert is_job_id(Sealer([NEW, OLD]), job_id)
    assert not is_job_id(Sealer([NEW]), job_id)


@given(st.text(max_size=60))
def test_made_up_id_is_unknown(text: str) -> None:
    """Whatever somebody types, it was not issued here."""
    assert not is_job_id(SEALER, text)
