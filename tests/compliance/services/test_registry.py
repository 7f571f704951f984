"""Versions are what their files hash to; manifests are numbered; serving is noted by whose word."""

import hashlib
import subprocess

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from compliance.actors import system
from compliance.audit import log
from compliance.machines import TransitionRefused
from compliance.models import ModelVersion
from compliance.permissions import NotAllowed, Permission
from compliance.services import account, registry
from tests import factories

pytestmark = pytest.mark.django_db
MAKER = system("tests")
FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "tokenizer").mkdir(parents=True)
    for path, data in {**FILES, "tokenizer/vocab.txt": b"a b"}.items():
        (made / path).write_bytes(data)
    return made


@pytest.fixture
def model(db):
    return registry.register_model(factories.make_system(), "Desk", by=MAKER)


def test_the_digest_is_one_that_anybody_can_compute(folder):
    files = registry.read_folder(folder)
    assert [file.path for file in files] == [
        "config.json",
        "model.safetensors",
        "tokenizer/vocab.txt",
    ]
    printed = subprocess.run(
        ["/usr/bin/sha256sum", *(file.path for file in files)],
        cwd=folder,
        capture_output=True,
        check=True,
    ).stdout
    assert registry.weights_digest(files) == hashlib.sha256(printed).hexdigest()


def test_the_same_files_are_the_same_version_whoever_brings_them(folder, model, tmp_path):
    first = registry.register_version(model, "1.0.0", folder, by=MAKER)
    copy = tmp_path / "copy"
    subprocess.run(["/bin/cp", "-r", folder, copy], check=True)
    other_model = registry.register_model(factories.make_system(), "Other", by=MAKER)
    assert registry.register_version(other_model, "7.0.0", copy, by=MAKER) == first
    assert first.files.count() == 3
    assert (
        len(
            [
                line
                for line in log.entries(objects=[first.uuid])
                if line.action == "version.register"
            ]
        )
        == 1
    )


def test_one_changed_byte_is_another_version(folder, model):
    first = registry.register_version(model, "1.0.0", folder, by=MAKER)
    (folder / "model.safetensors").write_bytes(b"weighty")
    second = registry.register_version(model, "1.0.1", folder, previous=first, by=MAKER)
    assert second != first
    assert second.weights_sha256 != first.weights_sha256
    assert second.previous == first


def test_the_database_holds_one_version_a_digest(folder, model):
    first = registry.register_version(model, "1.0.0", folder, by=MAKER)
    twin = ModelVersion(
        subject=factories.make_system().subject, model=model, name="2", weights_sha256=first.weights_sha256,
        location="", registered_at=first.registered_at,
    )  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


@pytest.mark.parametrize("ending", sorted(registry.REFUSED_ENDINGS))
def test_formats_that_can_run_code_are_refused(folder, ending):
    (folder / f"weights{ending.upper()}").write_bytes(b"code")
    with pytest.raises(registry.RegistryError, match="convert it to safetensors"):
        registry.read_folder(folder)


def test_a_link_is_refused_and_nothing_behind_it_is_read(folder, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "sly.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(registry.RegistryError, match=r"sly\.txt is a link"):
        registry.read_folder(folder)


def test_an_empty_folder_and_none_at_all_are_refused(tmp_path):
    with pytest.raises(registry.RegistryError, match="holds no files"):
        registry.read_folder(tmp_path)
    with pytest.raises(registry.RegistryError, match="not a folder"):
        registry.read_folder(tmp_path / "none")


def test_reading_reports_every_byte(folder):
    told = []
    registry.read_folder(folder, told.append)
    assert sum(told) == registry.size_of(folder) == 12


def test_manifests_are_numbered_and_their_digest_is_their_content():
    version = factories.make_version()
    one = registry.declare_manifest(version, tools=["b", "a"], by=MAKER)
    two = registry.declare_manifest(version, tools=["a", "b"], by=MAKER)
    three = registry.declare_manifest(version, tools=["a"], external_tools=["a"], by=MAKER)
    assert [one.number, two.number, three.number] == [1, 2, 3]
    assert one.sha256 == two.sha256 != three.sha256


def test_what_is_observed_is_noted_once_for_each_change_and_vantage():
    version = factories.make_version()
    deployment = factories.make_deployment(version.model.system)
    unknown = "ab" * 32
    for digest in (
        version.weights_sha256,
        version.weights_sha256,
        unknown,
        unknown,
        version.weights_sha256,
    ):
        registry.observe_serving(deployment, digest, said_by="telemetry", by=MAKER)
    registry.observe_serving(deployment, unknown, said_by="target", by=MAKER)
    said = list(
        deployment.servings.order_by("id").values_list("said_by", "weights_sha256", "version")
    )
    known = version.weights_sha256
    assert said == [
        ("telemetry", known, version.pk),
        ("telemetry", unknown, None),
        ("telemetry", known, version.pk),
        ("target", unknown, None),
    ]


def test_declaring_serves_and_an_ended_deployment_serves_no_more():
    version = factories.make_version()
    deployment = factories.make_deployment(version.model.system)
    registry.declare_serving(deployment, version, by=MAKER)
    assert version.deployments.get() == deployment
    registry.end_deployment(deployment, by=MAKER, note="Over.")
    with pytest.raises(TransitionRefused, match="is ended"):
        registry.declare_serving(deployment, version, by=MAKER)
    with pytest.raises(TransitionRefused, match="cannot end while ended"):
        registry.end_deployment(deployment, by=MAKER, note="Over.")


def test_each_verb_asks_for_its_permission(cy, folder, model):
    auditor = account.actor_for(cy)
    version = factories.make_version()
    deployment = factories.make_deployment()
    for refused in (
        lambda: registry.register_entity("X", "DE", by=auditor),
        lambda: registry.register_system(model.system.entity, "X", intended_purpose="", by=auditor),
        lambda: registry.register_model(model.system, "X", by=auditor),
        lambda: registry.register_version(model, "1", folder, by=auditor),
        lambda: registry.declare_manifest(version, tools=[], by=auditor),
        lambda: registry.register_deployment(model.system, "x", "canary", by=auditor),
        lambda: registry.declare_serving(deployment, version, by=auditor),
        lambda: registry.retire_version(version, by=auditor, note="No."),
        lambda: registry.end_deployment(deployment, by=auditor, note="No."),
    ):
        with pytest.raises(NotAllowed, match="Cy"):
            refused()


def test_a_restricted_system_is_written_by_grant_alone(ada, model):
    model.system.subject.restricted = True
    model.system.subject.save()
    with pytest.raises(NotAllowed):
        registry.register_model(model.system, "X", by=account.actor_for(ada))
    ada.grants.create(subject=model.system.subject, permission=Permission.INVENTORY_WRITE.value)
    assert registry.register_model(model.system, "X", by=account.actor_for(ada)).name == "X"


def test_the_command_registers_under_somebodys_name(ada, folder, model, capsys):
    call_command(
        "register_version", str(model.uuid), "3.0.0", str(folder), "--by", "ada@example.org"
    )
    made = ModelVersion.objects.get(name="3.0.0")
    assert made.registered_by == ada
    assert made.weights_sha256 in capsys.readouterr().out
    assert log.entries(objects=[made.uuid])[0].actor_label == "Ada"


@pytest.mark.parametrize("by", ["nobody@example.org", "cy@example.org"])
def test_the_command_refuses_strangers_and_those_who_may_not(cy, folder, model, by):
    with pytest.raises(CommandError):
        call_command("register_version", str(model.uuid), "3.0.0", str(folder), "--by", by)
    assert not ModelVersion.objects.exists()
