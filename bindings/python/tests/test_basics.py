"""What needs no other agent: errors, identities, policies, values."""

from __future__ import annotations

import copy
import datetime
import doctest
import importlib
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import agentmesh
import pytest
from agentmesh import (
    Accept,
    AgentMeshClient,
    AgentMeshError,
    AuthenticationError,
    Backup,
    ErrorCode,
    ErrorKind,
    Identity,
    InternalError,
    InvalidInputError,
    Key,
    MemoryStorage,
    Policy,
    Reject,
    Stage,
    _native,
    safety_number,
    verify,
)
from agentmesh._errors import _CLASSES
from agentmesh._values import encode, milliseconds, seconds

AMID = "3vaLv8qnmGSndxmYvHiHWN3cb312"


def test_error_codes_are_those_of_rust() -> None:
    native = {code: (kind, retryable) for code, kind, retryable in _native.error_codes()}
    named = {code.value for code in ErrorCode}
    assert named == set(native), "run bindings/python/generate_codes.py"
    assert {kind for kind, _ in native.values()} <= {kind.value for kind in ErrorKind}
    # The glossary of the documents knows every code but those of the bindings and of parts that are not in the wheel.
    for code in ("AGENT_CLOSED", "STORAGE_CONFLICT", "BINDING_FORKED", "STORAGE_NO_CONDITIONAL_WRITES"):
        assert code in native


def test_each_kind_has_a_class_and_errors_survive_pickling() -> None:
    assert {kind.value for kind in ErrorKind} == set(_CLASSES)
    assert len(set(_CLASSES.values())) == len(_CLASSES)
    for kind, made in _CLASSES.items():
        error = made("words", "CODE", ErrorKind(kind), True, {"a": 1})
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is made and isinstance(again, AgentMeshError)
        assert (str(again), again.code, again.retryable, again.details) == ("words", "CODE", True, {"a": 1})
    assert issubclass(agentmesh.DeadlineError, TimeoutError)
    assert issubclass(agentmesh.NetworkError, ConnectionError)
    assert issubclass(agentmesh.InvalidInputError, ValueError)


async def test_a_panic_is_an_internal_error() -> None:
    with pytest.raises(InternalError) as caught:
        await _native.panic_for_tests()
    assert caught.value.code == ErrorCode.BINDING_PANICKED
    assert caught.value.kind is ErrorKind.INTERNAL


def test_identities_sign_and_back_up_and_show_no_key() -> None:
    identity = Identity.generate()
    assert verify(identity.signing_key, b"hello", identity.sign(b"hello"))
    assert not verify(identity.signing_key, b"hallo", identity.sign(b"hello"))
    assert not verify(identity.signing_key, b"hello", b"no signature")
    backup = identity.back_up("correct horse")
    assert Identity.restore(backup, "correct horse") == identity
    assert Backup(backup, "correct horse").amid == identity.amid
    with pytest.raises(AuthenticationError) as caught:
        Identity.restore(backup, "wrong")
    assert caught.value.code == ErrorCode.BACKUP_WRONG_PASSPHRASE
    with pytest.raises(InvalidInputError):
        identity.back_up("")
    assert Identity.from_json(identity.to_json()) == identity
    assert repr(identity) == f"<Identity {identity.amid}>"
    assert identity.created_at.tzinfo is datetime.timezone.utc
    assert identity.did == f"did:agentmesh:{identity.amid}"
    assert len(identity.fingerprint.split()) == 6
    other = Identity.generate()
    number = safety_number(identity.signing_key, other.signing_key)
    assert number == safety_number(other.signing_key, identity.signing_key)
    assert len(number.split()) == 12


def test_pickling_an_identity_is_refused_with_a_hint() -> None:
    identity = Identity.generate()
    with pytest.raises(TypeError, match="back_up"):
        pickle.dumps(identity)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(Backup(identity.back_up("p"), "p"))
    assert copy.deepcopy(identity) is identity
    with pytest.raises(TypeError, match="generate"):
        Identity()


def test_what_the_protocol_signs_is_not_signed_for_applications() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Identity.generate().sign(b"\0\0\0\x11agentmesh/0.3 opk")
    assert caught.value.code == ErrorCode.IDENTITY_RESERVED_INPUT


def test_policies_judge_and_refuse_what_they_do_not_understand() -> None:
    assert Policy.permissive().evaluate(AMID, "weather") == Accept(300)
    refused = Policy.verified().evaluate(AMID, "weather")
    assert isinstance(refused, Reject) and "below minimum" in refused.reason
    assert isinstance(Policy.verified().evaluate(AMID, "x", tier="verified", reputation=0.9), Accept)
    with pytest.raises(InvalidInputError) as caught:
        Policy(min_teir="verified")
    assert caught.value.code == ErrorCode.POLICY_MALFORMED
    policy = Policy(allowed_intents={"b", "a"})
    assert policy["allowed_intents"] == ["a", "b"]
    assert isinstance(policy.evaluate(AMID, "c"), Reject)
    assert isinstance(policy.replace(allowed_intents=["c"]).evaluate(AMID, "c"), Accept)
    assert Policy.from_json(policy.to_json()) == policy
    with pytest.raises(InvalidInputError):
        Policy.permissive().evaluate("nobody", "x")


def test_policy_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"min_tier": "organization"}')
    assert Policy.from_file(path)["min_tier"] == "organization"


def test_values_are_those_of_python() -> None:
    assert Stage.DELIVERED > Stage.STORED > Stage.QUEUED
    assert encode(None) is None
    assert encode(bytearray(b"x")) == b"x"
    assert encode({"ä": [1, None]}) == '{"ä":[1,null]}'
    with pytest.raises(ValueError):
        encode(float("nan"))
    with pytest.raises(TypeError):
        encode(object())  # type: ignore[arg-type]
    assert seconds(datetime.timedelta(minutes=1)) == 60
    assert milliseconds(0.0001) == 1
    with pytest.raises(ValueError):
        seconds(-1)


def test_arguments_of_the_wrong_kind_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="32 bytes"):
        AgentMeshClient(MemoryStorage(), key="secret")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode"):
        AgentMeshClient(MemoryStorage(), key=Key.random(), mode="maybe")
    client = AgentMeshClient(MemoryStorage(), key=Key.random())
    with pytest.raises(RuntimeError, match="not open"):
        _ = client.amid
    assert "value" not in repr(Key.passphrase("secret")) and "secret" not in repr(Key.passphrase("secret"))


async def test_a_wrong_key_and_a_misspelt_url_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await AgentMeshClient(MemoryStorage(), key=b"short", offline=True).open()
    assert caught.value.code == ErrorCode.BINDING_ARGUMENT
    with pytest.raises(InvalidInputError) as caught:
        await AgentMeshClient("agent.db", key=Key.random(), offline=True).open()
    assert caught.value.code == ErrorCode.STORAGE_INVALID_URL
    with pytest.raises(agentmesh.NotFoundError) as missing:
        await AgentMeshClient(f"sqlite:{tmp_path}/a.db", key=Key.random(), offline=True, mode="load").open()
    assert missing.value.code == ErrorCode.AGENT_NO_IDENTITY


async def test_the_log_of_the_core_comes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="agentmesh")
    async with AgentMeshClient(MemoryStorage(), key=Key.random(), offline=True):
        pass
    agentmesh.refresh_log_level()
    from agentmesh._logging import _log

    _log((2, "agentmesh_core::client::relay", "gone", 3))
    names = {record.name for record in caplog.records}
    assert "agentmesh.core.client.relay" in names
    assert any("3 records" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("module", ["agentmesh", "agentmesh._policy", "agentmesh._identity", "agentmesh.sync"])
def test_the_examples_in_docstrings_run(module: str) -> None:
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testmod(importlib.import_module(module), optionflags=flags)
    assert result.failed == 0


def test_everything_public_has_a_docstring() -> None:
    for name in agentmesh.__all__:
        found = getattr(agentmesh, name)
        if name == "Decision":  # a union, which cannot have one
            continue
        assert found.__doc__, name
        if isinstance(found, type) and found.__module__ == "agentmesh":
            for attribute, value in vars(found).items():
                if not attribute.startswith("_") and callable(value):
                    assert value.__doc__, f"{name}.{attribute}"


def test_importing_is_quick_and_loads_no_test_code() -> None:
    script = (
        "import sys, time, asyncio; before = time.process_time(); import agentmesh; "
        "print(time.process_time() - before, 'pytest' in sys.modules, 'agentmesh.testing' in sys.modules)"
    )
    runs = [subprocess.check_output([sys.executable, "-c", script], text=True).split() for _ in range(5)]
    assert all(run[1:] == ["False", "False"] for run in runs)
    # Of the processor's time, so that it does not matter what else the machine does.
    assert min(float(run[0]) for run in runs) < 0.15
