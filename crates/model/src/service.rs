//! A service: its operations and shapes, read once from the data.

use std::sync::LazyLock;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::data::{OperationData, ServiceData, Shape};
use crate::route::Template;

/// Lambda, `2015-03-31`: all of its operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn lambda() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(include_str!("../data/lambda.generated.json")));
    &SERVICE
}

/// CloudWatch Logs, `2014-03-28`: the operations that are served.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn logs() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(include_str!("../data/logs.generated.json")));
    &SERVICE
}

/// IAM, `2010-05-08`: the operations that are served.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn iam() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(include_str!("../data/iam.generated.json")));
    &SERVICE
}

/// STS, `2011-06-15`: the operations that are served.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn sts() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(include_str!("../data/sts.generated.json")));
    &SERVICE
}

/// Application Auto Scaling, `2016-02-06`: all of its operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn application_autoscaling() -> &'static Service {
    static SERVICE: LazyLock<Service> =
        LazyLock::new(|| Service::read(include_str!("../data/application-autoscaling.generated.json")));
    &SERVICE
}

/// API Gateway, `2018-11-29`: the operations of HTTP and WebSocket APIs.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn apigatewayv2() -> &'static Service {
    static SERVICE: LazyLock<Service> =
        LazyLock::new(|| Service::read(include_str!("../data/apigatewayv2.generated.json")));
    &SERVICE
}

/// API Gateway's REST APIs, `2015-07-09`: the operations that are served.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn apigateway() -> &'static Service {
    static SERVICE: LazyLock<Service> =
        LazyLock::new(|| Service::read(include_str!("../data/apigateway.generated.json")));
    &SERVICE
}

/// What API Gateway lets do with the connections of WebSocket APIs, `2018-11-29`: all operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn apigatewaymanagementapi() -> &'static Service {
    static SERVICE: LazyLock<Service> =
        LazyLock::new(|| Service::read(include_str!("../data/apigatewaymanagementapi.generated.json")));
    &SERVICE
}

/// SQS, `2012-11-05`: all of its operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn sqs() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::of(crate::sqs::json(parse(SQS))));
    &SERVICE
}

/// SQS as clients of the query protocol speak it: the same operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn sqs_query() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::of(crate::sqs::query(parse(SQS))));
    &SERVICE
}

const SQS: &str = include_str!("../data/sqs.generated.json");

/// SNS, `2010-03-31`: the operations that are served.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn sns() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(include_str!("../data/sns.generated.json")));
    &SERVICE
}

/// EventBridge, `2015-10-07`: the operations that are served.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn events() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(include_str!("../data/events.generated.json")));
    &SERVICE
}

/// EventBridge Scheduler, `2021-06-30`: all of its operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn scheduler() -> &'static Service {
    static SERVICE: LazyLock<Service> =
        LazyLock::new(|| Service::read(include_str!("../data/scheduler.generated.json")));
    &SERVICE
}

/// Kinesis Data Streams, `2013-12-02`: the operations that are served, and those that are refused in words of their own.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn kinesis() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::read(KINESIS));
    &SERVICE
}

/// Kinesis as Java's SDKs speak it, with bodies in CBOR: the same operations.
///
/// # Panics
/// Never: the data is part of the binary, and a test reads it.
#[must_use]
pub fn kinesis_cbor() -> &'static Service {
    static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::of(ServiceData { is_cbor: true, ..parse(KINESIS) }));
    &SERVICE
}

const KINESIS: &str = include_str!("../data/kinesis.generated.json");

/// A service model with its interpreter.
#[derive(Debug)]
pub struct Service {
    pub(crate) data: ServiceData,
    pub(crate) operations: Vec<Operation>,
}

/// One operation of a service.
#[derive(Debug)]
pub struct Operation {
    pub(crate) data: OperationData,
    pub(crate) template: Template,
}

impl Operation {
    /// The name in the model, for example `CreateFunction`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// Its method and its path with the labels in braces, as the model writes them.
    #[must_use]
    pub fn http(&self) -> (&str, &str) {
        (&self.data.method, &self.data.path)
    }
}

/// A request as it came over the wire.
#[derive(Debug)]
pub struct WireRequest<'a> {
    /// Method.
    pub method: &'a http::Method,
    /// Path, still percent-encoded.
    pub path: &'a str,
    /// Query string, still percent-encoded, without the question mark.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// A request that satisfies the model.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is asked for.
    pub operation: &'static Operation,
    /// The members by name, from wherever they travelled; blobs as base64 text.
    pub input: Value,
    /// The blob that is the body itself (the event of `Invoke`).
    pub payload: Option<Bytes>,
}

/// What an operation answers.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status where it is not the model's.
    pub status: Option<u16>,
    /// The members by name.
    pub output: Value,
    /// The blob that is the body itself.
    pub payload: Option<Bytes>,
}

impl Reply {
    /// A reply with these members and the model's status.
    #[must_use]
    pub fn new(output: Value) -> Self {
        Self { status: None, output, payload: None }
    }
}

fn parse(text: &str) -> ServiceData {
    serde_json::from_str(text).expect("the service model in the binary is well-formed")
}

impl Service {
    fn read(text: &str) -> Self {
        Self::of(parse(text))
    }

    fn of(mut data: ServiceData) -> Self {
        let operations = std::mem::take(&mut data.operations)
            .into_iter()
            .map(|operation| Operation { template: Template::parse(&operation.path), data: operation })
            .collect();
        Self { data, operations }
    }

    /// The name in credential scopes, for example `lambda`.
    #[must_use]
    pub fn signing_name(&self) -> &str {
        &self.data.service
    }

    /// Every operation of the model.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    /// The names of the members of an operation's input, nested ones with a dot: `Code.ZipFile`.
    #[must_use]
    pub fn input_members(&self, operation: &str) -> Vec<String> {
        let mut found = Vec::new();
        let input = self
            .operations
            .iter()
            .find(|known| known.name() == operation)
            .and_then(|known| known.data.input.as_deref());
        if let Some(shape) = input {
            self.collect_members(shape, "", &mut found);
        }
        found
    }

    fn collect_members(&self, shape: &str, prefix: &str, found: &mut Vec<String>) {
        for member in self.shape(shape).map(|shape| shape.members.as_slice()).unwrap_or_default() {
            let path = format!("{prefix}{}", member.name);
            let nested = self.shape(&member.shape).is_some_and(|shape| shape.kind == "structure");
            found.push(path.clone());
            if nested {
                self.collect_members(&member.shape, &format!("{path}."), found);
            }
        }
    }

    pub(crate) fn shape(&self, name: &str) -> Option<&Shape> {
        self.data.shapes.get(name)
    }
}
