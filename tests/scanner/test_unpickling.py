"""Pickled weights come in through a child that runs nothing of them."""

import json
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import formats, unpickling
from assessments.scanner import unpickling_child as child
from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import file_sha256
from assessments.scanner.store import open_store

ROOT = Path(__file__).resolve().parents[2]


def in_a_process(script):
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def waived():
    """Whether this machine lets no process leave the network, so that tests have to waive it."""
    ask = (
        "from assessments.scanner import unpickling_child as child\n"
        "child.leave_network(child.unshare, waived=False)"
    )
    return in_a_process(ask).returncode != 0


@pytest.fixture
def bring(tmp_path, waived):
    def convert(source, **options):
        return unpickling.convert(source, tmp_path / "out", network_waived=waived, **options)

    return convert


def openai(**more):
    draw = torch.Generator().manual_seed(5)
    return {
        "pre_bias": torch.zeros(4),
        "encoder.weight": torch.randn(8, 4, generator=draw),
        "latent_bias": torch.randn(8, generator=draw).bfloat16(),
        "decoder.weight": torch.randn(8, 4, generator=draw).T,
        "activation": "TopK",
        "activation_state_dict": {"k": 3, "postact_fn": "ReLU"},
        "stats_last_nonzero": torch.arange(8),
        **more,
    }


def saved(tmp_path, what, name="sae.pt"):
    torch.save(what, tmp_path / name)
    return tmp_path / name


def archive(tmp_path, pickled, *, name="sae.pt", more=(), packed=False):
    """A torch archive with a pickle of one's own making."""
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as out:
        out.writestr("sae/data.pkl", pickled)
        out.writestr("sae/version", "3\n")
        out.writestr("sae/byteorder", "little")
        for member, content in more:
            out.writestr(member, content)
    return path


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        return os.system, (f"touch {self.where}",)


def test_tensors_values_and_settings_come_over_under_their_names(tmp_path, bring):
    source = saved(tmp_path, openai())
    (tmp_path / "config.json").write_text('{"layer": 8}')
    out = bring(source)
    assert sorted(path.name for path in out.iterdir()) == ["converted.json", "weights.safetensors"]
    assert json.loads((out / "converted.json").read_text()) == {
        "schema": "strata.converted/1",
        "layout": "openai_v5",
        "source_files": {
            "sae.pt": file_sha256(source),
            "config.json": file_sha256(tmp_path / "config.json"),
        },
        "values": {
            "activation": "TopK",
            "activation_state_dict.k": 3,
            "activation_state_dict.postact_fn": "ReLU",
        },
        "config": {"layer": 8},
    }
    store = open_store(out / "weights.safetensors")
    for name, tensor in openai().items():
        if isinstance(tensor, torch.Tensor):
            assert torch.equal(
                store.read(name), tensor.float() if tensor.is_floating_point() else tensor
            )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_nested_tensors_and_lists_are_named_by_their_path(tmp_path, bring):
    source = saved(tmp_path, {
        "state": {"W_enc": torch.ones(2, 3), 7: torch.zeros(())},
        "layers": [torch.ones(1), torch.ones(2)],
        "sizes": (3, [4, 5.5]), "dtype": torch.bfloat16, "nothing": None,
        "parameter": torch.nn.Parameter(torch.ones(3)),
    })  # fmt: skip
    out = bring(source, layout="openai_v5")
    assert open_store(out / "weights.safetensors").shapes() == {
        "layers.0": (1,), "layers.1": (2,), "parameter": (3,),
        "state.7": (), "state.W_enc": (2, 3),
    }  # fmt: skip
    values = json.loads((out / "converted.json").read_text())["values"]
    assert values == {"sizes": [3, [4, 5.5]], "dtype": "torch.bfloat16"}


def test_pieces_keep_the_order_of_a_tensor_however_it_lies(monkeypatch):
    monkeypatch.setattr(child, "PIECE", 5)
    base = torch.arange(72.0).reshape(2, 6, 6)
    for tensor in (base, base.permute(2, 0, 1), base[:, ::2, 1], base[0].T, base[1, 2, 3]):
        found = list(child.pieces(tensor))
        assert torch.equal(torch.cat(found), tensor.reshape(-1))
        assert max(map(len, found)) <= 5


def test_an_existing_folder_is_left_alone(tmp_path, bring):
    (tmp_path / "out").mkdir()
    with pytest.raises(ScanFailed, match="already there"):
        bring(saved(tmp_path, openai()))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", ["bare", "archive", "protocol 4"])
def test_code_in_a_pickle_is_not_run(tmp_path, bring, kind):
    mark = tmp_path / "it ran"
    trap = {"W_enc": Trap(mark)}
    match kind:
        case "bare":
            source, complaint = tmp_path / "sae.pt", "expected a file as torch.save has written it"
            source.write_bytes(pickle.dumps(trap))
        case "archive":
            source, complaint = archive(tmp_path, pickle.dumps(trap, protocol=2)), "posix.system"
        case _:
            source, complaint = archive(tmp_path, pickle.dumps(trap, protocol=4)), "<STACK_GLOBAL>"
    with pytest.raises(ScanFailed, match=complaint) as refusal:
        bring(source)
    assert refusal.value.permanent
    assert not mark.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"sae.pt"}


def test_the_trap_would_have_sprung(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "ran")))  # noqa: S301  # Our own.
    assert (tmp_path / "ran").exists()


def bomb(tmp_path):
    return archive(tmp_path, bytes(10 << 20), packed=True)


def cut_short(tmp_path):
    path = saved(tmp_path, openai())
    path.write_bytes(path.read_bytes()[:-200])
    return path


def oversized(tmp_path):
    """A tensor of a terabyte over a storage of four bytes."""
    return saved(tmp_path, openai(big=torch.zeros(1).expand(1 << 19, 1 << 19)))


def rewritten(tmp_path, old, new):
    """An honest file with some bytes of its pickle replaced."""
    with zipfile.ZipFile(saved(tmp_path, openai(), "honest.pt")) as honest:
        members = {each.filename: honest.read(each) for each in honest.infolist()}
    path = tmp_path / "sae.pt"
    with zipfile.ZipFile(path, "w") as out:
        for name, content in members.items():
            out.writestr(name, content.replace(old, new) if name.endswith(".pkl") else content)
    return path


def beyond_its_storage(tmp_path):
    """The size of the encoder, (8, 4), said to be (200, 200)."""
    return rewritten(tmp_path, b"K\x08K\x04\x86", b"K\xc8K\xc8\x86")


def way_out(tmp_path):
    return archive(tmp_path, pickle.dumps({}, protocol=2), more=[("../../../evil", "x")])


def linked_member(tmp_path):
    link = zipfile.ZipInfo("sae/data/0")
    link.external_attr = 0o120777 << 16
    return archive(tmp_path, pickle.dumps({}, protocol=2), more=[(link, "/etc/passwd")])


def endless(tmp_path):
    loop = {"W_enc": torch.ones(2)}
    loop["more"] = loop
    return saved(tmp_path, loop)


def of_many(tmp_path):
    """A few bytes that stand for a hundred million entries."""
    heap = [0]
    for _ in range(8):
        heap = [heap] * 10
    return saved(tmp_path, openai(heap=heap))


def deep(tmp_path):
    """{"x": [[[…]]]}, four thousand lists."""
    lists = b"]" * 4000 + b"a" * 3999
    return archive(tmp_path, b"\x80\x02}X\x01\x00\x00\x00x" + lists + b"s.")


def script_module(tmp_path):
    return archive(tmp_path, pickle.dumps({}, protocol=2), more=[("sae/code/x.py", "import os")])


def not_finite(tmp_path):
    return saved(tmp_path, openai(pre_bias=torch.tensor([0.0, float("nan")])))


HOSTILE = [
    (bomb, "is packed: "),
    (cut_short, "was cut short"),
    (oversized, r"big: shape \(524288, 524288\) claims 1099511627776 bytes, the file holds 4"),
    (beyond_its_storage, "out of bounds|not resizable"),
    (way_out, "expected plain names in the archive"),
    (linked_member, "is a link"),
    (endless, "expected 100000 entries and 8 levels at most"),
    (of_many, "heap: expected 100000 entries at most"),
    (script_module, "expected an archive of weights with one data.pkl"),
    (not_finite, "pre_bias holds values that are not finite"),
    (lambda path: saved(path, {"../../x": torch.ones(2)}), "expected a plain name"),
    (lambda path: saved(path, {"/etc/x": torch.ones(2)}), "expected a plain name"),
    (lambda path: saved(path, {"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}), "two entries"),
    (lambda path: saved(path, {(1, 2): torch.ones(1)}), "expected names as keys, came tuple"),
    (lambda path: saved(path, openai(x=float("inf"))), "x: expected a finite number.*came inf"),
    (lambda path: saved(path, openai(x=[2**64])), "x: expected a finite number.*of type int"),
    (deep, "lists in it are nested too deeply"),
    (lambda path: saved(path, torch.ones(2)), "expected tensors by name, came Tensor"),
    (lambda path: saved(path, {"k": 3}), "no tensor in it"),
    (lambda path: saved(path, openai(x=torch.ones(2).to_sparse())), "_rebuild_sparse_tensor"),
    (lambda path: saved(path, openai(x=torch.ones(2, dtype=torch.complex64))), "ComplexFloat"),
    (lambda path: saved(path, openai(), "sae.pkl"), "expected a file that ends in"),
]


@pytest.mark.parametrize(("make", "complaint"), HOSTILE)
def test_what_is_no_plain_file_of_tensors_is_refused(tmp_path, bring, make, complaint):
    with pytest.raises(ScanFailed, match=complaint) as refusal:
        bring(make(tmp_path))
    assert refusal.value.permanent
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_links_out_of_the_folder_are_refused(tmp_path, bring):
    away, folder = tmp_path / "away", tmp_path / "folder"
    away.mkdir()
    folder.mkdir()
    (folder / "sae.pt").symlink_to(saved(away, openai()))
    with pytest.raises(ScanFailed, match="is a link out of its folder"):
        bring(folder)
    (folder / "sae.pt").unlink()
    saved(folder, openai())
    (away / "secret.json").write_text('{"secret": 1}')
    (folder / "config.json").symlink_to(away / "secret.json")
    with pytest.raises(ScanFailed, match=r"config\.json: is a link out"):
        bring(folder)


def test_a_folder_is_taken_when_it_holds_one_pickled_file(tmp_path, bring):
    folder = tmp_path / "ae"
    folder.mkdir()
    saved(folder, openai(), "ae.pt")
    assert bring(folder).is_dir()
    saved(folder, openai(), "other.pt")
    with pytest.raises(ScanFailed, match=r"came ae\.pt, other\.pt; name a file"):
        unpickling.convert(folder, tmp_path / "second")


def shapes(*more, **turned):
    f, d = 8, 4
    known = {"W_enc": (d, f), "b_enc": (f,), "W_dec": (f, d), "b_dec": (d,)}
    return known | dict.fromkeys(more, (f,)) | turned


@pytest.mark.parametrize(
    ("found", "values", "config", "layout"),
    [
        (shapes(W_enc=(8, 4), W_dec=(4, 8)), {}, {}, "qwen_scope"),
        (shapes(), {}, {"trainer": {"dict_class": "JumpReluAutoEncoder"}}, "dictionary_learning"),
        (shapes("threshold"), {}, {}, "dictionary_learning"),
        (shapes(), {"k": 3, "group_sizes": [4, 4]}, {}, "dictionary_learning"),
        ({"W": (4, 8), "b_enc": (8,), "b_dec": (4,)}, {}, {}, "goodfire"),
    ],
)
def test_the_layout_is_guessed_from_what_is_there(found, values, config, layout):
    assert unpickling.guessed("sae.pt", found, values, config) == layout


@pytest.mark.parametrize(
    "found",
    [
        shapes(),  # The right names, the wrong way round.
        shapes(W_enc=(4, 4), b_enc=(4,), W_dec=(4, 4)),  # Either way round.
        shapes("more", W_enc=(8, 4), W_dec=(4, 8)),
        {"weight": (2, 2)},
    ],
)
def test_where_the_layout_cannot_be_told_it_is_asked_for(found):
    with pytest.raises(ScanFailed, match="say which with --layout: openai_v5, "):
        unpickling.guessed("sae.pt", found, {}, {})


def test_every_layout_that_is_brought_over_is_one_that_is_read(tmp_path, bring):
    assert set(unpickling.LAYOUTS) <= {each.NAME for each in formats.LAYOUTS}
    found = formats.open_sae(bring(saved(tmp_path, openai(), "resid_post_mlp_v5_32k.8.pt")))
    assert (found.format, found.k, found.d_sae, found.d_in) == ("openai_v5", 3, 8, 4)


def test_a_layout_nobody_knows_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ScanFailed, match="no pickled layout is called 'keras'"):
        unpickling.convert(tmp_path / "none.pt", tmp_path / "out", layout="keras")


def test_where_the_network_cannot_be_left_nothing_is_unpickled_unless_it_is_waived():
    asked = []
    with pytest.raises(child.Refused, match="--without-network-isolation"):
        child.leave_network(lambda flags: asked.append(flags) or -1, waived=False)
    assert asked == [child.NEW_USER | child.NEW_NET, child.NEW_NET]
    with pytest.raises(child.Refused, match="no process leave the network"):
        child.leave_network(lambda _: 0, waived=False)  # It says so and has not done it.
    child.leave_network(lambda _: -1, waived=True)


def test_the_child_reaches_nobody(waived):
    if waived:
        pytest.skip("this kernel lets no process leave the network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        reach = f"import socket; socket.create_connection({server.getsockname()!r}, 5)"
        assert in_a_process(reach).returncode == 0
        alone = (
            "from assessments.scanner import unpickling_child as child\n"
            "child.leave_network(child.unshare, waived=False)\n"
        )
        assert "Network is unreachable" in in_a_process(alone + reach).stderr


@pytest.mark.parametrize(
    "wish",
    [
        "socket.socket()",
        "os.system('true')",
        "subprocess.run(['true'])",
        "os.fork()",
        "open('elsewhere', 'w')",
        "os.symlink('a', 'b')",
    ],
)
def test_python_in_the_child_may_not_do_what_reading_never_needs(wish):
    script = (
        "import os, socket, subprocess, sys\n"
        "from assessments.scanner import unpickling_child as child\n"
        "sys.addaudithook(child.forbid)\n"
        f"{wish}"
    )
    assert "Refused: the file made Python try" in in_a_process(script).stderr


@pytest.mark.parametrize(
    "wish", ["socket.socket()", "os.fork()", "os.execv('/bin/true', ['true'])", "run()"]
)
def test_code_in_the_child_gets_no_socket_and_no_process_from_the_kernel(wish):
    if os.uname().machine not in child.FILTERS or sys.platform != "linux":
        pytest.skip("the filter is written for two kinds of machine")
    script = (
        "import os, socket, threading\n"
        "from assessments.scanner import unpickling_child as child\n"
        "run = threading.Thread(target=print).start\n"
        "child.hold_back()\n"
        "child.deny_calls()\n"
        f"print('before', flush=True)\n{wish}\nprint('after')"
    )
    answer = in_a_process(script)
    assert answer.stdout == "before\n"
    assert "Operation not permitted" in answer.stderr or "can't start new thread" in answer.stderr


def test_the_child_is_told_nothing_of_the_world_and_starts_bare(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    told = unpickling.bare_environment(tmp_path)
    assert set(told) == {
        "PATH", "LANG", "HOME", "TMPDIR",
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    }  # fmt: skip


def test_more_than_the_limits_allow_is_refused_as_such(tmp_path, waived):
    work = tmp_path / "work"
    work.mkdir()
    task = {"source": str(saved(tmp_path, openai(large=torch.ones(1 << 18)))),
            "network_waived": waived, "cpu_seconds": 60, "written_bytes": 1 << 12}  # fmt: skip
    (work / "task.json").write_text(json.dumps(task))
    answer = subprocess.run(
        [sys.executable, "-I", child.__file__, "task.json"],
        cwd=work, env=unpickling.bare_environment(tmp_path), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert answer.returncode == child.REFUSED
    assert "File too large" in answer.stdout
