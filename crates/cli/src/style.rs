//! Colours by meaning. Nothing is said by colour alone, and `NO_COLOR` or a pipe turns them off.

use owo_colors::{OwoColorize as _, Stream, Style};

/// The word that opens an error.
pub(crate) fn error(text: &str) -> String {
    paint(text, Stream::Stderr, Style::new().red().bold())
}

/// The word that opens a hint.
pub(crate) fn hint(text: &str) -> String {
    paint(text, Stream::Stderr, Style::new().cyan().bold())
}

/// The word that opens a warning.
pub(crate) fn warning(text: &str) -> String {
    paint(text, Stream::Stderr, Style::new().yellow().bold())
}

/// A name that the reader looks for, on stdout.
pub(crate) fn name(text: &str) -> String {
    paint(text, Stream::Stdout, Style::new().bold())
}

/// Text to be copied, on stdout.
pub(crate) fn command(text: &str) -> String {
    paint(text, Stream::Stdout, Style::new().green())
}

/// Text that is rarely read, on stdout.
pub(crate) fn faint(text: &str) -> String {
    paint(text, Stream::Stdout, Style::new().dimmed())
}

/// Something that holds or works, on stderr.
pub(crate) fn good(text: &str) -> String {
    paint(text, Stream::Stderr, Style::new().green())
}

fn paint(text: &str, stream: Stream, style: Style) -> String {
    text.if_supports_color(stream, |text| text.style(style)).to_string()
}
