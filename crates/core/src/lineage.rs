//! The lineage in a trace header, by which a function that causes itself is told (AWS: "Use Lambda recursive loop detection
//! to prevent infinite loops").
//!
//! `Lineage=REQUESTS:RESOURCE:LOOPS`: how many passes the chain has had, the function that it is counted for, and how often
//! the chain has come back to that one. The form is the one that AWS's own header has and that tracing libraries keep
//! (eight hexadecimal digits between two numbers, at most 255 and 32,767). Which numbers AWS counts is not published.

use std::fmt;

/// Passes of one chain through one function, after which the next is stopped (AWS: "approximately 16 times").
pub const PASSES_MAX: u16 = 16;
/// Passes through others, after which the chain is counted for the function at hand: a loop may begin anywhere in it.
const STRANGERS_MAX: u8 = 16;

/// One chain of invokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage {
    requests: u8,
    resource: u32,
    loops: u16,
}

impl Lineage {
    /// The lineage that a trace header has.
    #[must_use]
    pub fn find(header: &str) -> Option<Self> {
        let mut parts = header.split(';').find_map(|field| field.trim().strip_prefix("Lineage="))?.split(':');
        let (requests, resource, loops) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || resource.len() != 8 || !resource.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let resource = u32::from_str_radix(resource, 16).ok()?;
        Some(Self { requests: requests.parse().ok()?, resource, loops: loops.parse().ok()? })
    }

    /// The lineage of an invoke of a function (`resource` is a hash of what identifies it) by whoever sent `before`.
    #[must_use]
    pub fn pass(before: Option<Self>, resource: u32) -> Self {
        match before {
            Some(before) if before.resource == resource => {
                Self { requests: 0, resource, loops: before.loops.saturating_add(1) }
            }
            Some(before) if before.requests < STRANGERS_MAX => Self { requests: before.requests + 1, ..before },
            _ => Self { requests: 0, resource, loops: 0 },
        }
    }

    /// Whether the chain has come through its function too often.
    #[must_use]
    pub fn is_loop(self) -> bool {
        self.loops >= PASSES_MAX
    }

    /// A trace header with this lineage in place of the one that it has.
    #[must_use]
    pub fn put_into(self, header: &str) -> String {
        let mut text = String::with_capacity(header.len() + 26);
        for field in header.split(';').filter(|field| !field.trim().starts_with("Lineage=")) {
            text.push_str(field);
            text.push(';');
        }
        text + "Lineage=" + &self.to_string()
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{:08x}:{}", self.requests, self.resource, self.loops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";

    /// Passes through functions one after the other, until one is stopped; how many had run.
    fn passes(functions: impl Iterator<Item = u32>) -> usize {
        let mut header = HEADER.to_owned();
        let mut ran = 0;
        for function in functions {
            let lineage = Lineage::pass(Lineage::find(&header), function);
            if lineage.is_loop() {
                break;
            }
            ran += 1;
            header = lineage.put_into(&header);
        }
        ran
    }

    #[test]
    fn a_function_that_calls_itself_runs_sixteen_times() {
        assert_eq!(passes(std::iter::repeat(7)), 16);
    }

    #[test]
    fn longer_loops_and_late_ones_end_too() {
        assert_eq!(passes([1, 2, 3].into_iter().cycle()), 16 * 3);
        assert_eq!(passes(std::iter::once(1).chain(std::iter::repeat(2))), 1 + 16 + 16);
        assert_eq!(passes(0..1_000), 1_000, "no loop");
    }

    #[test]
    fn headers_keep_what_else_they_have() {
        let first = Lineage::pass(None, 0xab).put_into(HEADER);
        assert_eq!(first, format!("{HEADER};Lineage=0:000000ab:0"));
        let second = Lineage::pass(Lineage::find(&first), 0xab).put_into(&first);
        assert_eq!(second, format!("{HEADER};Lineage=0:000000ab:1"));
        let third = Lineage::pass(Lineage::find(&second), 0xcd).put_into(&second);
        assert_eq!(third, format!("{HEADER};Lineage=1:000000ab:1"));
    }

    #[test]
    fn junk_is_no_lineage() {
        for junk in [
            "",
            "Lineage=",
            "Lineage=1:2:3",
            "Lineage=1:0000000g:3",
            "Lineage=256:00000000:1",
            "Lineage=1:00000000:1:1",
        ] {
            assert_eq!(Lineage::find(junk), None, "{junk}");
        }
    }
}
