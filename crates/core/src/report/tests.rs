//! Golden lines: each form as recorded on AWS.

use super::*;

const ID: &str = "8286a188-ba32-4475-8077-530cd35c09a9";
const TIME: &str = "2026-11-23T09:00:00.000Z";

fn report<'a>(duration_us: u64, init_us: Option<u64>, status: &'a Status) -> Line<'a> {
    Line::Report(Report {
        request_id: ID,
        duration: Duration::from_micros(duration_us),
        init: init_us.map(Duration::from_micros),
        memory_mb: 128,
        memory_used_bytes: 73 << 20,
        status,
    })
}

fn text(line: &Line<'_>) -> String {
    line.format(LogFormat::Text, TIME)
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
        text(&Line::Start { request_id: ID, version: Version::Latest }),
        format!("START RequestId: {ID} Version: $LATEST")
    );
    let end = Line::End { request_id: ID, duration: Duration::ZERO, status: &Status::Success };
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
        report(1_500, Some(10_000), &failed).format(LogFormat::Json, TIME),
        format!(
            r#"{{"time":"{TIME}","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":1.5,"billedDurationMs":12,"memorySizeMB":128,"maxMemoryUsedMB":73,"initDurationMs":10.0}},"status":"error","errorType":"Runtime.ExitError"}}}}"#
        )
    );
}

#[test]
fn memory_used_never_exceeds_what_there_is() {
    let status = Status::Success;
    let Line::Report(mut report) = report(1, None, &status) else { unreachable!() };
    report.memory_used_bytes = 500 << 20;
    assert_eq!(report.memory_used_mb(), 128);
}
