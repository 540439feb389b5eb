//! What stays out of a package: tools' own files, tests of the function itself, secrets, and what its owner names.

/// Left out wherever they are.
const EVERYWHERE: [&str; 14] = [
    ".git",
    ".hg",
    ".svn",
    ".DS_Store",
    ".idea",
    ".vscode",
    ".venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".cache",
    "__pycache__",
    "*.pyc",
    ".env",
];

/// Left out at the top only: dependencies may need files that are called so.
const AT_THE_TOP: [&str; 9] =
    ["tindra.toml", "tests", "test", "__tests__", "test_*.py", "*_test.py", "*.test.*js", "*.spec.*js", "conftest.py"];

/// The rules for one package.
#[derive(Debug)]
pub(super) struct Ignore {
    patterns: Vec<String>,
}

impl Ignore {
    /// The usual rules and some more patterns: `*` and `?` within a name, `**` for any folders; a pattern
    /// without a slash holds in every folder.
    pub(super) fn new(patterns: &[String]) -> Self {
        Self { patterns: patterns.to_vec() }
    }

    /// True when the file or folder of this name in the package (`a/b/c`) stays out.
    pub(super) fn ignores(&self, name: &str) -> bool {
        let file_name = name.rsplit('/').next().unwrap_or(name);
        EVERYWHERE.iter().any(|pattern| matches(pattern, file_name))
            || (file_name == name && AT_THE_TOP.iter().any(|pattern| matches(pattern, name)))
            || self.patterns.iter().any(|pattern| {
                let pattern = pattern.trim_end_matches('/');
                if pattern.contains('/') {
                    path_matches(pattern.trim_start_matches('/'), name)
                } else {
                    matches(pattern, file_name)
                }
            })
    }
}

/// Whole paths, component by component.
fn path_matches(pattern: &str, path: &str) -> bool {
    match (pattern.split_once('/'), path.split_once('/')) {
        (None, None) => pattern == "**" || matches(pattern, path),
        (None, Some(_)) => pattern == "**",
        (Some(("**", rest)), None) => path_matches(rest, path),
        (Some(("**", rest)), Some((_, inner))) => path_matches(rest, path) || path_matches(pattern, inner),
        (Some(_), None) => false,
        (Some((first, rest)), Some((name, inner))) => matches(first, name) && path_matches(rest, inner),
    }
}

/// One name. The position after the last `*` is all that has to be remembered to try again.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    p = star_p + 1;
                    n = star_n + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        for (pattern, name, expected) in [
            ("*.pyc", "a.pyc", true),
            ("*.pyc", "a.py", false),
            ("test_*.py", "test_app.py", true),
            ("*.test.*js", "index.test.mjs", true),
            ("*.test.*js", "index.test.js", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn tools_files_stay_out_and_dependencies_stay_in() {
        let ignore = Ignore::new(&["*.md".to_owned(), "docs/**".to_owned(), "/assets/*.psd".to_owned()]);
        for out in [
            "__pycache__",
            "lib/__pycache__",
            ".git",
            "tests",
            "test_app.py",
            ".env",
            "x/README.md",
            "docs/a/b",
            "assets/logo.psd",
            "tindra.toml",
        ] {
            assert!(ignore.ignores(out), "{out}");
        }
        for stays in [
            "app.py",
            "node_modules",
            "node_modules/qs/test",
            "boto3/tests",
            "assets/x/logo.psd",
            "lib/python3.12/site-packages",
            "event.json",
        ] {
            assert!(!ignore.ignores(stays), "{stays}");
        }
    }
}
