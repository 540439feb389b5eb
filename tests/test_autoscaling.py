"""Application Auto Scaling of provisioned concurrency, as boto3, the AWS CLI and Terraform use it.

How target tracking follows a load takes minutes; it is tested with a clock of its own in crates/services.
"""

import datetime
import json
import shutil

import pytest

from support import packages
from support.errors import error_of
from support.server import Server
from support.wait import until
from test_terraform import Terraform

ECHO = packages.python("def handler(event, context):\n    return event\n")
DIMENSION = "lambda:function:ProvisionedConcurrency"
METRIC = "LambdaProvisionedConcurrencyUtilization"
ROLE = "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
WORDS = f"service namespace: lambda, resource ID: {{}}, scalable dimension: {DIMENSION}"


class Scaling:
    """The API, for one alias."""

    def __init__(self, server, function, qualifier="live", client=None):
        self.client = client or server.client("application-autoscaling")
        self.function = function
        self.resource_id = f"function:{function.name}:{qualifier}"
        self.qualifier = qualifier
        self.subject = {
            "ServiceNamespace": "lambda", "ResourceId": self.resource_id, "ScalableDimension": DIMENSION,
        }

    def __getattr__(self, operation):
        return lambda **members: getattr(self.client, operation)(**{**self.subject, **members})

    def register(self, minimum, maximum, **members):
        return self.register_scalable_target(MinCapacity=minimum, MaxCapacity=maximum, **members)

    def target(self):
        shown = self.client.describe_scalable_targets(ServiceNamespace="lambda", ResourceIds=[self.resource_id])
        return next(iter(shown["ScalableTargets"]), None)

    def track(self, **configuration):
        return self.put_scaling_policy(
            PolicyName="track", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 0.7, "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC}, **configuration,
            })

    def schedule(self, name, schedule, **action):
        return self.put_scheduled_action(ScheduledActionName=name, Schedule=schedule, ScalableTargetAction=action)

    def activities(self):
        return self.describe_scaling_activities()["ScalingActivities"]

    def provisioned(self):
        """Requested and status; none when nothing is provisioned."""
        try:
            read = self.function.client.get_provisioned_concurrency_config(
                FunctionName=self.function.name, Qualifier=self.qualifier)
        except self.function.client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ProvisionedConcurrencyConfigNotFoundException"
            return None
        return read["RequestedProvisionedConcurrentExecutions"], read["Status"]

    def wait_for(self, provisioned):
        until(lambda: self.provisioned() == provisioned, 30, f"{provisioned} to be provisioned")

    def wait_for_activity(self, description, status="Successful"):
        def found():
            return next((one for one in self.activities()
                         if (one["Description"], one["StatusCode"]) == (description, status)), None)
        return until(found, 30, f"{description}: {status}")


@pytest.fixture
def scaling(server, deploy):
    function = deploy("python3.12", ECHO, Publish=True)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    return Scaling(server, function)


def soon(seconds):
    """An `at` that is so many seconds ahead."""
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return f"at({time:%Y-%m-%dT%H:%M:%S})"


def test_the_bounds_of_a_target_move_what_is_provisioned_at_once(server, scaling):
    arn = scaling.register(2, 5, Tags={"team": "a"})["ScalableTargetARN"]
    assert arn.startswith("arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/")
    scaling.wait_for((2, "READY"))
    activity = scaling.wait_for_activity("Setting desired concurrency to 2.")
    assert activity["Cause"] == "minimum capacity was set to 2"
    assert activity["StatusMessage"] == (
        "Successfully set desired concurrency to 2. Change successfully fulfilled by lambda.")
    assert activity["StartTime"] <= activity["EndTime"]
    target = scaling.target()
    assert (target["MinCapacity"], target["MaxCapacity"], target["ScalableTargetARN"]) == (2, 5, arn)
    assert target["RoleARN"].endswith(f":role/aws-service-role/lambda.application-autoscaling.amazonaws.com/{ROLE}")
    assert server.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"] == target["RoleARN"]
    assert set(target["SuspendedState"].values()) == {False}

    scaling.register_scalable_target(MinCapacity=3)
    scaling.wait_for((3, "READY"))
    scaling.register(1, 1)
    scaling.wait_for((1, "READY"))
    scaling.register(0, 0)
    scaling.wait_for(None)


def test_a_capacity_beyond_the_limits_is_a_failed_activity(scaling):
    scaling.register(950, 950)
    activity = scaling.wait_for_activity("Setting desired concurrency to 950.", "Failed")
    assert activity["StatusMessage"] == (
        "Failed to set desired concurrency to 950. Reason: Specified ConcurrentExecutions for function is greater than "
        "account's unreserved concurrency [900].")
    assert scaling.provisioned() is None


def test_a_policy_has_the_arn_and_the_alarms_that_aws_makes(scaling):
    scaling.register(1, 4)
    put = scaling.track(ScaleInCooldown=60, ScaleOutCooldown=30)
    name = scaling.resource_id
    assert put["PolicyARN"].startswith("arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:")
    assert put["PolicyARN"].endswith(f":resource/lambda/{name}:policyName/track")
    for alarm, word in zip(put["Alarms"], ("High", "Low"), strict=True):
        assert alarm["AlarmName"].startswith(f"TargetTracking-{name}-Alarm{word}-")
        assert alarm["AlarmARN"] == f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{alarm['AlarmName']}"
    (policy,) = scaling.describe_scaling_policies()["ScalingPolicies"]
    assert (policy["PolicyARN"], policy["Alarms"]) == (put["PolicyARN"], put["Alarms"])
    assert policy["PolicyType"] == "TargetTrackingScaling" and policy["CreationTime"]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 0.7, "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        "ScaleInCooldown": 60, "ScaleOutCooldown": 30,
    }
    assert scaling.describe_scaling_policies(PolicyNames=["other"])["ScalingPolicies"] == []
    scaling.delete_scaling_policy(PolicyName="track")
    assert error_of(scaling.delete_scaling_policy, PolicyName="track") == (
        "ObjectNotFoundException", f"No scaling policy found for {WORDS.format(name)}, policy name: track", 400)


def test_a_scheduled_action_moves_the_capacity(scaling):
    scaling.register(0, 5)
    scaling.schedule("soon", soon(2), MinCapacity=2, MaxCapacity=3)
    assert scaling.provisioned() is None and scaling.target()["MaxCapacity"] == 5
    scaling.wait_for((2, "READY"))
    target = scaling.target()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 3)
    fired = scaling.wait_for_activity("Setting min capacity to 2 and max capacity to 3")
    assert fired["Cause"] == "scheduled action name soon was triggered"
    moved = scaling.wait_for_activity("Setting desired concurrency to 2.")
    assert moved["StartTime"] >= fired["StartTime"]
    (action,) = scaling.describe_scheduled_actions()["ScheduledActions"]
    assert action["ScheduledActionARN"].endswith(f":resource/lambda/{scaling.resource_id}:scheduledActionName/soon")
    scaling.delete_scheduled_action(ScheduledActionName="soon")
    assert scaling.describe_scheduled_actions()["ScheduledActions"] == []


def test_suspended_actions_do_not_act(scaling):
    scaling.register(0, 5, SuspendedState={"ScheduledScalingSuspended": True})
    first = soon(1)
    scaling.schedule("first", first, MinCapacity=1)
    until(lambda: soon(-1) > first, 10, "the first to be over")
    scaling.register_scalable_target(SuspendedState={"ScheduledScalingSuspended": False})
    scaling.schedule("second", soon(2), MaxCapacity=4)
    until(lambda: scaling.target()["MaxCapacity"] == 4, 10, "the second to act")
    assert scaling.target()["MinCapacity"] == 0 and scaling.provisioned() is None


def test_what_was_missed_while_no_server_ran_is_not_made_up_for(deploy_on):
    with Server() as server:
        function = deploy_on(server, "python3.12", ECHO, Publish=True)
        function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
        scaling = Scaling(server, function)
        scaling.register(1, 5)
        scaling.wait_for((1, "READY"))
        missed = soon(2)
        scaling.schedule("missed", missed, MinCapacity=4)
        scaling.schedule("later", "rate(1 day)", MinCapacity=3)
        server.stop()
        until(lambda: soon(0) > missed, 10, "its time to pass")
        server.start()
        until(lambda: scaling.provisioned() == (1, "READY"), 30, "what is provisioned to be there again")
        scaling.schedule("soon", soon(1), MaxCapacity=2)
        until(lambda: scaling.target()["MaxCapacity"] == 2, 10, "the next to act")
        assert scaling.target()["MinCapacity"] == 1
        assert len(scaling.describe_scheduled_actions()["ScheduledActions"]) == 3


def test_what_belongs_to_a_target_goes_with_it(scaling):
    scaling.register(0, 5)
    scaling.track()
    scaling.schedule("daily", "cron(0 8 ? * MON-FRI *)", MinCapacity=2)
    scaling.deregister_scalable_target()
    assert scaling.target() is None
    assert scaling.describe_scaling_policies()["ScalingPolicies"] == []
    assert scaling.describe_scheduled_actions()["ScheduledActions"] == []
    assert error_of(scaling.deregister_scalable_target) == (
        "ObjectNotFoundException", f"No scalable target found for {WORDS.format(scaling.resource_id)}", 400)


@pytest.mark.parametrize("what", ["alias", "function"])
def test_a_target_goes_with_what_it_scales(scaling, what):
    scaling.register(1, 5)
    scaling.wait_for((1, "READY"))
    function = scaling.function
    if what == "alias":
        function.client.delete_alias(FunctionName=function.name, Name="live")
    else:
        function.delete()
    assert scaling.target() is None
    assert error_of(scaling.register, minimum=1, maximum=5) == (
        "ValidationException", f"Lambda function version or alias does not exist: {scaling.resource_id}", 400)


def test_tags(scaling):
    arn = scaling.register(0, 5, Tags={"team": "a"})["ScalableTargetARN"]
    scaling.client.tag_resource(ResourceARN=arn, Tags={"stage": "test"})
    scaling.client.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert scaling.client.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "test"}
    other = arn[:-1] + ("0" if arn[-1] != "0" else "1")
    assert error_of(scaling.client.list_tags_for_resource, ResourceARN=other)[0] == "ResourceNotFoundException"


def test_lists_come_in_pages(server, deploy):
    function = deploy("python3.12", ECHO, Publish=True)
    names = [f"alias-{number}" for number in range(5)]
    for name in names:
        function.client.create_alias(FunctionName=function.name, Name=name, FunctionVersion="1")
    all_of_them = [Scaling(server, function, name) for name in names]
    for scaling in all_of_them:
        scaling.register(0, 3)
        scaling.track()
        for action in ("a", "b"):
            scaling.schedule(action, "rate(1 day)", MaxCapacity=2)
    client = all_of_them[0].client
    ids = [scaling.resource_id for scaling in all_of_them]

    def pages(operation, **members):
        found = client.get_paginator(operation).paginate(
            ServiceNamespace="lambda", PaginationConfig={"PageSize": 2}, **members)
        return [page for page in found]

    targets = [one["ResourceId"] for page in pages("describe_scalable_targets", ResourceIds=ids) for one in page["ScalableTargets"]]
    assert targets == ids
    policies = [one["ResourceId"] for page in pages("describe_scaling_policies") for one in page["ScalingPolicies"]]
    assert [one for one in policies if one in ids] == ids
    actions = [(one["ResourceId"], one["ScheduledActionName"])
               for page in pages("describe_scheduled_actions") for one in page["ScheduledActions"]]
    assert [one for one in actions if one[0] in ids] == [(name, action) for name in ids for action in "ab"]
    assert error_of(client.describe_scalable_targets, ServiceNamespace="lambda", NextToken="?")[0] == (
        "InvalidNextTokenException")


def test_what_cannot_act_is_refused(server, scaling):
    lax = Scaling(server, scaling.function, client=server.client("application-autoscaling", parameter_validation=False))
    assert error_of(scaling.track) == (
        "ObjectNotFoundException", f"No scalable target registered for {WORDS.format(scaling.resource_id)}", 400)
    assert error_of(scaling.register_scalable_target, MinCapacity=1)[0] == "ValidationException"
    scaling.register(0, 5)
    for call, members, words in (
        (scaling.register, {"minimum": 6, "maximum": 5}, "Maximum capacity cannot be less than minimum capacity"),
        (scaling.register_scalable_target, {"ServiceNamespace": "ecs"}, "the service namespace is lambda, not ecs"),
        (lax.register_scalable_target, {"ServiceNamespace": "s3"}, "Member must satisfy enum value set: [ecs, "),
        (scaling.register_scalable_target, {"ResourceId": "function:x"}, "Unsupported service namespace"),
        (scaling.put_scaling_policy, {"PolicyName": "p"}, "The policy type StepScaling is not supported"),
        (scaling.track, {"TargetValue": 70}, "must be between 0.1 and 0.9"),
        (scaling.schedule, {"name": "a", "schedule": "cron(0 0 * * *)", "MinCapacity": 1}, "six fields"),
        (scaling.schedule, {"name": "a", "schedule": "at(2020-01-01T00:00:00)", "MinCapacity": 1}, "no time in the future"),
        (scaling.schedule, {"name": "a:b", "schedule": "rate(1 day)", "MinCapacity": 1}, "regular expression pattern"),
    ):
        code, message, status = error_of(call, **members)
        assert (code, status) == ("ValidationException", 400) and words in message, message
    now = datetime.datetime.now(datetime.timezone.utc)
    code, message, _ = error_of(
        scaling.get_predictive_scaling_forecast, PolicyName="p", StartTime=now, EndTime=now)
    assert code == "ValidationException" and "does not serve GetPredictiveScalingForecast" in message


def test_the_aws_cli(server, scaling):
    def aws(operation, *arguments, output=True):
        result = server.aws(
            "application-autoscaling", operation, "--service-namespace", "lambda", "--resource-id", scaling.resource_id,
            "--scalable-dimension", DIMENSION, *arguments)
        return json.loads(result.stdout) if output else None

    assert "ScalableTargetARN" in aws("register-scalable-target", "--min-capacity", "1", "--max-capacity", "2")
    configuration = {"TargetValue": 0.5, "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC}}
    put = aws("put-scaling-policy", "--policy-name", "track", "--policy-type", "TargetTrackingScaling",
              "--target-tracking-scaling-policy-configuration", json.dumps(configuration))
    assert len(put["Alarms"]) == 2
    aws("put-scheduled-action", "--scheduled-action-name", "nightly", "--schedule", "cron(0 22 * * ? *)",
        "--timezone", "Europe/Berlin", "--start-time", "2030-01-01T00:00:00Z", "--scalable-target-action",
        "MinCapacity=0,MaxCapacity=0", output=False)
    (action,) = aws("describe-scheduled-actions")["ScheduledActions"]
    assert (action["Timezone"], action["ScalableTargetAction"]) == ("Europe/Berlin", {"MinCapacity": 0, "MaxCapacity": 0})
    assert action["StartTime"] == datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc).timestamp()
    scaling.wait_for((1, "READY"))
    assert aws("describe-scaling-activities")["ScalingActivities"][0]["Cause"] == "minimum capacity was set to 1"
    aws("deregister-scalable-target", output=False)


CONFIGURATION = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {
  type = string
}

variable "most" {
  type    = number
  default = 4
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  skip_credentials_validation = true
  endpoints {
    applicationautoscaling = var.endpoint
    lambda                 = var.endpoint
  }
}

resource "aws_lambda_function" "scaled" {
  function_name    = "scaled"
  role             = "arn:aws:iam::000000000000:role/lambda"
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = "scaled.zip"
  source_code_hash = filebase64sha256("scaled.zip")
  publish          = true
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.scaled.function_name
  function_version = aws_lambda_function.scaled.version
}

resource "aws_appautoscaling_target" "live" {
  service_namespace  = "lambda"
  resource_id        = "function:${aws_lambda_alias.live.function_name}:${aws_lambda_alias.live.name}"
  scalable_dimension = "lambda:function:ProvisionedConcurrency"
  min_capacity       = 1
  max_capacity       = var.most
  tags               = { team = "a" }
}

resource "aws_appautoscaling_policy" "tracking" {
  name               = "tracking"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.live.service_namespace
  resource_id        = aws_appautoscaling_target.live.resource_id
  scalable_dimension = aws_appautoscaling_target.live.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value       = 0.7
    scale_out_cooldown = 30
    predefined_metric_specification {
      predefined_metric_type = "LambdaProvisionedConcurrencyUtilization"
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "morning" {
  name               = "morning"
  service_namespace  = aws_appautoscaling_target.live.service_namespace
  resource_id        = aws_appautoscaling_target.live.resource_id
  scalable_dimension = aws_appautoscaling_target.live.scalable_dimension
  schedule           = "cron(0 8 ? * MON-FRI *)"
  timezone           = "Europe/Berlin"
  scalable_target_action {
    min_capacity = 2
    max_capacity = var.most
  }
}

output "alarms" {
  value = aws_appautoscaling_policy.tracking.alarm_arns
}
"""


@pytest.mark.beside
def test_terraform(tmp_path):
    if shutil.which("terraform") is None:
        pytest.fail("terraform is not installed; install it to run this test")
    (tmp_path / "scaled.zip").write_bytes(ECHO)
    (tmp_path / "main.tf").write_text(CONFIGURATION)
    with Server() as server:
        terraform = Terraform(tmp_path, server)
        client = server.client("application-autoscaling")

        def target():
            shown = client.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
            return next(iter(shown), None)

        terraform.run("init", "-input=false")
        terraform.run("apply", "-auto-approve", "-input=false")
        assert len(terraform.output("alarms")) == 2
        assert client.list_tags_for_resource(ResourceARN=target()["ScalableTargetARN"])["Tags"] == {"team": "a"}
        terraform.assert_nothing_to_do()
        terraform.run("apply", "-auto-approve", "-input=false", most="3")
        assert target()["MaxCapacity"] == 3
        terraform.assert_nothing_to_do(most="3")
        terraform.run("destroy", "-auto-approve", "-input=false", most="3")
        assert target() is None
        assert client.describe_scaling_policies(ServiceNamespace="lambda")["ScalingPolicies"] == []
