"""Names of read points, looked at before they go anywhere."""

import pytest

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import naming


@pytest.mark.parametrize(
    "name", ["blocks.8.hook_resid_post", "model.layers.3.mlp.output", "h.0.attn", "hook_embed"]
)
def test_names_of_read_points_pass(name):
    assert naming.hook_name("cfg.json", name) == name
    assert naming.known_point(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "../../etc/passwd", "blocks..hook", "a/b", "blocks.8\n", "blocks.8\x00", "{layer}", "ä" * 3,
     "x" * 201, "blocks 8"],
)  # fmt: skip
def test_what_no_read_point_is_called_is_refused(name):
    with pytest.raises(ScanFailed, match=r"cfg.json: expected a read point as blocks"):
        naming.hook_name("cfg.json", name)


def test_a_plain_name_need_not_be_known():
    assert naming.hook_name("cfg.json", "encoder.4.out") == "encoder.4.out"
    assert naming.known_point("encoder.4.out") == ""
