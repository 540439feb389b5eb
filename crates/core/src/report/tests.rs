//! Golden lines: each form as recorded on AWS.

use super::*;

const ID: &str = "8286a188-ba32-4475-8077-530cd35c09a9";
const TIME: &str = "2026-11-23T09:00:00.000Z";
const REQUEST: Request<'_> = Request { id: ID, tenant: None };

fn report<'a>(duration_us: u64, init_us: Option<u64>, status: &'a Status) -> Line<'a> {
    Line::Report(Report {
        request: REQUEST,
        duration: Duration::from_micros(duration_us),
        init: init_us.map(Duration::from_micros),
        restore: None,
        memory_mb: 128,
        memory_used_bytes: 73 << 20,
        status,
    })
}

fn text(line: &Line<'_>) -> String {
    line.format(LogFormat::Text, TIME).expect("a line")
}

fn json(line: &Line<'_>) -> String {
    line.format(LogFormat::Json, TIME).expect("a line")
}

#[test]
fn reports_are_those_of_lambda() {
    assert_eq!(
        text(&report(79_670, None, &Status::Success)),
        format!(
            "REPORT RequestId: {ID}\tDuration: 79.67 ms\tBilled Duration: 80 ms\tMemory Size: 128 MB\tMax Memory Used: 73 MB\t"
        )
    );
    assert_eq!(
        text(&report(84_770, Some(549_710), &Status::Failure("ValueError".to_owned()))),
        format!(
            "REPORT RequestId: {ID}\tDuration: 84.77 ms\tBilled Duration: 635 ms\tMemory Size: 128 MB\tMax Memory Used: 73 MB\tInit Duration: 549.71 ms\t"
        )
    );
    assert_eq!(
        text(&report(3_000_000, Some(402_040), &Status::Timeout)),
        format!(
            "REPORT RequestId: {ID}\tDuration: 3000.00 ms\tBilled Duration: 3403 ms\tMemory Size: 128 MB\tMax Memory Used: 73 MB\tInit Duration: 402.04 ms\tStatus: timeout"
        )
    );
    assert!(
        text(&report(1, None, &Status::Error("Runtime.OutOfMemory".to_owned())))
            .ends_with("MB\tStatus: error\tError Type: Runtime.OutOfMemory")
    );
}

#[test]
fn the_other_lines_are_those_of_lambda() {
    let subject = Subject {
        function_name: "hello",
        function_version: Version::Latest,
        runtime_version: "python:3.13.v21",
        runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:00",
        initialization: Initialization::OnDemand,
    };
    assert_eq!(
        text(&Line::InitStart(subject)),
        "INIT_START Runtime Version: python:3.13.v21\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:00"
    );
    assert_eq!(
        text(&Line::Start { request: REQUEST, version: Version::Latest }),
        format!("START RequestId: {ID} Version: $LATEST")
    );
    let end = Line::End { request: REQUEST, duration: Duration::ZERO, status: &Status::Success };
    assert_eq!(text(&end), format!("END RequestId: {ID}"));
    let failed = Status::Error("Runtime.ExitError".to_owned());
    let duration = Duration::from_micros(10_007_330);
    assert_eq!(
        text(&Line::InitReport {
            initialization: Initialization::OnDemand,
            duration,
            phase: Phase::Init,
            status: &Status::Timeout
        }),
        "INIT_REPORT Init Duration: 10007.33 ms\tPhase: init\tStatus: timeout"
    );
    assert_eq!(
        text(&Line::InitReport {
            initialization: Initialization::OnDemand,
            duration,
            phase: Phase::Invoke,
            status: &failed
        }),
        "INIT_REPORT Init Duration: 10007.33 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError"
    );
}

#[test]
fn json_lines_are_telemetry_objects() {
    let failed = Status::Error("Runtime.ExitError".to_owned());
    assert_eq!(
        json(&report(1_500, Some(10_000), &failed)),
        format!(
            r#"{{"time":"{TIME}","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":1.5,"billedDurationMs":12,"memorySizeMB":128,"maxMemoryUsedMB":73,"initDurationMs":10.0}},"status":"error","errorType":"Runtime.ExitError"}}}}"#
        )
    );
}

#[test]
fn json_lines_of_an_invoke_tell_its_tenant_and_text_lines_do_not() {
    let (tenant, status) = (TenantId::from("blue \"1\"".to_owned()), Status::Success);
    let request = Request { id: ID, tenant: Some(&tenant) };
    let Line::Report(figures) = report(1_500, None, &status) else { unreachable!() };
    for (line, kind) in [
        (Line::Start { request, version: Version::Published(1) }, "start"),
        (Line::End { request, duration: Duration::ZERO, status: &status }, "runtimeDone"),
        (Line::Report(Report { request, ..figures }), "report"),
    ] {
        let head = format!(r#""type":"platform.{kind}","record":{{"requestId":"{ID}","tenantId":"blue \"1\"","#);
        assert!(json(&line).contains(&head), "{}", json(&line));
        assert!(!text(&line).contains("blue"), "{}", text(&line));
    }
}

#[test]
fn memory_used_never_exceeds_what_there_is() {
    let status = Status::Success;
    let Line::Report(mut report) = report(1, None, &status) else { unreachable!() };
    report.memory_used_bytes = 500 << 20;
    assert_eq!(report.memory_used_mb(), 128);
}

fn restored<'a>(status: &'a Status) -> Line<'a> {
    let Line::Report(mut report) = report(127_100, None, status) else { unreachable!() };
    report.restore = Some(Restore { duration: Duration::from_micros(325_930), billed: Duration::from_micros(25_400) });
    Line::Report(report)
}

#[test]
fn the_first_report_after_a_restore_bills_it_apart() {
    assert_eq!(
        text(&restored(&Status::Success)),
        format!(
            "REPORT RequestId: {ID}\tDuration: 127.10 ms\tBilled Duration: 154 ms\tMemory Size: 128 MB\tMax Memory Used: 73 MB\tRestore Duration: 325.93 ms\tBilled Restore Duration: 26 ms\t"
        )
    );
    assert!(
        json(&restored(&Status::Success))
            .contains(r#""billedDurationMs":154,"memorySizeMB":128,"maxMemoryUsedMB":73,"restoreDurationMs":325.93}"#)
    );
}

#[test]
fn restores_have_lines_of_their_own() {
    let subject = Subject {
        function_name: "hello",
        function_version: Version::Published(2),
        runtime_version: "python:3.13.v21",
        runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:00",
        initialization: Initialization::SnapStart,
    };
    let start = Line::RestoreStart(subject.clone());
    assert_eq!(
        text(&start),
        "RESTORE_START Runtime Version: python:3.13.v21\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:00"
    );
    assert_eq!(
        json(&start),
        format!(
            r#"{{"time":"{TIME}","type":"platform.restoreStart","record":{{"runtimeVersion":"python:3.13.v21","runtimeVersionArn":"arn:aws:lambda:us-east-1::runtime:00","functionName":"hello","functionVersion":"2"}}}}"#
        )
    );
    let (failed, duration) = (Status::Error("Runtime.ExitError".to_owned()), Duration::from_micros(1_236_040));
    for (status, expected_text, expected_json) in [
        (&Status::Success, "", r#""status":"success""#),
        (&Status::Timeout, "\tStatus: timeout", r#""status":"timeout""#),
        (
            &failed,
            "\tStatus: error\tError Type: Runtime.ExitError",
            r#""status":"error","errorType":"Runtime.ExitError""#,
        ),
    ] {
        let done = Line::RestoreDone { status };
        assert_eq!(done.format(LogFormat::Text, TIME), None);
        let record = format!(r#""type":"platform.restoreRuntimeDone","record":{{{expected_json}}}}}"#);
        assert!(json(&done).ends_with(&record), "{}", json(&done));
        let report = Line::RestoreReport { duration, status };
        assert_eq!(text(&report), format!("RESTORE_REPORT Restore Duration: 1236.04 ms{expected_text}"));
        let record = format!(
            r#""type":"platform.restoreReport","record":{{"metrics":{{"durationMs":1236.04}},{expected_json}}}}}"#
        );
        assert!(json(&report).ends_with(&record), "{}", json(&report));
    }
    let init = Line::InitReport {
        initialization: Initialization::SnapStart,
        duration,
        phase: Phase::Init,
        status: &Status::Success,
    };
    assert_eq!(text(&init), "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init");
    assert!(json(&Line::InitStart(subject)).contains(r#""initializationType":"snap-start","phase":"init""#));
}
