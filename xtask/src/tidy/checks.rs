//! The checks of source files, one rule each.

use super::Fault;
use super::source::Source;

/// A longer file holds a second idea.
const LINES_MAX: usize = 600;
/// Unwraps outside tests for each thousand lines.
const UNWRAPS_PER_THOUSAND_LINES: f64 = 0.5;
/// Names that say nothing of what a file holds.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "types", "imp"];
/// The one file that may lift the lint, for its crate.
const UNSAFE_HEAD: &str = "crates/sandbox/src/lib.rs";

/// Every file opens with its purpose.
pub(super) fn head(file: &Source) -> Vec<Fault> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Fault::new(1, "does not open with its purpose; write `//! …`: what the file is for and what it leaves out")]
}

/// A file's name says what it holds.
pub(super) fn name(file: &Source) -> Vec<Fault> {
    let path = file.name.trim_end_matches(".rs").trim_end_matches("/mod");
    let stem = path.rsplit('/').next().unwrap_or(path);
    let is_empty = EMPTY_NAMES.contains(&stem);
    is_empty
        .then(|| Fault::new(0, format!("`{stem}` says nothing; name the file after what it holds")))
        .into_iter()
        .collect()
}

/// Files are short.
pub(super) fn length(file: &Source) -> Vec<Fault> {
    let lines = file.text.lines().count();
    if lines <= LINES_MAX || file.is_generated() {
        return Vec::new();
    }
    let what = format!("{lines} lines, more than {LINES_MAX}: which second idea moved in? Give it a file of its own");
    vec![Fault::new(0, what)]
}

/// Nothing is left to be done.
pub(super) fn stubs(file: &Source) -> Vec<Fault> {
    if file.is_checker() {
        return Vec::new();
    }
    let found = |line: &str| ["todo!(", "unimplemented!(", "dbg!("].into_iter().find(|stub| line.contains(stub));
    let fault = |(number, line)| {
        found(line)
            .map(|stub| Fault::new(number, format!("`{stub}…)` must not land; write the code or return an error")))
    };
    file.lines().filter_map(fault).collect()
}

/// The lint against unsafe code is lifted in one place.
pub(super) fn unsafe_code(file: &Source) -> Vec<Fault> {
    if file.name == UNSAFE_HEAD || file.is_checker() {
        return Vec::new();
    }
    let lifts = |line: &str| line.contains("unsafe_code") && !line.trim_start().starts_with("//");
    file.lines()
        .filter(|(_, line)| lifts(line))
        .map(|(number, _)| {
            Fault::new(number, "unsafe code belongs to `sandbox` alone; move it there behind a safe function")
        })
        .collect()
}

/// Tests do not sleep.
pub(super) fn sleeping(file: &Source) -> Vec<Fault> {
    if file.is_checker() {
        return Vec::new();
    }
    let sleeps = |line: &str| line.contains("thread::sleep(") || line.contains("time::sleep(");
    let found = file.test_lines().filter(|(_, line)| sleeps(line));
    found.map(|(number, _)| Fault::new(number, WAIT)).collect()
}

/// Tests in Python do not sleep either. Functions that they deploy may: those stand in quotes.
pub(super) fn python_sleeping(file: &Source) -> Vec<Fault> {
    let found = file.lines().filter(|(_, line)| line.trim_start().starts_with("time.sleep("));
    found.map(|(number, _)| Fault::new(number, WAIT)).collect()
}

const WAIT: &str = "a test sleeps; wait for the condition instead, with a bound";

/// Unwraps outside tests stay within their budget.
pub(super) fn unwraps(files: &[Source]) -> Option<String> {
    let lines: usize = files.iter().map(|file| file.live_lines().count()).sum();
    let unwraps = |line: &str| line.contains(".unwrap()") && !line.trim_start().starts_with("//");
    let places: Vec<String> = files
        .iter()
        .filter(|file| !file.is_checker())
        .flat_map(|file| {
            let found = file.live_lines().filter(|(_, line)| unwraps(line));
            found.map(|(number, _)| format!("{}:{number}", file.name))
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of lines")]
    let is_within = places.len() as f64 <= lines as f64 / 1000.0 * UNWRAPS_PER_THOUSAND_LINES;
    (!is_within).then(|| {
        format!(
            "{} unwraps in {lines} lines outside tests; say what must hold with `expect`, or return an error: {}",
            places.len(),
            places.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(faults: &[Fault]) -> Vec<usize> {
        faults.iter().map(|fault| fault.line).collect()
    }

    fn live(text: &str) -> Source {
        Source::new("crates/core/src/clock.rs", text)
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert!(head(&live("//! Time.\n")).is_empty());
        assert_eq!(lines(&head(&live("use a::b;\n//! Time.\n"))), [1]);
        assert_eq!(head(&live("")).len(), 1);
    }

    #[test]
    fn names_say_something() {
        for (path, faults) in [
            ("crates/core/src/utils.rs", 1),
            ("crates/core/src/common/mod.rs", 1),
            ("crates/core/src/types.rs", 1),
            ("crates/core/src/clock.rs", 0),
            ("crates/core/src/name/mod.rs", 0),
            ("crates/core/src/filetypes.rs", 0),
        ] {
            assert_eq!(name(&Source::new(path, "")).len(), faults, "{path}");
        }
    }

    #[test]
    fn long_files_are_named_unless_generated() {
        let body = "fn a() {}\n".repeat(LINES_MAX);
        assert!(length(&live(&body)).is_empty());
        assert_eq!(length(&live(&format!("//! A.\n{body}"))).len(), 1);
        assert!(length(&live(&format!("//! @generated\n{body}"))).is_empty());
    }

    #[test]
    fn stubs_are_found_where_they_are() {
        assert_eq!(lines(&stubs(&live("fn a() {\n    todo!()\n}\nfn b() { dbg!(1) }\n"))), [2, 4]);
        assert!(stubs(&live("// what is left todo\n")).is_empty());
    }

    #[test]
    fn unsafe_code_is_lifted_in_one_place() {
        let text = "//! Head.\n#![expect(\n    unsafe_code,\n    reason = \"a\"\n)]\n";
        assert!(unsafe_code(&Source::new(UNSAFE_HEAD, text)).is_empty());
        assert_eq!(lines(&unsafe_code(&Source::new("crates/sandbox/src/cgroup.rs", text))), [3]);
        assert!(unsafe_code(&live("// unsafe_code is denied\n")).is_empty());
    }

    #[test]
    fn only_tests_must_not_sleep() {
        let sleep = "    std::thread::sleep(a);\n";
        assert!(sleeping(&live(&format!("fn a() {{\n{sleep}}}\n"))).is_empty());
        assert_eq!(lines(&sleeping(&live(&format!("#[cfg(test)]\nmod tests {{\n{sleep}}}\n{sleep}")))), [3]);
        let all = Source::new("crates/core/tests/a.rs", "tokio::time::sleep(a).await;\n");
        assert_eq!(lines(&sleeping(&all)), [1]);
        let python = "    time.sleep(1)\n    code = \"\"\n    \"import time\\ntime.sleep(60)\"\n";
        assert_eq!(lines(&python_sleeping(&Source::new("tests/test_a.py", python))), [1]);
    }

    #[test]
    fn unwraps_have_a_budget() {
        let within = "fn a() {}\n".repeat(2000) + "    a.unwrap();\n";
        assert_eq!(unwraps(&[live(&within)]), None);
        let beyond = unwraps(&[live(&(within + "    b.unwrap();\n"))]).unwrap();
        assert!(beyond.contains("crates/core/src/clock.rs:2001, crates/core/src/clock.rs:2002"), "{beyond}");
        assert_eq!(unwraps(&[live("// a.unwrap() is banned\n#[cfg(test)]\nmod tests {\n    a.unwrap();\n}\n")]), None);
    }
}
