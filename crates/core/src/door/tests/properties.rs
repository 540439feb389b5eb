//! Laws: no answer can be split, preludes do not depend on chunks, bodies survive, routes follow the guide.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{ARRIVAL, headers, json, request};
use crate::door::{
    Door2, HttpAnswer, HttpCall, HttpRequest, PreludeReader, PreludeStep, RestAnswering, RouteKey, RouteTable,
    alb_answer, alb_event, answer_1, answer_2, payload_1, payload_2, rest_answer,
};

/// Outputs that look like answers, with whatever a function may put into them.
fn outputs() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..700).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z\r\n\u{0}:; -]{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-zA-Z\r\n\u{0} :é-]{0,8}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let status = prop_oneof![4 => Just(json!(200)), 1 => Just(json!("204")), 1 => value.clone()];
    let name = prop_oneof![
        Just("x-a".to_owned()),
        Just("Content-Length".to_owned()),
        Just("Transfer-Encoding".to_owned()),
        "[a-zA-Z\r\n :é-]{0,6}"
    ];
    let text = "[a-c\r\n\u{0}\u{7f}:;é \t-]{0,3}".prop_map(Value::from);
    let list = prop::collection::vec(text.clone(), 0..3).prop_map(Value::from);
    let map = |value: BoxedStrategy<Value>| {
        prop::collection::vec((name.clone(), value), 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    };
    let or_else = |usual: BoxedStrategy<Value>| prop_oneof![3 => usual, 2 => Just(Value::Null), 1 => value.clone()];
    let headers = or_else(map(text.clone().boxed()).boxed());
    let multi = or_else(map(list.clone().boxed()).boxed());
    let cookies = or_else(list.boxed());
    let body = or_else(text.clone().boxed());
    let reason = or_else(text.boxed());
    let object =
        (status, headers, multi, cookies, body, reason).prop_map(|(status, headers, multi, cookies, body, reason)| {
            let mut output = json!({
                "statusCode": status, "headers": headers, "multiValueHeaders": multi, "body": body
            });
            for (name, value) in [("cookies", cookies), ("statusDescription", reason)] {
                if !value.is_null() {
                    output[name] = value;
                }
            }
            output.to_string().into_bytes()
        });
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..64), 6 => object]
}

fn all_answers(output: &[u8]) -> Vec<HttpAnswer> {
    let binary = ["*/*".to_owned()];
    let answering = RestAnswering { binary_media_types: &binary, accept: None };
    [
        answer_2(output, Door2::Url),
        answer_2(output, Door2::HttpApi),
        answer_1(output),
        rest_answer(output, &answering),
        alb_answer(output, true),
        alb_answer(output, false),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rules of HTTP for what a status line and headers may hold, told anew.
fn is_safe(answer: &HttpAnswer) -> bool {
    let is_line = |text: &str| !text.chars().any(|character| character.is_ascii_control() && character != '\t');
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|character| {
                character.is_ascii_lowercase() || character.is_ascii_digit() || "!#$%&'*+-.^_`|~".contains(character)
            })
    };
    let frames = ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
    (200..=599).contains(&answer.status)
        && answer.reason.as_deref().is_none_or(is_line)
        && answer
            .headers
            .iter()
            .all(|(name, value)| is_name(name) && is_line(value) && !frames.contains(&name.as_str()))
        && (answer.body.is_empty() || !matches!(answer.status, 204 | 304))
}

#[derive(Clone, Debug)]
struct NaiveRoute {
    method: &'static str,
    parts: Vec<&'static str>,
}

impl NaiveRoute {
    fn key(&self) -> String {
        format!("{} /{}", self.method, self.parts.join("/"))
    }

    /// The guide's words, without cleverness: 0 for a full match, 1 for a greedy one.
    fn group(&self, method: &str, path: &[&str]) -> Option<u8> {
        let greedy = self.parts.last() == Some(&"{r+}");
        let fixed = if greedy { &self.parts[..self.parts.len() - 1] } else { &self.parts[..] };
        let long_enough = if greedy { path.len() > fixed.len() } else { path.len() == fixed.len() };
        let same = |(part, own): (&&str, &&str)| part == own || part.starts_with('{');
        let fits = long_enough && fixed.iter().zip(path).all(same);
        let takes = self.method == "ANY" || self.method == method;
        if fits && takes { Some(u8::from(greedy)) } else { None }
    }
}

fn routes() -> impl Strategy<Value = Vec<NaiveRoute>> {
    let method = prop_oneof![Just("ANY"), Just("GET"), Just("POST")];
    let part = prop_oneof![Just("a"), Just("b"), Just("{v}")];
    let route = (method, prop::collection::vec(part, 1..3), any::<bool>()).prop_map(|(method, mut parts, greedy)| {
        let variables: Vec<usize> = (0..parts.len()).filter(|index| parts[*index] == "{v}").collect();
        for (number, index) in variables.into_iter().enumerate() {
            parts[index] = ["{v}", "{w}", "{x}"][number];
        }
        if greedy {
            parts.push("{r+}");
        }
        NaiveRoute { method, parts }
    });
    prop::collection::vec(route, 0..12)
}

proptest! {
    #[test]
    fn no_output_makes_an_unsafe_answer(output in outputs()) {
        for answer in all_answers(&output) {
            prop_assert!(is_safe(&answer), "{answer:?}");
        }
    }

    #[test]
    fn preludes_read_the_same_in_any_chunks(output in outputs(), tail in prop::collection::vec(0_u8..3, 0..24), size in 1_usize..9) {
        let mut stream = output;
        stream.extend_from_slice(&[0; 8]);
        stream.extend_from_slice(&tail);
        let read = |size: usize| {
            let mut reader = PreludeReader::new(Door2::Url);
            let mut before = 0;
            for chunk in stream.chunks(size) {
                match reader.feed(chunk) {
                    Ok(PreludeStep::NeedMore) => before += chunk.len(),
                    Ok(PreludeStep::Done { head, body_offset }) => return Some(Ok((head, before + body_offset))),
                    Err(malformed) => return Some(Err(malformed)),
                }
            }
            None
        };
        prop_assert_eq!(read(size), read(stream.len()));
    }

    #[test]
    fn bodies_come_back_from_base64(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let output = json!({"statusCode": 200, "body": STANDARD.encode(&body), "isBase64Encoded": true}).to_string();
        for answer in all_answers(output.as_bytes()) {
            prop_assert_eq!(&answer.body, &body);
        }
    }

    #[test]
    fn events_hold_any_request(
        path in "/[ -~]{0,20}", query in "[ -~]{0,30}", name in "[a-z-]{1,8}", value in "[ -~é]{0,12}",
        body in prop::collection::vec(any::<u8>(), 0..32), content_type in prop_oneof![Just("text/plain"), Just("image/png")]
    ) {
        let request = HttpRequest {
            path: &path,
            query: Some(&query),
            headers: headers(&[(&name, &value), ("content-type", content_type)]),
            body: &body,
            ..request("POST", "/")
        };
        let call = HttpCall {
            door: Door2::Url, account_id: "1", api_id: "a", stage: "$default", route_key: "$default",
            path_parameters: &[], stage_variables: &[], authorizer: None,
        };
        let events = [
            payload_2(&request, &ARRIVAL, &call),
            payload_1(&request, &ARRIVAL, &call),
            alb_event(&request, &ARRIVAL, "arn", true),
        ];
        for event in events {
            let event = json(&event);
            let text = event.get("body").and_then(Value::as_str).unwrap_or_default();
            let carried = if event["isBase64Encoded"] == true { STANDARD.decode(text).unwrap() } else { text.into() };
            prop_assert_eq!(&carried, &body);
        }
    }

    #[test]
    fn routes_agree_with_the_guide(
        routes in routes(), method in prop_oneof![Just("GET"), Just("POST"), Just("PUT")],
        path in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..4)
    ) {
        let keys = routes.iter().map(|route| (RouteKey::parse(&route.key()).unwrap(), ()));
        let table = RouteTable::new(keys.chain([(RouteKey::Default, ())]).collect());
        let text = format!("/{}", path.join("/"));
        let found = table.select(method, &text).unwrap().key.to_string();
        let best = routes.iter().filter_map(|route| route.group(method, &path)).min();
        let group = routes.iter().find(|route| route.key() == found).map(|route| route.group(method, &path));
        prop_assert_eq!(group.unwrap_or(None), best, "{} for {} {}", found, method, text);
    }
}
