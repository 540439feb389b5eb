//! Version numbers against a naive model, and lists that change while somebody pages through them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Fixture, start, thing, zip};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The code becomes this one of a few.
    Code(u8),
    Description(u8),
    Publish,
    PublishAs(u8),
    DeleteVersion(u64),
    Recreate,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Step::Code),
        1 => (0..3_u8).prop_map(Step::Description),
        4 => Just(Step::Publish),
        1 => (0..3_u8).prop_map(Step::PublishAs),
        1 => (1..8_u64).prop_map(Step::DeleteVersion),
        1 => Just(Step::Recreate),
    ]
}

/// What is known without looking: the unpublished version, and the published ones by number.
#[derive(Debug, Default)]
struct Model {
    code: u8,
    description: u8,
    /// Number, code, the description it was published with, and that of `$LATEST` then.
    versions: Vec<(u64, u8, u8)>,
    last: u64,
    /// Whether nothing has been changed, not even to the same, since the last publication.
    is_untouched: bool,
}

async fn settled(fixture: &Fixture) {
    assert!(fixture.settle("thing", Ok(())).await);
}

async fn take(fixture: &Fixture, model: &mut Model, step: Step) {
    match step {
        Step::Code(code) => {
            fixture.done("PUT", "/thing/code", json!({ "ZipFile": zip(&format!("code {code}")) })).await;
            settled(fixture).await;
            (model.code, model.is_untouched) = (code, false);
        }
        Step::Description(text) => {
            let body = json!({ "Description": text.to_string() });
            fixture.done("PUT", "/thing/configuration", body).await;
            settled(fixture).await;
            (model.description, model.is_untouched) = (text, false);
        }
        Step::Publish => publish(fixture, model, None).await,
        Step::PublishAs(text) => publish(fixture, model, Some(text)).await,
        Step::DeleteVersion(number) => {
            let is_there = model.versions.iter().any(|(known, ..)| *known == number);
            let path = format!("/thing?Qualifier={number}");
            assert_eq!(fixture.ask("DELETE", &path, Value::Null).await.is_ok(), is_there);
            model.versions.retain(|(known, ..)| *known != number);
        }
        Step::Recreate => {
            fixture.done("DELETE", "/thing", Value::Null).await;
            create(fixture).await;
            *model = Model { last: model.last, ..Model::default() };
        }
    }
}

async fn create(fixture: &Fixture) {
    let mut body = thing("thing");
    body["Code"]["ZipFile"] = json!(zip("code 0"));
    body["Description"] = json!("0");
    fixture.done("POST", "", body).await;
    settled(fixture).await;
}

async fn publish(fixture: &Fixture, model: &mut Model, text: Option<u8>) {
    let body = text.map_or(json!({}), |text| json!({ "Description": text.to_string() }));
    let answer = fixture.done("POST", "/thing/versions", body).await;
    let given: u64 = answer["Version"].as_str().unwrap().parse().unwrap();
    let newest = model.versions.last().filter(|(number, ..)| *number == model.last).copied();
    let is_same = newest.is_some_and(|(_, code, description)| {
        model.is_untouched || (code == model.code && description == model.description)
    });
    if is_same {
        assert_eq!(given, model.last, "nothing has changed");
    } else {
        assert_eq!(given, model.last + 1, "a number that was never given");
        model.versions.push((given, model.code, text.unwrap_or(model.description)));
        (model.last, model.is_untouched) = (given, true);
    }
}

async fn check(fixture: &Fixture, model: &Model) {
    let listed = fixture.done("GET", "/thing/versions", Value::Null).await;
    let listed: Vec<&str> =
        listed["Versions"].as_array().unwrap().iter().map(|one| one["Version"].as_str().unwrap()).collect();
    let mut expected = vec!["$LATEST".to_owned()];
    expected.extend(model.versions.iter().map(|(number, ..)| number.to_string()));
    assert_eq!(listed, expected);
}

/// Something that happens between two pages.
#[derive(Clone, Copy, Debug)]
struct Between {
    name: u8,
    is_creation: bool,
}

/// A list that changes while it is walked.
#[derive(Clone, Copy, Debug)]
enum List {
    Functions,
    /// Every function has a published version beside `$LATEST`.
    AllVersions,
    Aliases,
    Versions,
}

impl List {
    fn item(self, number: u8) -> String {
        match self {
            Self::Functions | Self::AllVersions => format!("function-{number:02}"),
            Self::Aliases => format!("alias-{number:02}"),
            // The numbers of versions grow with the order in which they are made.
            Self::Versions => (number + 1).to_string(),
        }
    }

    async fn make(self, fixture: &Fixture, number: u8) {
        match self {
            Self::Functions | Self::AllVersions => {
                fixture.create(&self.item(number)).await;
                if matches!(self, Self::AllVersions) {
                    fixture.done("POST", &format!("/{}/versions", self.item(number)), json!({})).await;
                }
            }
            Self::Aliases => {
                let body = json!({ "Name": self.item(number), "FunctionVersion": "$LATEST" });
                fixture.done("POST", "/thing/aliases", body).await;
            }
            Self::Versions => {
                let body = json!({ "ZipFile": zip(&format!("code {number}")) });
                fixture.done("PUT", "/thing/code", body).await;
                settled(fixture).await;
                fixture.done("POST", "/thing/versions", json!({})).await;
            }
        }
    }

    async fn remove(self, fixture: &Fixture, number: u8) {
        let path = match self {
            Self::Functions | Self::AllVersions => format!("/{}", self.item(number)),
            Self::Aliases => format!("/thing/aliases/{}", self.item(number)),
            Self::Versions => format!("/thing?Qualifier={}", self.item(number)),
        };
        fixture.done("DELETE", &path, Value::Null).await;
    }

    /// The items of a page, each with what tells it from its fellows, and the marker.
    async fn page(self, fixture: &Fixture, size: usize, marker: Option<&str>) -> (Vec<String>, Option<String>) {
        let marker = marker.map(|marker| format!("&Marker={marker}")).unwrap_or_default();
        let (path, list) = match self {
            Self::Functions => ("?", "Functions"),
            Self::AllVersions => ("?FunctionVersion=ALL&", "Functions"),
            Self::Aliases => ("/thing/aliases?", "Aliases"),
            Self::Versions => ("/thing/versions?", "Versions"),
        };
        let page = fixture.done("GET", &format!("{path}MaxItems={size}{marker}"), Value::Null).await;
        let text = |item: &Value, member: &str| item[member].as_str().unwrap_or_default().to_owned();
        let items = page[list].as_array().unwrap().iter().map(|item| match self {
            Self::Functions => text(item, "FunctionName"),
            Self::AllVersions => format!("{}:{}", text(item, "FunctionName"), text(item, "Version")),
            Self::Aliases => text(item, "Name"),
            Self::Versions => text(item, "Version"),
        });
        (items.collect(), page.get("NextMarker").and_then(Value::as_str).map(str::to_owned))
    }
}

async fn walk(list: List, changes: &[Vec<Between>], size: usize) {
    let fixture = start();
    create(&fixture).await;
    let is_numbered = matches!(list, List::Versions);
    let mut there: BTreeSet<u8> = (0..12).filter(|number| number % 2 == 0 || is_numbered).collect();
    for number in &there {
        list.make(&fixture, *number).await;
    }
    let mut all_along = there.clone();
    let (mut seen, mut changes) = (Vec::new(), changes.iter());
    let mut marker: Option<String> = None;
    loop {
        let (items, next) = list.page(&fixture, size, marker.as_deref()).await;
        assert!(items.len() <= size);
        seen.extend(items);
        let Some(next) = next else { break };
        marker = Some(next);
        for change in changes.next().into_iter().flatten() {
            // A version's number never comes again.
            if change.is_creation && !is_numbered && there.insert(change.name) {
                list.make(&fixture, change.name).await;
            } else if !change.is_creation && there.remove(&change.name) {
                list.remove(&fixture, change.name).await;
                all_along.remove(&change.name);
            }
        }
    }
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "an item twice: {seen:?}");
    for number in all_along {
        let item = list.item(number);
        let wanted = match list {
            List::AllVersions => vec![format!("{item}:$LATEST"), format!("{item}:1")],
            _ => vec![item],
        };
        for wanted in wanted {
            assert!(once.contains(&wanted), "{wanted} is missing in {seen:?}");
        }
    }
}

fn between() -> impl Strategy<Value = Vec<Vec<Between>>> {
    let change = (0..12_u8, any::<bool>()).prop_map(|(name, is_creation)| Between { name, is_creation });
    proptest::collection::vec(proptest::collection::vec(change, 0..3), 0..8)
}

fn lists() -> impl Strategy<Value = List> {
    prop_oneof![Just(List::Functions), Just(List::AllVersions), Just(List::Aliases), Just(List::Versions)]
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn numbers_grow_and_unchanged_functions_are_not_numbered_again(
        steps in proptest::collection::vec(step(), 1..16)
    ) {
        run(async {
            let fixture = start();
            create(&fixture).await;
            let mut model = Model::default();
            for step in steps {
                take(&fixture, &mut model, step).await;
                check(&fixture, &model).await;
            }
        });
    }

    #[test]
    fn pages_show_nothing_twice_and_leave_out_nothing_that_was_there_all_along(
        changes in between(), size in 1..5_usize, list in lists()
    ) {
        run(walk(list, &changes, size));
    }
}
