//! Where words go: data to stdout, the rest to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};

/// Writes a line of data.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes data as it is; on a terminal the prompt that follows starts on a line of its own.
pub(crate) fn bytes(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data)?;
    if io::stdout().is_terminal() && !data.ends_with(b"\n") {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Writes data as indented JSON.
pub(crate) fn json(value: &serde_json::Value) -> io::Result<()> {
    line(&format!("{value:#}"))
}

/// Says something about what is going on. A stderr that nobody reads is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Rows under a heading, in columns, without borders, so that `awk` can read them, too.
pub(crate) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading.iter().map(|title| title.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// True when stderr is a terminal, where moving things may be shown.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Asks before something is destroyed. `None` when nobody can be asked.
pub(crate) fn confirm(question: &str) -> io::Result<Option<bool>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    write!(io::stderr().lock(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
}

/// A duration in milliseconds, in its two largest units at most.
pub(crate) fn time(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_columns_and_no_borders() {
        let rows = vec![
            vec!["hello".to_owned(), "python3.13".to_owned()],
            vec!["a-longer-name".to_owned(), "nodejs22.x".to_owned()],
        ];
        let expected = "NAME           RUNTIME\nhello          python3.13\na-longer-name  nodejs22.x";
        assert_eq!(table(&["name", "runtime"], rows), expected);
    }

    #[test]
    fn times_are_short() {
        assert_eq!([time(0), time(59_999), time(86_400_000 * 3)], ["0 ms", "59 s", "3 d 0 h"]);
    }
}
