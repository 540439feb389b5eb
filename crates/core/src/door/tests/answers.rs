//! What outputs mean as answers, door by door.

use serde_json::{Value, json};

use super::headers;
use crate::door::{
    Door2, HttpAnswer, Malformed, PRELUDE_BYTES_MAX, PreludeReader, PreludeStep, RestAnswering, alb_answer, answer_1,
    answer_2, has_prelude, plain_head, rest_answer,
};

fn url(output: &Value) -> Result<HttpAnswer, Malformed> {
    answer_2(output.to_string().as_bytes(), Door2::Url)
}

fn rest(output: &Value, binary: &[&str], accept: Option<&str>) -> Result<HttpAnswer, Malformed> {
    let binary_media_types: Vec<String> = binary.iter().map(|media_type| (*media_type).to_owned()).collect();
    let answering = RestAnswering { binary_media_types: &binary_media_types, accept };
    rest_answer(output.to_string().as_bytes(), &answering)
}

fn why<T: std::fmt::Debug>(answer: Result<T, Malformed>) -> String {
    answer.unwrap_err().why
}

/// Lambda developer guide, "Invoking Lambda function URLs": the three rows of "Response payload format".
#[test]
fn urls_read_the_outputs_of_the_guide() {
    let inferred = answer_2(b"\"Hello, world!\"", Door2::Url).unwrap();
    assert_eq!((inferred.status, inferred.body.as_slice()), (200, b"\"Hello, world!\"".as_slice()));
    assert_eq!(inferred.headers, headers(&[("content-type", "application/json")]));

    let object = answer_2(br#"{"message": "Hello, world!"}"#, Door2::Url).unwrap();
    assert_eq!((object.status, object.body.as_slice()), (200, br#"{"message": "Hello, world!"}"#.as_slice()));

    let custom = url(&json!({
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "My-Custom-Header": "Custom Value"},
        "body": "{\"message\":\"Hello, world!\"}",
        "cookies": ["Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT", "Cookie_2=Value2; Max-Age=78000"],
        "isBase64Encoded": false
    }))
    .unwrap();
    assert_eq!(custom.status, 201);
    let expected = [
        ("content-type", "application/json"),
        ("my-custom-header", "Custom Value"),
        ("set-cookie", "Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT"),
        ("set-cookie", "Cookie_2=Value2; Max-Age=78000"),
    ];
    assert_eq!(custom.headers, headers(&expected));
    assert_eq!(custom.body, b"{\"message\":\"Hello, world!\"}");
}

/// aws-lambda-go, `lambda-urls-response-multi-value-headers.json`.
#[test]
fn urls_take_multi_value_headers_and_http_apis_do_not() {
    let output = json!({
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Set-Cookie": ["a=1; Path=/", "b=2; Path=/"]},
        "body": "",
        "cookies": [],
        "isBase64Encoded": false
    });
    let expected = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Path=/"), ("content-type", "application/json")];
    assert_eq!(url(&output).unwrap().headers, headers(&expected));
    let gateway = answer_2(output.to_string().as_bytes(), Door2::HttpApi).unwrap();
    assert_eq!(gateway.headers, headers(&[("content-type", "application/json")]));
}

#[test]
fn statuses_are_whole_numbers_or_their_texts() {
    for (given, status) in [(json!(404), 404), (json!("503"), 503), (json!(200.0), 200)] {
        assert_eq!(url(&json!({"statusCode": given})).unwrap().status, status);
    }
    for given in [json!(99), json!(101), json!(600), json!("abc"), json!(200.5), json!(true), json!([200])] {
        assert!(why(url(&json!({"statusCode": given}))).starts_with("statusCode must be"), "{given}");
    }
    assert_eq!(url(&json!({"statusCode": null, "a": 1})).unwrap().status, 200, "no statusCode: inferred");
}

#[test]
fn bodies_are_texts_or_base64() {
    let body =
        |body: Value, is_base64: Value| url(&json!({"statusCode": 200, "body": body, "isBase64Encoded": is_base64}));
    assert_eq!(body(json!("YWJj"), json!(true)).unwrap().body, b"abc");
    assert_eq!(body(json!("YWJj"), json!("true")).unwrap().body, b"abc");
    assert_eq!(body(json!("YWJj"), json!(null)).unwrap().body, b"YWJj");
    assert_eq!(body(json!(12), json!(false)).unwrap().body, b"12");
    assert_eq!(body(json!(null), json!(true)).unwrap().body, b"");
    assert!(why(body(json!("%%%"), json!(true))).contains("marked as base64"));
    assert!(why(body(json!({"a": 1}), json!(false))).contains("body must be a string, not an object"));
    assert!(why(body(json!("a"), json!(1))).contains("isBase64Encoded must be"));
    assert!(url(&json!({"statusCode": 204, "body": "x"})).unwrap().body.is_empty());
}

#[test]
fn types_not_given_are_the_doors() {
    let output = json!({"statusCode": 200, "body": "x"}).to_string();
    let of = |answer: Result<HttpAnswer, Malformed>| answer.unwrap().headers[0].1.clone();
    assert_eq!(of(answer_2(output.as_bytes(), Door2::Url)), "application/json");
    assert_eq!(of(answer_2(output.as_bytes(), Door2::HttpApi)), "text/plain;charset=UTF-8");
    assert_eq!(of(alb_answer(output.as_bytes(), false)), "application/octet-stream");
    assert_eq!(of(rest(&json!({"statusCode": 200}), &[], None)), "application/json");
    assert!(url(&json!({"statusCode": 204})).unwrap().headers.is_empty());
}

#[test]
fn headers_that_could_split_an_answer_are_refused() {
    for (name, value) in
        [("a b", "x"), ("", "x"), ("a:", "x"), ("a\r\nb", "x"), ("a", "x\r\ny: z"), ("a", "x\0"), ("é", "x")]
    {
        assert!(url(&json!({"statusCode": 200, "headers": {name: value}})).is_err(), "{name:?}: {value:?}");
        assert!(
            alb_answer(json!({"statusCode": 200, "headers": {name: value}}).to_string().as_bytes(), false).is_err()
        );
    }
    assert!(url(&json!({"statusCode": 200, "cookies": ["a=1\r\nset-cookie: b=2"]})).is_err());
    assert!(why(url(&json!({"statusCode": 200, "headers": {"a": ["x"]}}))).contains("headers.a must be a string"));
    assert!(why(url(&json!({"statusCode": 200, "headers": []}))).contains("headers must be an object"));
    let kept =
        url(&json!({"statusCode": 200, "headers": {"n": 1, "b": true, "z": null, "t": " x\t", "content-type": "a/b"}}));
    assert_eq!(kept.unwrap().headers, headers(&[("n", "1"), ("b", "true"), ("t", "x"), ("content-type", "a/b")]));
}

#[test]
fn a_second_type_replaces_the_first() {
    let answer = url(&json!({"statusCode": 200, "headers": {"Content-Type": "a/b", "x": "y", "content-type": "c/d"}}));
    assert_eq!(answer.unwrap().headers, headers(&[("content-type", "c/d"), ("x", "y")]));
}

#[test]
fn headers_of_the_connection_never_go_out() {
    let given = json!({
        "Connection": "close", "Keep-Alive": "5", "Transfer-Encoding": "chunked", "Upgrade": "h2c", "TE": "x",
        "Trailer": "x", "Content-Length": "7", "WWW-Authenticate": "Basic", "Server": "s", "content-type": "a/b"
    });
    let output = json!({"statusCode": 200, "headers": given});
    let expected = headers(&[
        ("x-amzn-remapped-connection", "close"),
        ("x-amzn-remapped-content-length", "7"),
        ("x-amzn-remapped-www-authenticate", "Basic"),
        ("x-amzn-remapped-server", "s"),
        ("content-type", "a/b"),
    ]);
    assert_eq!(rest(&output, &[], None).unwrap().headers, expected);
    assert_eq!(url(&output).unwrap().headers, expected);
    let expected = headers(&[("www-authenticate", "Basic"), ("server", "s"), ("content-type", "a/b")]);
    assert_eq!(answer_2(output.to_string().as_bytes(), Door2::HttpApi).unwrap().headers, expected);
    assert_eq!(alb_answer(output.to_string().as_bytes(), false).unwrap().headers, expected);
}

#[test]
fn gateways_bound_the_headers() {
    let of = |length: usize| json!({"statusCode": 200, "headers": {"x": "y".repeat(length), "content-type": "a"}});
    assert!(rest(&of(10_226), &[], None).is_ok());
    assert!(why(rest(&of(10_227), &[], None)).contains("more than 10240 bytes"));
    assert!(url(&of(10_227)).is_ok());
}

/// API Gateway developer guide, "Lambda proxy integrations": headers and multiValueHeaders are merged, and a
/// pair that is in both comes from multiValueHeaders alone.
#[test]
fn rest_apis_and_format_1_merge_headers() {
    let output = json!({
        "statusCode": 200,
        "headers": {"a": "1", "B": "2", "content-type": "x/y"},
        "multiValueHeaders": {"A": ["1", "3"]}
    });
    let expected = headers(&[("a", "1"), ("a", "3"), ("b", "2"), ("content-type", "x/y")]);
    assert_eq!(rest(&output, &[], None).unwrap().headers, expected);
    assert_eq!(answer_1(output.to_string().as_bytes()).unwrap().headers, expected);
}

#[test]
fn rest_apis_decode_by_accept() {
    let output = json!({"statusCode": 200, "body": "YWJj", "isBase64Encoded": true});
    let body = |binary: &[&str], accept| rest(&output, binary, accept).unwrap().body;
    assert_eq!(body(&["image/png"], Some("image/png")), b"abc");
    assert_eq!(body(&["image/*"], Some("image/png, text/html")), b"abc");
    assert_eq!(body(&["image/png"], Some("text/html, image/png")), b"YWJj", "the first type counts");
    assert_eq!(body(&["image/png"], None), b"YWJj");
    assert_eq!(body(&["*/*"], None), b"abc");
    assert_eq!(answer_1(output.to_string().as_bytes()).unwrap().body, b"abc");
}

#[test]
fn rest_apis_infer_nothing() {
    for output in [json!(null), json!("x"), json!({}), json!({"body": "x"}), json!([1])] {
        assert!(rest(&output, &[], None).is_err(), "{output}");
        assert!(answer_1(output.to_string().as_bytes()).is_err(), "{output}");
        assert!(alb_answer(output.to_string().as_bytes(), true).is_err(), "{output}");
    }
    assert!(why(rest(&json!({"statusCode": 200, "cookies": []}), &[], None)).contains("\"cookies\""));
    assert!(why(answer_2(b"not json", Door2::HttpApi)).contains("not valid JSON"));
}

/// aws-lambda-go, `alb-lambda-target-response.json`.
#[test]
fn load_balancers_read_the_published_sample() {
    let output = json!({
        "isBase64Encoded": false,
        "statusCode": 200,
        "statusDescription": "200 OK",
        "headers": {"Set-cookie": "cookies", "Content-Type": "application/json"},
        "multiValueHeaders": {
            "Set-cookie": ["cookie-name=cookie-value;Domain=myweb.com;Secure;HttpOnly", "cookie-name=cookie-value;Expires=May 8, 2019"],
            "Content-Type": ["application/json"]
        },
        "body": "Hello from Lambda"
    })
    .to_string();
    let single = alb_answer(output.as_bytes(), false).unwrap();
    assert_eq!(single.reason.as_deref(), Some("OK"));
    assert_eq!(single.headers, headers(&[("set-cookie", "cookies"), ("content-type", "application/json")]));
    assert_eq!(single.body, b"Hello from Lambda");
    let multi = alb_answer(output.as_bytes(), true).unwrap();
    assert_eq!(multi.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    let split = json!({"statusCode": 200, "statusDescription": "200 OK\r\nx: y"}).to_string();
    assert!(why(alb_answer(split.as_bytes(), false)).contains("status line"));
}

#[test]
fn preludes_are_read_up_to_eight_nul_bytes() {
    let mut stream = json!({"statusCode": 201, "headers": {"a": "b"}, "cookies": ["c=d"]}).to_string().into_bytes();
    let length = stream.len() + 8;
    stream.extend_from_slice(b"\0\0\0\0\0\0\0\0\0body");
    let PreludeStep::Done { head, body_offset } = PreludeReader::new(Door2::Url).feed(&stream).unwrap() else {
        panic!("the prelude is complete")
    };
    assert_eq!((head.status, body_offset), (201, length));
    let expected = [("a", "b"), ("set-cookie", "c=d"), ("content-type", "application/json")];
    assert_eq!(head.headers, headers(&expected));
    assert!(why(PreludeReader::new(Door2::Url).feed(b"{}\0\0x")).contains("eight NUL bytes"));
    assert!(why(PreludeReader::new(Door2::Url).feed(b"[]\0\0\0\0\0\0\0\0")).contains("must be a JSON object"));
    let mut reader = PreludeReader::new(Door2::Url);
    assert_eq!(reader.feed(&vec![b' '; PRELUDE_BYTES_MAX]).unwrap(), PreludeStep::NeedMore);
    assert!(why(reader.feed(b" ")).contains("more than 65536 bytes"));
    assert!(reader.ended().why.contains("ended before"));
}

#[test]
fn streams_without_a_prelude_keep_their_type() {
    assert!(has_prelude(Some("application/vnd.awslambda.http-integration-response; charset=x")));
    assert!(!has_prelude(Some("text/html")) && !has_prelude(None));
    assert_eq!(plain_head(Some("text/html")).headers, headers(&[("content-type", "text/html")]));
    for content_type in [None, Some("a\r\nb")] {
        assert_eq!(plain_head(content_type).headers, headers(&[("content-type", "application/octet-stream")]));
    }
}
