//! What becomes of every member of every operation's input: it acts, it is refused, or it is stored only.
//!
//! `parity.txt` says it for what acts and what is stored, [`crate::unsupported`] for what is refused in an
//! operation that is otherwise served. The tests compare both with the service model, so that a new member of
//! the API cannot slip in, and with `docs/reference/parity.md`, which is written from them.

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Write as _;

    use crate::unsupported;

    const TEXT: &str = include_str!("../parity.txt");
    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/parity.md");
    const HEAD: &str = "<!-- generated from crates/control/parity.txt; do not edit. To write it anew: UPDATE_PARITY=1 cargo test -p tindra-control parity -->

# Lambda's API, member by member

Every operation of Lambda's API (2015-03-31) answers. For each member of its input this page says what becomes of it:

- **acts**: it does what it does on AWS.
- **refused**: a request that uses it is answered with an error that says why; nothing is changed. (A value that asks for nothing,
  such as an empty list, is accepted.)
- **stored**: it is checked, kept and shown, so that tools find what they wrote, and has no other effect yet.

What is said of a member holds for what is inside it.
";

    /// One operation of `parity.txt`.
    #[derive(Default)]
    struct Operation {
        /// All of it is refused, because …
        refused: Option<String>,
        /// A remark about the whole.
        remark: Option<String>,
        acts: BTreeSet<String>,
        stored: BTreeMap<String, String>,
        refuses: BTreeMap<String, String>,
    }

    fn read() -> BTreeMap<String, Operation> {
        let mut operations = BTreeMap::new();
        let mut current: Option<&mut Operation> = None;
        for line in TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some(said) = line.strip_prefix("  ") else {
                current = Some(operations.entry(line.to_owned()).or_default());
                continue;
            };
            let operation = current.as_mut().expect("an operation before what is said of it");
            let (verb, rest) = said.split_once(' ').expect("a verb");
            match verb {
                "acts" => operation.acts.extend(rest.split_whitespace().map(str::to_owned)),
                "stored" | "refuses" => {
                    let (member, because) = rest.split_once(": ").expect("a member and a reason");
                    let list = if verb == "stored" { &mut operation.stored } else { &mut operation.refuses };
                    list.insert(member.to_owned(), because.to_owned());
                }
                "refused" => operation.refused = Some(rest.to_owned()),
                "remark" => operation.remark = Some(rest.to_owned()),
                other => panic!("{other} is none of acts, stored, refuses, refused and remark"),
            }
        }
        operations
    }

    /// Whether a member or one that it is inside of is in a list.
    fn covers<'a>(mut listed: impl Iterator<Item = &'a str>, member: &str) -> bool {
        listed.any(|listed| member.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    fn verdict(operation: &Operation, name: &str, member: &str) -> Option<(&'static str, String)> {
        if operation.acts.contains(member) {
            return Some(("acts", unsupported::partly(name, member).unwrap_or_default()));
        }
        if let Some(because) = operation.stored.get(member) {
            return Some(("stored", because.clone()));
        }
        if let Some(because) = operation.refuses.get(member) {
            return Some(("refused", because.clone()));
        }
        unsupported::refusal(name, member).map(|sentence| ("refused", sentence.to_owned()))
    }

    fn document(operations: &BTreeMap<String, Operation>) -> String {
        let mut text = HEAD.to_owned();
        for (name, operation) in operations {
            write!(text, "\n## {name}\n\n").expect("a text takes text");
            if let Some(remark) = &operation.remark {
                write!(text, "{remark}\n\n").expect("a text takes text");
            }
            if let Some(because) = &operation.refused {
                writeln!(text, "Refused: {because}").expect("a text takes text");
                continue;
            }
            let members = tindra_model::lambda().input_members(name);
            if members.is_empty() {
                writeln!(text, "It takes no members.").expect("a text takes text");
                continue;
            }
            text.push_str("| member | | |\n|---|---|---|\n");
            for member in &members {
                if let Some((verb, note)) = verdict(operation, name, member) {
                    writeln!(text, "| `{member}` | {verb} | {note} |").expect("a text takes text");
                }
            }
        }
        text
    }

    #[test]
    fn every_member_of_the_model_is_in_exactly_one_list() {
        let operations = read();
        let mut wrong = Vec::new();
        for operation in tindra_model::lambda().operations() {
            let name = operation.name();
            let Some(said) = operations.get(name) else {
                wrong.push(format!("{name} is not there"));
                continue;
            };
            let members = tindra_model::lambda().input_members(name);
            for listed in said.acts.iter().chain(said.stored.keys()).chain(said.refuses.keys()) {
                if !members.contains(listed) {
                    wrong.push(format!("{name}.{listed} is not in the model"));
                }
            }
            if said.refused.is_some() {
                continue;
            }
            for member in &members {
                let acts = said.acts.contains(member);
                let stored = covers(said.stored.keys().map(String::as_str), member);
                let refused = unsupported::refusal(name, member).is_some()
                    || covers(said.refuses.keys().map(String::as_str), member);
                match usize::from(acts) + usize::from(stored) + usize::from(refused) {
                    0 => wrong.push(format!("{name}.{member} is in no list")),
                    1 => {}
                    _ => wrong.push(format!("{name}.{member} is in more than one list")),
                }
            }
        }
        for name in operations.keys() {
            if !tindra_model::lambda().operations().any(|operation| operation.name() == name) {
                wrong.push(format!("{name} is no operation"));
            }
        }
        assert!(wrong.is_empty(), "parity.txt:\n{}", wrong.join("\n"));
    }

    #[test]
    fn the_committed_document_is_what_the_lists_say() {
        let document = document(&read());
        if std::env::var_os("UPDATE_PARITY").is_some() {
            std::fs::write(DOCUMENT, &document).expect("the document can be written");
        }
        let committed = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
        assert_eq!(committed, document, "run: UPDATE_PARITY=1 cargo test -p tindra-control parity");
    }
}
