//! Answers and refusals, in the words of AWS where they are known.

use super::*;

const OF_LIVE: &str = "service namespace: lambda, resource ID: function:f:live, scalable dimension: lambda:function:ProvisionedConcurrency";

fn tracking(members: Value) -> Value {
    let metric = json!({"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"});
    let mut configuration = json!({"TargetValue": 0.5, "PredefinedMetricSpecification": metric});
    for (name, value) in members.as_object().unwrap() {
        configuration[name] = value.clone();
    }
    json!({
        "PolicyName": "p",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    })
}

fn action(members: Value) -> Value {
    let mut action =
        json!({"ScheduledActionName": "a", "Schedule": "rate(1 hour)", "ScalableTargetAction": {"MinCapacity": 1}});
    for (name, value) in members.as_object().unwrap() {
        action[name] = value.clone();
    }
    action
}

#[tokio::test]
async fn a_target_is_shown_with_the_names_that_aws_makes() {
    let place = Place::new().await;
    let registered = place.answer("RegisterScalableTarget", json!({"MinCapacity": 1, "MaxCapacity": 4})).await;
    let arn = registered["ScalableTargetARN"].as_str().unwrap();
    let shown = place.answer("DescribeScalableTargets", json!({"ResourceIds": [LIVE]})).await;
    assert_eq!(
        shown["ScalableTargets"][0],
        json!({
            "ServiceNamespace": "lambda",
            "ResourceId": LIVE,
            "ScalableDimension": "lambda:function:ProvisionedConcurrency",
            "MinCapacity": 1,
            "MaxCapacity": 4,
            "RoleARN": "arn:aws:iam::123456789012:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
            "CreationTime": 1_735_732_800.0,
            "SuspendedState": {
                "DynamicScalingInSuspended": false,
                "DynamicScalingOutSuspended": false,
                "ScheduledScalingSuspended": false,
            },
            "ScalableTargetARN": arn,
        })
    );
    let put = place.answer("PutScalingPolicy", tracking(json!({"ScaleInCooldown": 60}))).await;
    let policies = place.answer("DescribeScalingPolicies", json!({})).await;
    let policy = &policies["ScalingPolicies"][0];
    assert_eq!((&policy["PolicyARN"], &policy["Alarms"]), (&put["PolicyARN"], &put["Alarms"]));
    let policy_arn = put["PolicyARN"].as_str().unwrap();
    assert!(policy_arn.starts_with("arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:"), "{policy_arn}");
    assert!(policy_arn.ends_with(":resource/lambda/function:f:live:policyName/p"), "{policy_arn}");
    let low = put["Alarms"][1]["AlarmARN"].as_str().unwrap();
    assert!(
        low.starts_with("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:TargetTracking-function:f:live-AlarmLow-")
    );
    assert_eq!(policy["TargetTrackingScalingPolicyConfiguration"]["ScaleInCooldown"], 60);
    assert!(policy["TargetTrackingScalingPolicyConfiguration"].get("ScaleOutCooldown").is_none());
    let again = place.answer("PutScalingPolicy", tracking(json!({"TargetValue": 0.6}))).await;
    assert_eq!(again, put, "the same policy with the same alarms");
    place.answer("PutScheduledAction", action(json!({}))).await;
    let actions = place.answer("DescribeScheduledActions", json!({})).await;
    let action_arn = actions["ScheduledActions"][0]["ScheduledActionARN"].as_str().unwrap();
    assert!(action_arn.starts_with("arn:aws:autoscaling:eu-west-1:123456789012:scheduledAction:"), "{action_arn}");
    assert!(action_arn.ends_with(":resource/lambda/function:f:live:scheduledActionName/a"), "{action_arn}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let place = Place::new().await;
    let (policy, named_action) = (json!({"PolicyName": "p"}), json!({"ScheduledActionName": "a"}));
    for (operation, members, message) in [
        ("PutScalingPolicy", tracking(json!({})), format!("No scalable target registered for {OF_LIVE}")),
        ("PutScheduledAction", action(json!({})), format!("No scalable target registered for {OF_LIVE}")),
        ("DeregisterScalableTarget", json!({}), format!("No scalable target found for {OF_LIVE}")),
        ("DeleteScalingPolicy", policy.clone(), format!("No scaling policy found for {OF_LIVE}, policy name: p")),
        (
            "DeleteScheduledAction",
            named_action.clone(),
            format!("No scheduled action found for {OF_LIVE}, scheduled action name: a"),
        ),
    ] {
        assert_eq!(place.refusal(operation, members).await, ("ObjectNotFoundException", message), "{operation}");
    }
    place.register(1, 2).await;
    assert_eq!(place.refusal("DeleteScalingPolicy", policy).await.0, "ObjectNotFoundException");
    assert_eq!(place.refusal("DeleteScheduledAction", named_action).await.0, "ObjectNotFoundException");
    for resource_id in ["function:f:dead", "function:f:2", "function:g:live"] {
        let members = json!({"ResourceId": resource_id, "MinCapacity": 1, "MaxCapacity": 2});
        let message = format!("Lambda function version or alias does not exist: {resource_id}");
        assert_eq!(place.refusal("RegisterScalableTarget", members).await, ("ValidationException", message));
    }
}

#[tokio::test]
async fn what_cannot_act_is_refused() {
    let place = Place::new().await;
    assert_eq!(
        place.refusal("RegisterScalableTarget", json!({"MinCapacity": 1})).await.1,
        "A new scalable target needs both a minimum and a maximum capacity."
    );
    place.register(1, 2).await;
    let unsupported = "Unsupported service namespace, resource type or scalable dimension";
    for (operation, members, message) in [
        ("RegisterScalableTarget", json!({"MinCapacity": 3}), "Maximum capacity cannot be less than minimum capacity"),
        (
            "RegisterScalableTarget",
            json!({"MinCapacity": -1}),
            "Minimum capacity must be a number from 0 to 4294967295.",
        ),
        ("RegisterScalableTarget", json!({"ResourceId": "function:f:$LATEST"}), unsupported),
        ("RegisterScalableTarget", json!({"ResourceId": "function:f"}), unsupported),
        ("RegisterScalableTarget", json!({"ScalableDimension": "ecs:service:DesiredCount"}), unsupported),
        (
            "DescribeScalableTargets",
            json!({"ServiceNamespace": "ecs"}),
            "tindra scales the provisioned concurrency of Lambda functions alone: the service namespace is lambda, not ecs.",
        ),
        (
            "PutScalingPolicy",
            json!({"PolicyName": "p"}),
            "The policy type StepScaling is not supported for Lambda functions. Specify TargetTrackingScaling.",
        ),
        (
            "PutScalingPolicy",
            json!({"PolicyName": "p", "PolicyType": "PredictiveScaling"}),
            "The policy type PredictiveScaling is not supported for Lambda functions. Specify TargetTrackingScaling.",
        ),
        (
            "PutScalingPolicy",
            tracking(json!({"CustomizedMetricSpecification": {"MetricName": "m"}})),
            "tindra has no customized metrics. Use a PredefinedMetricSpecification with LambdaProvisionedConcurrencyUtilization.",
        ),
        (
            "PutScalingPolicy",
            tracking(
                json!({"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}),
            ),
            "The metric ECSServiceAverageCPUUtilization is not of Lambda functions. Use LambdaProvisionedConcurrencyUtilization.",
        ),
        (
            "PutScalingPolicy",
            tracking(json!({"TargetValue": 70.0})),
            "The target value of LambdaProvisionedConcurrencyUtilization must be between 0.1 and 0.9, not 70.",
        ),
        (
            "PutScalingPolicy",
            tracking(json!({"ScaleInCooldown": -1})),
            "ScaleInCooldown must be a number of seconds from 0 on.",
        ),
        (
            "PutScheduledAction",
            json!({"ScheduledActionName": "a", "Schedule": "rate(1 hour)"}),
            "A scheduled action needs a scalable target action with a minimum or maximum capacity.",
        ),
        (
            "PutScheduledAction",
            action(json!({"Schedule": "cron(0 0 * * * *)"})),
            "Invalid schedule: a cron expression gives the day of the month or the day of the week and has `?` for the other.",
        ),
        (
            "PutScheduledAction",
            action(json!({"Timezone": "Mars/Olympus"})),
            "Invalid schedule: `Mars/Olympus` is not a time zone, as Etc/UTC or Pacific/Tarawa are.",
        ),
        (
            "PutScheduledAction",
            action(json!({"Schedule": "at(2024-01-01T00:00:00)"})),
            "The schedule at(2024-01-01T00:00:00) has no time in the future between the start and the end of the scheduled action.",
        ),
        (
            "PutScheduledAction",
            action(json!({"StartTime": 1_735_800_000, "EndTime": 1_735_800_000})),
            "The end time must be after the start time.",
        ),
        (
            "GetPredictiveScalingForecast",
            json!({}),
            "tindra does not serve GetPredictiveScalingForecast: it scales the provisioned concurrency of Lambda functions by target tracking and by scheduled actions.",
        ),
    ] {
        let refusal = place.refusal(operation, members).await;
        assert_eq!(refusal, ("ValidationException", message.to_owned()), "{operation}");
    }
    place.answer("PutScalingPolicy", tracking(json!({}))).await;
    let mut second = tracking(json!({}));
    second["PolicyName"] = "q".into();
    let only_one = "Only one TargetTrackingScaling policy for a given metric specification is allowed.";
    assert_eq!(place.refusal("PutScalingPolicy", second).await, ("ValidationException", only_one.to_owned()));
}

#[tokio::test]
async fn limits_hold() {
    let place = Place::new().await;
    place.register(1, 2).await;
    for number in 0..tindra_core::limits::SCHEDULED_ACTIONS_MAX {
        place.answer("PutScheduledAction", action(json!({"ScheduledActionName": format!("a{number}")}))).await;
    }
    assert_eq!(place.refusal("PutScheduledAction", action(json!({}))).await.0, "LimitExceededException");
    place.answer("PutScheduledAction", action(json!({"ScheduledActionName": "a7"}))).await;
    let mut names: Vec<String> = place
        .pages("DescribeScheduledActions", "ScheduledActions", json!({"MaxResults": 7}))
        .await
        .iter()
        .map(|one| one["ScheduledActionName"].as_str().unwrap().to_owned())
        .collect();
    names.dedup();
    assert_eq!(names.len(), tindra_core::limits::SCHEDULED_ACTIONS_MAX);
    let wrong = json!({"NextToken": "?"});
    assert_eq!(place.refusal("DescribeScheduledActions", wrong).await.0, "InvalidNextTokenException");
    assert_eq!(place.refusal("DescribeScheduledActions", json!({"MaxResults": 51})).await.0, "ValidationException");
}

#[tokio::test]
async fn tags_are_kept_with_the_target() {
    let place = Place::new().await;
    let tags = json!({"MinCapacity": 1, "MaxCapacity": 2, "Tags": {"team": "a"}});
    let arn = place.answer("RegisterScalableTarget", tags).await["ScalableTargetARN"].clone();
    place.answer("TagResource", json!({"ResourceARN": arn, "Tags": {"stage": "b", "team": "c"}})).await;
    place.answer("UntagResource", json!({"ResourceARN": arn, "TagKeys": ["stage", "nothing"]})).await;
    let listed = place.answer("ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(listed["Tags"], json!({"team": "c"}));
    let many: serde_json::Map<String, Value> = (0..50).map(|number| (format!("k{number}"), "v".into())).collect();
    let refusal = place.refusal("TagResource", json!({"ResourceARN": arn, "Tags": many})).await;
    assert_eq!(refusal.0, "TooManyTagsException");
    let reserved = place.refusal("TagResource", json!({"ResourceARN": arn, "Tags": {"aws:x": "v"}})).await;
    assert_eq!(reserved.0, "ValidationException");
    place.answer("DeregisterScalableTarget", json!({})).await;
    for operation in ["ListTagsForResource", "TagResource", "UntagResource"] {
        let refusal = place.refusal(operation, json!({"ResourceARN": arn, "Tags": {}, "TagKeys": []})).await;
        assert_eq!(refusal.0, "ResourceNotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn what_belongs_to_a_target_goes_with_it_and_its_activities_stay() {
    let mut place = Place::new().await;
    place.register(1, 2).await;
    place.answer("PutScalingPolicy", tracking(json!({}))).await;
    place.answer("PutScheduledAction", action(json!({}))).await;
    place.look().await;
    place.answer("DeregisterScalableTarget", json!({})).await;
    place.register(1, 2).await;
    assert_eq!(place.answer("DescribeScalingPolicies", json!({})).await["ScalingPolicies"], json!([]));
    assert_eq!(place.answer("DescribeScheduledActions", json!({})).await["ScheduledActions"], json!([]));
    assert_eq!(place.activities().await.len(), 1);
    assert_eq!(place.capacity(), 1, "what is provisioned stays");
    place.answer("DeregisterScalableTarget", json!({})).await;
    place.pass(Duration::from_secs(43 * 24 * 3_600)).await;
    assert_eq!(place.activities().await.len(), 0, "for six weeks");
    let left = place.test.store.metadata.list(records::ACTIVITY_PREFIX, None, 1).await.unwrap();
    assert!(left.is_empty(), "and lie no longer in the store");
}

#[tokio::test]
async fn changes_at_the_same_time_all_hold() {
    let place = Arc::new(Place::new().await);
    place.register(1, 2).await;
    let puts = (0..12).map(|number| {
        let place = Arc::clone(&place);
        let name = format!("a{number}");
        async move { place.answer("PutScheduledAction", action(json!({"ScheduledActionName": name}))).await }
    });
    let mut tasks = tokio::task::JoinSet::new();
    puts.for_each(|put| drop(tasks.spawn(put)));
    while let Some(put) = tasks.join_next().await {
        put.unwrap();
    }
    let actions = place.answer("DescribeScheduledActions", json!({})).await;
    assert_eq!(actions["ScheduledActions"].as_array().unwrap().len(), 12);
}
