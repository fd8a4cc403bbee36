"""deploy/cloudformation.yaml: what it lets in, out and happen, and its command at work. `make check` has cfn-lint."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import SCRIPT, environment
from containers import DEPLOY, UNSHARE, Image, namespaces
from place import LONG, Place, placed

from dynamic_dynamodb.aws import iam
from dynamic_dynamodb.configuration import loader

PAGE = DEPLOY.parent / "docs" / "fargate.md"
FOLDER = "/run/dynamic-dynamodb"
VARIABLE = "DYNAMIC_DYNAMODB_CONF"
TABLES = ["arn:aws:dynamodb:eu-west-1:*:table/orders", "arn:aws:dynamodb:eu-west-1:*:table/users"]
TOPIC = "arn:aws:sns:eu-west-1:123456789012:scaling"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "dd",
}
NOTHING = object()  # AWS::NoValue


# The template, read as CloudFormation reads it


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags: `!Ref x` is {"Ref": "x"}, `!Sub x` {"Fn::Sub": "x"}."""


def _function(loader: Loader, name: str, node: yaml.ScalarNode | yaml.SequenceNode) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {name if name == "Ref" else f"Fn::{name}": loader.construct_scalar(node)}
    return {f"Fn::{name}": loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", _function)
TEMPLATE: dict[str, Any] = yaml.load((DEPLOY / "cloudformation.yaml").read_text(), Loader)  # noqa: S506 - a safe one


class Stack:
    """What the template says with these parameters. What only AWS knows stands as Name or Name.Attribute."""

    def __init__(self, **parameters: object) -> None:
        declared = {name: _default(given) for name, given in TEMPLATE["Parameters"].items()}
        self.names = {**PSEUDO, **dict.fromkeys(TEMPLATE["Resources"]), **declared, **parameters}
        self.conditions = {name: self.value(given) for name, given in TEMPLATE["Conditions"].items()}
        self.resources: dict[str, Any] = self.value(TEMPLATE["Resources"])

    def properties(self, name: str) -> Any:
        return self.resources[name]["Properties"]

    def of_type(self, pattern: str) -> list[str]:
        return [name for name, given in self.resources.items() if re.fullmatch(pattern, given["Type"])]

    def statements(self, role: str) -> dict[str, tuple[list[str], list[str]]]:
        """Actions and resources of each statement of the role's one policy, all of which allow."""
        (policy,) = self.properties(role)["Policies"]
        found = policy["PolicyDocument"]["Statement"]
        assert {one["Effect"] for one in found} == {"Allow"}
        return {one["Sid"]: (one["Action"], one["Resource"]) for one in found}

    @property
    def container(self) -> Any:
        (only,) = self.properties("TaskDefinition")["ContainerDefinitions"]
        return only

    def value(self, given: Any) -> Any:
        if isinstance(given, list):
            return [value for value in map(self.value, given) if value is not NOTHING]
        if not isinstance(given, dict):
            return given
        name = next(iter(given), "")
        if name == "Ref" or str(name).startswith("Fn::"):
            return self._call(name, given[name])
        return {
            key: value for key, value in ((key, self.value(one)) for key, one in given.items()) if value is not NOTHING
        }

    def _call(self, function: str, given: Any) -> Any:
        if function == "Fn::If":
            condition, then, otherwise = given
            return self.value(then if self.conditions[condition] else otherwise)
        given = self.value(given)
        calls: dict[str, Callable[[], Any]] = {
            "Ref": lambda: NOTHING if given == "AWS::NoValue" else self._named(given),
            "Fn::GetAtt": lambda: given,
            "Fn::Sub": lambda: re.sub(r"\$\{(.+?)\}", lambda found: str(self._named(found[1])), given),
            "Fn::Join": lambda: given[0].join(given[1]),
            "Fn::Equals": lambda: given[0] == given[1],
            "Fn::Not": lambda: not given[0],
        }
        return calls[function]()

    def _named(self, name: str) -> Any:
        found = self.names[name]
        return name if found is None else found


def _default(parameter: Mapping[str, Any]) -> Any:
    """None where it has none: such a parameter stands as its name."""
    value: str | None = parameter.get("Default")
    return value.split(",") if value is not None and parameter["Type"] == "CommaDelimitedList" else value


# What it says


def test_never_two_tasks() -> None:
    stack = Stack()
    assert stack.of_type(r"AWS::ECS::Service") == ["Service"]
    assert not stack.of_type(r".*(ScalableTarget|ScalingPolicy|TaskSet)")
    service = stack.properties("Service")
    assert service["DesiredCount"] == 1
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)


def test_nothing_comes_in() -> None:
    stack = Stack()
    assert stack.of_type(r"AWS::EC2::.*") == ["SecurityGroup"]
    group = stack.properties("SecurityGroup")
    assert "SecurityGroupIngress" not in group
    ways = {(way["IpProtocol"], way["FromPort"], way["ToPort"]) for way in group["SecurityGroupEgress"]}
    assert ways == {("tcp", 443, 443)}
    network = stack.properties("Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["SecurityGroups"] == ["SecurityGroup"]
    assert "LoadBalancers" not in stack.properties("Service")
    assert "PortMappings" not in stack.container


def policy(text: str, tmp_path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """What --print-iam-policy says for a configuration file of this text."""
    file = tmp_path / "dd.conf"
    file.write_text(f"[global]\nregion: eu-west-1\n{text}")
    found = iam.policy(loader.load({"config": str(file)}).config)
    return {one["Sid"]: (one["Action"], one["Resource"]) for one in found["Statement"]}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "[table: .*]\n"),
        ({"TopicArns": [TOPIC]}, f"[table: .*]\nsns-topic-arn: {TOPIC}\nsns-message-types: scale-up\n"),
        ({"TableArns": TABLES}, "[table: ^orders$]\n[table: ^users$]\n"),
        ({"TableArns": [*TABLES, f"{TABLES[0]}-*"]}, "[table: ^orders$]\n[table: ^users$]\n[table: ^orders-.*]\n"),
    ],
    ids=["any configuration", "a topic", "tables by name", "tables by expression"],
)
def test_the_task_may_do_what_the_program_needs(parameters: Mapping[str, Any], text: str, tmp_path: Path) -> None:
    """A template cannot tell whether a name is an expression, so that ListTables is always there."""
    listing = {"FindTables": (["dynamodb:ListTables"], ["*"])}
    assert Stack(**parameters).statements("TaskRole") == {**listing, **policy(text, tmp_path)}


def test_fargate_may_fetch_the_configuration_and_write_the_log_and_no_more() -> None:
    stack = Stack(ConfigParameter="/a/b")
    statements = stack.statements("ExecutionRole")
    arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b"
    assert stack.container["Secrets"] == [{"Name": VARIABLE, "ValueFrom": arn}]
    assert statements["FetchConfiguration"] == (["ssm:GetParameters"], [arn])
    assert statements["WriteLog"][1] == ["LogGroup.Arn"]
    anywhere = [action for actions, resources in statements.values() if resources == ["*"] for action in actions]
    assert anywhere == ["ecr:GetAuthorizationToken"]
    assert not [action for actions, _ in statements.values() for action in actions if "*" in action]


def test_the_container_is_that_of_the_image() -> None:
    """What deploy/Dockerfile says is said again, since ECS reads some of it from here alone, and is the same."""
    image, container = Image(), Stack().container
    *_, last = container["Command"][0].replace("\\\n", " ").splitlines()
    assert shlex.split(last) == ["exec", *image.entry, "--config", f"{FOLDER}/dynamic-dynamodb.conf"]
    health = container["HealthCheck"]
    assert health["Command"] == ["CMD", *image.health]
    seconds = {"interval": health["Interval"], "timeout": health["Timeout"], "start-period": health["StartPeriod"]}
    assert image.final["HEALTHCHECK"].split("CMD")[0].split() == [f"--{key}={value}s" for key, value in seconds.items()]
    assert container["User"] == image.final["USER"]
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}
    assert [mount["ContainerPath"] for mount in container["MountPoints"]] == [FOLDER]
    assert image.final["VOLUME"] == f'["{FOLDER}"]'
    assert container["StopTimeout"] == 120
    assert container["Environment"] == [{"Name": "AWS_REGION", "Value": "eu-west-1"}]


# Its command at work


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as made:
        yield made


def words(place: Place) -> list[str]:
    container = Stack().container
    return [word.replace(FOLDER, str(place.folder)) for word in (*container["EntryPoint"], *container["Command"])]


def surroundings(place: Place, **more: str) -> dict[str, str]:
    path = f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"
    return environment(**place.env(AWS_REGION="us-east-1", PATH=path, **more))


# As process 1, with nothing to write to but the one folder.
CONFINED = [*UNSHARE, "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"']


def test_the_command_starts_the_program_with_the_configuration(place: Place) -> None:
    place.configure(interval=1, logging="log-level: info")
    text = place.conf.read_text() + "# 100 %s of 'it' \\n \\\\ \"$HOME\" `id` -n\n# the end"
    confine = [*CONFINED, str(place.folder)] if namespaces() else []
    with place.log.open("w") as log:
        outside = subprocess.Popen(  # noqa: S603
            [*confine, *words(place)], env=surroundings(place, **{VARIABLE: text}), stdout=log, stderr=log
        )
    try:
        place.wait_for("my-table - reads 50.0 % of 100: stays")
        pid = outside.pid
        if confine:
            assert place.pid("default") == 1
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        else:
            assert place.pid("default") == pid
        file = place.folder / "dynamic-dynamodb.conf"
        assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{text}\n", 0o600)
        seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert b"AWS_REGION" in seen
        assert not [secret for secret in (VARIABLE.encode(), b"my-", b"the end") if secret in seen]
        place.hang_up(pid)
        place.end(pid, signal.SIGTERM)
        assert outside.wait(LONG) == 0
        left = {f"dynamic-dynamodb.default.{kind}" for kind in ("lock", "state", "state.lock")}
        assert {one.name for one in place.folder.iterdir()} == {file.name, *left}
    finally:
        outside.kill()
        outside.wait()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, f"{VARIABLE}: parameter not set"),
        ({VARIABLE: "[table: a]\nreads-uper-threshold: 9"}, "reads-uper-threshold"),
    ],
    ids=["none", "bad"],
)
def test_without_a_configuration_it_ends_and_says_why(more: Mapping[str, str], said: str, place: Place) -> None:
    env = surroundings(place, **more)
    done = subprocess.run(words(place), env=env, capture_output=True, text=True, timeout=LONG, check=False)  # noqa: S603
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


# The document


def test_the_page_explains_everything() -> None:
    text = PAGE.read_text()
    named = [name for part in ("Parameters", "Resources", "Outputs") for name in TEMPLATE[part]]
    assert [name for name in named if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", TEMPLATE["Parameters"])
def test_the_page_has_the_defaults(name: str) -> None:
    rows = [row.split("|") for row in re.findall(r"^\|.*$", PAGE.read_text(), re.M)]
    (default,) = (cells[2].strip(" `") for cells in rows if f"`{name}`" in cells[1])
    given = TEMPLATE["Parameters"][name].get("Default", "none")
    assert default == (str(given) or "empty")
