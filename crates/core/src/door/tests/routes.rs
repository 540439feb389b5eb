//! Which route, resource or key takes a request.

use super::headers;
use crate::door::{PathPattern, Resource, ResourceTree, RouteKey, RouteTable, SelectionExpression};

fn table(keys: &[&str]) -> RouteTable<()> {
    RouteTable::new(keys.iter().map(|key| (RouteKey::parse(key).unwrap(), ())).collect())
}

fn chosen(table: &RouteTable<()>, method: &str, path: &str) -> Option<String> {
    table.select(method, path).map(|found| found.key.to_string())
}

/// API Gateway developer guide, "Create routes for HTTP APIs": the table under "Routing API requests".
#[test]
fn http_apis_choose_as_the_guide_says() {
    let routes = table(&["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"]);
    let rows = [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
    ];
    for (method, path, key) in rows {
        assert_eq!(chosen(&routes, method, path).as_deref(), Some(key), "{method} {path}");
    }
}

#[test]
fn precedence_goes_part_by_part() {
    let routes = table(&["ANY /a/b", "GET /a/{x}", "GET /{x}/b", "ANY /{x}/{y}", "GET /a/{rest+}", "$default"]);
    let rows = [
        ("GET", "/a/b", "ANY /a/b"),
        ("GET", "/a/c", "GET /a/{x}"),
        ("GET", "/c/b", "GET /{x}/b"),
        ("PUT", "/c/b", "ANY /{x}/{y}"),
        ("GET", "/a/b/c", "GET /a/{rest+}"),
        ("GET", "/a", "$default"),
        ("GET", "/a/b/", "GET /a/{rest+}"),
    ];
    for (method, path, key) in rows {
        assert_eq!(chosen(&routes, method, path).as_deref(), Some(key), "{method} {path}");
    }
    let full_first = table(&["GET /a/{rest+}", "GET /{x}/b"]);
    assert_eq!(chosen(&full_first, "GET", "/a/b").as_deref(), Some("GET /{x}/b"), "full before greedy");
    assert_eq!(chosen(&table(&["GET /a"]), "GET", "/b"), None);
    assert_eq!(chosen(&table(&["GET /a", "ANY /a"]), "GET", "/a").as_deref(), Some("GET /a"));
    assert_eq!(chosen(&table(&["GET /a", "ANY /a"]), "PUT", "/a").as_deref(), Some("ANY /a"));
}

#[test]
fn path_parameters_are_decoded() {
    let pattern: PathPattern = "/pets/{id}/{proxy+}".parse().unwrap();
    assert_eq!(pattern.matches("/pets/a%20b/c/%C3%A9"), Some(headers(&[("id", "a b"), ("proxy", "c/é")])));
    assert_eq!(pattern.matches("/pets/1/"), Some(headers(&[("id", "1"), ("proxy", "")])));
    assert_eq!(pattern.matches("/pets/1"), None);
    assert_eq!(pattern.matches("/pets//x"), None);
    assert_eq!(pattern.matches("pets/1/2"), None);
    let root: PathPattern = "/".parse().unwrap();
    assert_eq!((root.matches("/"), root.matches("/a"), root.matches("//")), (Some(Vec::new()), None, None));
}

#[test]
fn keys_that_are_wrong_say_why() {
    for key in ["$default", "GET /", "ANY /{proxy+}", "PATCH /a/{b}/c", "GET /a/"] {
        assert_eq!(RouteKey::parse(key).unwrap().to_string(), key);
    }
    let rows = [
        ("", "must be $default or a method"),
        ("/pets", "must be $default or a method"),
        ("get /pets", "must be one of ANY"),
        ("FETCH /pets", "must be one of ANY"),
        ("GET pets", "must begin with \"/\""),
        ("GET /{a+}/b", "greedy variable at the end"),
        ("GET /{a}/{a}", "two variables of one name"),
        ("GET /x{a}", "braces around whole parts"),
        ("GET /{}", "variables named by letters"),
        ("GET //a", "has an empty part"),
        ("GET /a?b", "braces around whole parts"),
    ];
    for (key, why) in rows {
        let error = RouteKey::parse(key).unwrap_err().to_string();
        assert!(error.contains(why), "{key}: {error}");
    }
}

#[test]
fn rest_resources_are_found_before_their_methods() {
    let resource = |path: &str, methods: &[&str]| Resource {
        path: path.parse().unwrap(),
        methods: methods.iter().map(|method| ((*method).to_owned(), (*method).to_owned())).collect(),
    };
    let tree = ResourceTree::new(vec![
        resource("/", &["GET"]),
        resource("/pets", &["GET"]),
        resource("/pets/{id}", &["GET", "ANY"]),
        resource("/pets/new", &["POST"]),
        resource("/parent", &[]),
        resource("/{proxy+}", &["ANY"]),
    ]);
    let chosen = |method: &str, path: &str| {
        tree.select(method, path).map(|found| (found.path.to_string(), found.target.clone()))
    };
    let found = |path: &str, method: &str| Some((path.to_owned(), method.to_owned()));
    assert_eq!(chosen("GET", "/"), found("/", "GET"));
    assert_eq!(chosen("POST", "/"), None, "a greedy variable takes at least one part");
    assert_eq!(chosen("GET", "/pets/"), found("/pets", "GET"));
    assert_eq!(chosen("DELETE", "/pets"), None, "the resource is there, the method is not");
    assert_eq!(chosen("DELETE", "/pets/7"), found("/pets/{id}", "ANY"));
    assert_eq!(chosen("POST", "/pets/new"), found("/pets/new", "POST"));
    assert_eq!(chosen("GET", "/parent"), found("/{proxy+}", "ANY"));
    assert_eq!(chosen("GET", "/x/y"), found("/{proxy+}", "ANY"));
    assert_eq!(tree.select("GET", "/x/y").unwrap().path_parameters, headers(&[("proxy", "x/y")]));
}

#[test]
fn websocket_messages_choose_by_their_body() {
    let expression: SelectionExpression = "$request.body.action".parse().unwrap();
    let keys = ["$connect", "$default", "$disconnect", "join", "7"];
    let rows: [(&[u8], &str); 8] = [
        (br#"{"action":"join"}"#, "join"),
        (br#"{"action":7}"#, "7"),
        (br#"{"action":"leave"}"#, "$default"),
        (br#"{"action":"$connect"}"#, "$default"),
        (br#"{"action":{"a":1}}"#, "$default"),
        (br#"{}"#, "$default"),
        (br#"[]"#, "$default"),
        (b"not json", "$default"),
    ];
    for (body, key) in rows {
        assert_eq!(expression.select(body, &keys), Some(key), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(expression.select(b"{}", &["join"]), None);
    let nested: SelectionExpression = "${request.body.a.b}/${request.body.c}".parse().unwrap();
    assert_eq!(nested.read(br#"{"a":{"b":"x"},"c":"y"}"#).as_deref(), Some("x/y"));
    for text in ["", "action", "$request.header.x", "$request.body.", "$request.body.a..b", "${request.body.a", "x$"] {
        assert!(text.parse::<SelectionExpression>().is_err(), "{text}");
    }
}
