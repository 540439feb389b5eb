//! The walk of an invoke, step by step: what is passed on, what is refused and in which words.

mod support;

use bytes::Bytes;
use support::{request, start};
use tindra_core::function::{Function, Reason, RecursiveLoop, Scope, State, UpdateStatus};
use tindra_core::tenant::TenantId;
use tindra_invoke::{Culprit, InvokeRequest, InvokeResponse, Mode};
use tindra_testkit::{Plan, active_function, eventually, faulty_store, put_function, scope, settle, store};
use uuid::Uuid;

#[tokio::test]
async fn the_event_reaches_the_function_and_its_answer_the_caller() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    let mut asked = request("thing:$LATEST", r#"{"a":1}"#);
    asked.log_tail = true;
    asked.client_context = Some("eyJhIjoxfQ==".to_owned());
    let InvokeResponse::Completed { finished, .. } = fixture.invoker.invoke(asked).await.unwrap() else { panic!() };
    assert_eq!(finished.log_tail, Some(Bytes::from_static(b"END\n")));
    let (target, invocation) = fixture.environments.delivered().remove(0);
    assert_eq!((target.name.as_str(), target.version), ("thing", tindra_core::function::Version::Latest));
    assert_eq!(invocation.payload, Bytes::from_static(br#"{"a":1}"#));
    assert_eq!(invocation.invoked_arn, "arn:aws:lambda:eu-west-1:123456789012:function:thing:$LATEST");
    assert_eq!(invocation.request_id, "8f5d6c1a-0000-4000-8000-000000000000");
    assert_eq!(invocation.client_context.as_deref(), Some(r#"{"a":1}"#));
    assert!(invocation.trace_id.starts_with("Root=1-697deec0-"), "{}", invocation.trace_id);
}

#[tokio::test]
async fn no_event_is_an_empty_one() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    assert_eq!(fixture.answer(request("thing", "")).await, "{}");
}

#[tokio::test]
async fn errors_of_the_function_are_answers() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    fixture.environments.plan(Plan::FunctionError(Bytes::from_static(b"oops")));
    assert_eq!(fixture.answer(request("thing", "1")).await, "oops");
}

#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    let mut asked = request("thing", "{}");
    asked.mode = Mode::DryRun;
    assert!(matches!(fixture.invoker.invoke(asked).await, Ok(InvokeResponse::DryRun)));
    assert!(fixture.environments.delivered().is_empty());
}

fn isolating(name: &str) -> Function {
    let mut function = active_function(&scope(), name);
    function.desired.configuration.isolates_tenants = true;
    function.serving = Some(function.desired.clone());
    function
}

fn request_of(tenant: &str, function: &str) -> InvokeRequest {
    InvokeRequest { tenant: Some(TenantId::from(tenant.to_owned())), ..request(function, "{}") }
}

#[tokio::test]
async fn an_environment_of_the_tenant_is_asked_for() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &isolating("thing")).await;
    put_function(&fixture.test.store, &active_function(&scope(), "other")).await;
    for asked in [request_of("blue", "thing"), request_of("green", "thing"), request("other", "{}")] {
        fixture.answer(asked).await;
    }
    let delivered = fixture.environments.delivered();
    let tenants: Vec<_> = delivered.iter().map(|(target, _)| target.tenant.as_ref().map(TenantId::as_str)).collect();
    assert_eq!(tenants, [Some("blue"), Some("green"), None]);
    assert_eq!(delivered[0].0.deployment.generation, delivered[1].0.deployment.generation);
}

#[tokio::test]
async fn a_tenant_is_named_where_tenants_are_isolated_and_nowhere_else() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &isolating("thing")).await;
    put_function(&fixture.test.store, &active_function(&scope(), "other")).await;
    for (asked, text) in [
        (request("thing", "{}"), "is enabled with tenancy configuration. Add a valid tenant ID"),
        (request_of("blue", "other"), "is not enabled with tenancy configuration. Remove the tenant ID"),
    ] {
        for mode in [Mode::RequestResponse, Mode::DryRun, Mode::Event] {
            let error = fixture.refusal(InvokeRequest { mode, ..asked.clone() }).await;
            assert_eq!((error.api_code(), error.culprit()), ("InvalidParameterValueException", Culprit::Caller));
            assert!(error.to_string().contains(text), "{error}");
        }
    }
    let dry = InvokeRequest { mode: Mode::DryRun, ..request_of("blue", "thing") };
    assert!(matches!(fixture.invoker.invoke(dry).await, Ok(InvokeResponse::DryRun)));
    assert!(fixture.environments.delivered().is_empty());
}

#[tokio::test]
async fn too_many_environments_of_tenants_are_a_throttle_that_says_what_helps() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &isolating("thing")).await;
    fixture.environments.plan(Plan::TooManyOfTenants);
    let error = fixture.refusal(request_of("blue", "thing")).await;
    assert_eq!((error.api_code(), error.culprit()), ("TooManyRequestsException", Culprit::Caller));
    assert_eq!(error.throttle_reason(), Some("ConcurrentInvocationLimitExceeded"));
    assert!(error.to_string().starts_with("Rate exceeded: "), "{error}");
    assert!(error.to_string().contains("have 25 execution environments"), "{error}");
    fixture.answer(request_of("blue", "thing")).await;
}

#[tokio::test]
async fn callers_learn_what_they_did_wrong() {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    let large = format!("\"{}\"", "x".repeat(6_291_455));
    let mut too_large = request("thing", "");
    too_large.payload = Bytes::from(large);
    let mut large_event = request("thing", "");
    large_event.payload = Bytes::from(format!("\"{}\"", "x".repeat(1_048_575)));
    large_event.mode = Mode::Event;
    let mut bad_event = request("thing", "nope");
    bad_event.mode = Mode::Event;
    let mut mismatch = request("thing:1", "{}");
    mismatch.qualifier = Some("2".to_owned());
    let missing = "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:";
    for (asked, code, text) in [
        (request("other", "{}"), "ResourceNotFoundException", &format!("{missing}other")[..]),
        (request("thing:7", "{}"), "ResourceNotFoundException", &format!("{missing}thing:7")),
        (
            request("arn:aws:lambda:us-east-1:123456789012:function:thing", "{}"),
            "ResourceNotFoundException",
            "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')",
        ),
        (request("210987654321:function:thing", "{}"), "AccessDeniedException", ""),
        (request("210987654321:function:missing", "{}"), "AccessDeniedException", ""),
        (mismatch, "InvalidParameterValueException", "The derived qualifier"),
        (
            large_event,
            "RequestTooLargeException",
            "Request must be smaller than 1048576 bytes for the InvokeFunction operation",
        ),
        (bad_event, "InvalidRequestContentException", "Could not parse request body into json: "),
        (
            too_large,
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        ),
        (request("thing", "{nope}"), "InvalidRequestContentException", "Could not parse request body into json: "),
    ] {
        let error = fixture.refusal(asked).await;
        assert_eq!((error.api_code(), error.culprit()), (code, Culprit::Caller), "{error}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
    assert!(fixture.environments.delivered().is_empty());
    assert!(fixture.queue.accepted().is_empty());
}

fn event(function: &str, payload: &'static str) -> InvokeRequest {
    InvokeRequest { mode: Mode::Event, ..request(function, payload) }
}

#[tokio::test]
async fn events_are_queued_and_not_run() {
    let fixture = start(store(), 10).await;
    let mut function = active_function(&scope(), "thing");
    put_function(&fixture.test.store, &function).await;
    assert!(matches!(fixture.invoker.invoke(event("thing:$LATEST", "")).await, Ok(InvokeResponse::Accepted)));
    let mut pending = active_function(&scope(), "pending");
    (pending.serving, pending.state) = (None, State::Pending);
    put_function(&fixture.test.store, &pending).await;
    assert!(matches!(fixture.invoker.invoke(event("pending", "[1]")).await, Ok(InvokeResponse::Accepted)));
    function.reserved_concurrency = Some(0);
    put_function(&fixture.test.store, &function).await;
    eventually("the reserve is known", async || {
        assert!(matches!(fixture.invoker.invoke(event("thing", "2")).await, Ok(InvokeResponse::Accepted)));
        fixture.queue.accepted().last().is_some_and(|event| event.is_unwanted)
    })
    .await;
    let accepted = fixture.queue.accepted();
    let told: Vec<_> = accepted[..2]
        .iter()
        .map(|event| (event.function_name.as_str(), event.qualifier.as_deref(), &event.payload[..], event.is_unwanted))
        .collect();
    assert_eq!(told, [("thing", Some("$LATEST"), &b"{}"[..], false), ("pending", None, b"[1]", false)]);
    assert!(accepted[0].trace_id.starts_with("Root=1-697deec0-"), "{}", accepted[0].trace_id);
    assert!(fixture.environments.delivered().is_empty());
    fixture.queue.fail(true);
    let error = fixture.refusal(event("thing", "3")).await;
    assert_eq!((error.api_code(), error.culprit()), ("ServiceException", Culprit::Platform));
    assert_eq!(fixture.refusal(event("missing", "3")).await.api_code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn what_causes_itself_is_stopped_unless_it_may() {
    let fixture = start(store(), 10).await;
    let mut function = active_function(&scope(), "thing");
    put_function(&fixture.test.store, &function).await;
    let mut passed_on = None;
    for _ in 0..16 {
        fixture.answer(InvokeRequest { trace_id: passed_on, ..request("thing", "{}") }).await;
        passed_on = Some(fixture.environments.delivered().last().unwrap().1.trace_id.clone());
    }
    let next = || InvokeRequest { trace_id: passed_on.clone(), ..request("thing", "{}") };
    let error = fixture.refusal(next()).await;
    assert_eq!((error.api_code(), error.culprit()), ("RecursiveInvocationException", Culprit::Caller));
    assert_eq!(error.retry_after_s(), None);
    assert_eq!(fixture.environments.delivered().len(), 16);
    function.recursive_loop = RecursiveLoop::Allow;
    put_function(&fixture.test.store, &function).await;
    eventually("it may", async || fixture.invoker.invoke(next()).await.is_ok()).await;
}

#[tokio::test]
async fn functions_that_cannot_run_say_why() {
    let fixture = start(store(), 10).await;
    let mut function = active_function(&scope(), "thing");
    function.serving = None;
    function.state = State::Pending;
    function.update_status = UpdateStatus::InProgress;
    put_function(&fixture.test.store, &function).await;
    let error = fixture.refusal(request("thing", "{}")).await;
    assert_eq!(error.api_code(), "ResourceConflictException");
    assert!(error.to_string().ends_with("The function is currently in the following state: Pending"), "{error}");

    let reason = Reason { code: "InvalidRuntime".to_owned(), message: "run tindra runtime install java21".to_owned() };
    assert!(settle(&fixture.test.store, &scope(), "thing", Err(reason)).await);
    let error = fixture.refusal(request("thing", "{}")).await;
    assert_eq!((error.api_code(), error.culprit()), ("InvalidRuntimeException", Culprit::Function));
    assert_eq!(error.to_string(), "run tindra runtime install java21");
}

#[tokio::test]
async fn whoever_saw_a_function_become_active_can_invoke_it() {
    let fixture = start(store(), 10).await;
    for number in 0..50 {
        let name = format!("thing-{number}");
        let mut function = active_function(&scope(), &name);
        function.serving = None;
        function.state = State::Pending;
        function.update_status = UpdateStatus::InProgress;
        put_function(&fixture.test.store, &function).await;
        assert!(settle(&fixture.test.store, &scope(), &name, Ok(())).await);
        assert_eq!(fixture.answer(request(&name, "1")).await, "1");
    }
}

#[tokio::test]
async fn the_old_code_serves_until_the_update_has_settled() {
    let fixture = start(store(), 10).await;
    let mut function = active_function(&scope(), "thing");
    let old = function.desired.generation;
    let new = Uuid::new_v4();
    function.desired.generation = new;
    function.update_status = UpdateStatus::InProgress;
    put_function(&fixture.test.store, &function).await;
    fixture.answer(request("thing", "1")).await;
    assert!(settle(&fixture.test.store, &scope(), "thing", Ok(())).await);
    fixture.answer(request("thing", "2")).await;
    let generations: Vec<Uuid> =
        fixture.environments.delivered().iter().map(|(target, _)| target.deployment.generation).collect();
    assert_eq!(generations, [old, new]);
}

#[tokio::test]
async fn a_function_made_anew_is_another_one() {
    let fixture = start(store(), 10).await;
    let first = active_function(&scope(), "thing");
    let second = active_function(&scope(), "thing");
    put_function(&fixture.test.store, &first).await;
    fixture.answer(request("thing", "1")).await;
    put_function(&fixture.test.store, &second).await;
    eventually("the second function is invoked", async || {
        fixture.answer(request("thing", "2")).await;
        fixture.environments.delivered().last().unwrap().0.function_id == second.id
    })
    .await;
}

#[tokio::test]
async fn a_deleted_function_is_gone() {
    let fixture = start(store(), 10).await;
    let function = active_function(&scope(), "thing");
    put_function(&fixture.test.store, &function).await;
    fixture.answer(request("thing", "1")).await;
    let key = tindra_core::function::Function::key(&scope(), "thing");
    let batch = tindra_store::Batch::default().delete(key, tindra_store::Precondition::None);
    fixture.test.store.metadata.commit(batch).await.unwrap();
    eventually("the function is not found", async || match fixture.invoker.invoke(request("thing", "1")).await {
        Ok(_) => false,
        Err(error) => error.api_code() == "ResourceNotFoundException",
    })
    .await;
}

#[tokio::test]
async fn invokes_go_on_while_the_store_is_away() {
    let test = faulty_store();
    put_function(&test.store, &active_function(&scope(), "known")).await;
    let mut updating = active_function(&scope(), "updating");
    updating.update_status = UpdateStatus::InProgress;
    put_function(&test.store, &updating).await;
    let fixture = start(test, 10).await;
    fixture.test.fail(true);
    assert_eq!(fixture.answer(request("known", "1")).await, "1");
    assert_eq!(fixture.answer(request("updating", "2")).await, "2");
    let error = fixture.refusal(request("unknown", "1")).await;
    assert_eq!((error.api_code(), error.culprit()), ("ServiceException", Culprit::Platform));
    fixture.test.fail(false);
    assert_eq!(fixture.refusal(request("unknown", "1")).await.api_code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn functions_of_one_name_in_several_regions_are_kept_apart() {
    let fixture = start(store(), 10).await;
    let there = Scope { region: "us-east-1".to_owned(), ..scope() };
    put_function(&fixture.test.store, &active_function(&there, "thing")).await;
    assert_eq!(fixture.refusal(request("thing", "1")).await.api_code(), "ResourceNotFoundException");
    let mut asked = request("thing", "1");
    asked.scope = there;
    assert_eq!(fixture.answer(asked).await, "1");
}
