"""Tensors are read from disk by the slice, exactly; what is not well-formed is refused."""

import io
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.rows import OnDisk
from assessments.scanner.store import open_store

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def matrix(dtype=torch.float32):
    return torch.arange(35.0).reshape(5, 7).sub(11).div(4).to(dtype)


@pytest.fixture
def safetensors(tmp_path):
    def write(tensors, name="w.safetensors"):
        save_file(tensors, tmp_path / name)
        return open_store(tmp_path / name)

    return write


@pytest.mark.parametrize("dtype", DTYPES)
def test_slices_of_safetensors_equal_slices_of_the_whole(safetensors, dtype):
    store = safetensors({"v": matrix(dtype)[0].contiguous(), "m": matrix(dtype)})
    whole = matrix(dtype).float()
    assert torch.equal(store.read("m"), whole)
    assert torch.equal(store.take("m", [4, 0, 0], 0), whole[[4, 0, 0]])
    assert torch.equal(store.take("m", [6, 2], 1), whole[:, [6, 2]])
    assert torch.equal(store.part("m", 1, 4, 0), whole[1:4])
    assert torch.equal(store.part("m", 1, 4, 1), whole[:, 1:4])
    assert torch.equal(store.take("v", [3, 1], 0), whole[0, [3, 1]])
    assert torch.equal(store.part("v", 2, 2, 0), torch.empty(0))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_slices_of_npz_equal_slices_of_the_whole(tmp_path, order, dtype):
    whole = np.asarray(matrix().numpy(), dtype=dtype, order=order)
    np.savez(tmp_path / "params.npz", m=whole, v=whole[0].copy(), k=np.int64(5))
    store = open_store(tmp_path / "params.npz")
    expected = torch.from_numpy(np.ascontiguousarray(whole)).float()
    assert torch.equal(store.read("m"), expected)
    assert torch.equal(store.take("m", [4, 0], 0), expected[[4, 0]])
    assert torch.equal(store.take("m", [6, 2], 1), expected[:, [6, 2]])
    assert torch.equal(store.part("m", 1, 3, 0), expected[1:3])
    assert torch.equal(store.part("m", 1, 3, 1), expected[:, 1:3])
    assert int(store.read("k")) == 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    rows=st.lists(st.integers(0, 4), max_size=9), columns=st.lists(st.integers(0, 6), min_size=1)
)
def test_either_orientation_gives_rows_of_latents(safetensors, rows, columns):
    store = safetensors({"up": matrix(), "down": matrix().T.contiguous()})
    up, down = OnDisk(store, "up"), OnDisk(store, "down", latent_dim=1)
    assert up.shape == down.shape == (5, 7)
    if rows:
        assert torch.equal(up.take(rows), down.take(rows))
    assert torch.equal(OnDisk(store, "up", 1).take(columns), matrix().T[columns])
    assert torch.equal(up.part(1, 4), down.part(1, 4))
    assert torch.equal(OnDisk(store, "up", factor=2.0).part(0, 5), 2 * matrix())


def test_a_value_that_is_not_finite_is_refused_with_file_and_tensor(safetensors):
    spoilt = matrix()
    spoilt[2, 3] = float("inf")
    store = safetensors({"m": spoilt})
    with pytest.raises(ScanFailed, match=r"w.safetensors: m holds values that are not finite"):
        store.take("m", [2], 0)
    assert torch.equal(store.take("m", [1], 0), matrix()[1:2])


def test_what_is_not_there_is_said(safetensors):
    store = safetensors({"m": matrix()})
    with pytest.raises(ScanFailed, match="no tensor 'W_enc' there; it has"):
        store.read("W_enc")
    with pytest.raises(ScanFailed, match=r"m has 5 entries, asked for \[5\]"):
        store.take("m", [5], 0)
    with pytest.raises(ScanFailed, match="m has 7 entries, asked for 3 to 8"):
        store.part("m", 3, 8, 1)


def test_a_file_cut_while_it_is_open_is_noticed(tmp_path):
    save_file({"m": matrix()}, tmp_path / "w.safetensors")
    store = open_store(tmp_path / "w.safetensors")
    with (tmp_path / "w.safetensors").open("r+b") as stream:
        stream.truncate(120)
    with pytest.raises(ScanFailed, match="the file was cut"):
        store.read("m")


def npz(tmp_path, member=b"", **zipped):
    path = tmp_path / "params.npz"
    with zipfile.ZipFile(path, "w", **zipped) as archive:
        archive.writestr("W_enc.npy", member)
    return path


def saved(array, **named):
    out = io.BytesIO()
    np.save(out, array, **named)
    return out.getvalue()


def test_pickled_objects_in_npz_are_refused_unread(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the trap was sprung",))

    path = npz(tmp_path, saved(np.array([Trap()], dtype=object), allow_pickle=True))
    with pytest.raises(ScanFailed, match="arrays of object are not read"):
        open_store(path)


@pytest.mark.parametrize(
    ("member", "zipped", "complaint"),
    [
        (saved(np.zeros((3, 3))), {"compression": zipfile.ZIP_DEFLATED}, "is packed"),
        (saved(np.zeros((3, 3)))[:-8], {}, "does not fill"),
        (b"\x93NUMPY\x01\x00", {}, "not a .npy array"),
        (b"\x93NUMPY\x02\x00" + (1 << 30).to_bytes(4, "little"), {}, "not a .npy array"),
        (b"hello", {}, "not a .npy array"),
        (saved(np.array([["a", "b"]])), {}, "are not read"),
    ],
)
def test_hostile_npz_is_refused(tmp_path, member, zipped, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        open_store(npz(tmp_path, member, **zipped))


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.npy", "w.txt"])
def test_other_files_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ScanFailed, match=r"expected \.safetensors or \.npz"):
        open_store(tmp_path / name)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ScanFailed, match="could not be read"):
        open_store(tmp_path / "w.safetensors")
