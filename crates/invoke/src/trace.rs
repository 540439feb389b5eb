//! Trace ids (`X-Amzn-Trace-Id`): passed on when the caller has one, made otherwise.

use tindra_core::clock::UnixMs;
use uuid::Uuid;

/// Longest header that is passed on; AWS's own stay far below.
const BYTES_MAX: usize = 512;

/// The caller's trace id when it is one, else a fresh one. Whether it is sampled is decided here only when the caller
/// has not decided it.
pub(crate) fn trace_id(
    from_caller: Option<String>,
    now_ms: UnixMs,
    is_sampled: impl FnOnce() -> bool,
    random: impl FnOnce() -> Uuid,
) -> String {
    let (head, is_decided) = match from_caller.filter(|text| is_trace_id(text)) {
        Some(text) => {
            let is_decided = text.split(';').any(|field| matches!(field.trim(), "Sampled=0" | "Sampled=1"));
            (text, is_decided)
        }
        None => (fresh(now_ms, random), false),
    };
    match is_decided {
        true => head,
        // `Sampled=?` asks for a decision, too.
        false => format!("{};Sampled={}", head.trim_end_matches(";Sampled=?"), u8::from(is_sampled())),
    }
}

/// What stands for a function in a lineage.
pub(crate) fn resource(function_id: Uuid) -> u32 {
    let [first, second, third, fourth] = [0, 4, 8, 12].map(|at| {
        let bytes = function_id.as_bytes();
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    });
    first ^ second ^ third ^ fourth
}

/// A new trace id, for a front door that shows it to the function before the invoke begins.
#[must_use]
pub fn fresh_trace_id(now_ms: UnixMs) -> String {
    fresh(now_ms, Uuid::new_v4)
}

fn fresh(now_ms: UnixMs, random: impl FnOnce() -> Uuid) -> String {
    let random = random().simple().to_string();
    let (parent, root) = random.split_at(8);
    // A uuid has fixed bits in the middle; the first 8 digits and the last 24 leave both ids distinct.
    format!("Root=1-{:08x}-{root};Parent={parent}{}", (now_ms / 1_000) & 0xffff_ffff, &root[16..])
}

/// Whether it has a `Root=1-8hex-24hex` and nothing that a header could not carry.
fn is_trace_id(text: &str) -> bool {
    text.len() <= BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && text.split(';').filter_map(|field| field.trim().strip_prefix("Root=")).any(is_root)
}

fn is_root(root: &str) -> bool {
    let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = root.split('-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|time| is_hex(time, 8))
        && parts.next().is_some_and(|random| is_hex(random, 24))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{is_trace_id, trace_id};
    use uuid::Uuid;

    #[test]
    fn callers_keep_theirs() {
        let theirs = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        assert_eq!(trace_id(Some(theirs.to_owned()), 0, || false, Uuid::new_v4), theirs);
        let undecided = "Root=1-5759e988-bd862e3fe1be46a994272793";
        for text in [undecided.to_owned(), format!("{undecided};Sampled=?")] {
            let decided = trace_id(Some(text), 0, || true, Uuid::new_v4);
            assert_eq!(decided, format!("{undecided};Sampled=1"));
        }
    }

    #[test]
    fn others_get_a_fresh_one() {
        for junk in ["", "Root=1-2-3", "Root=1-5759e988-bd862e3fe1be46a994272793\r\nX: y", "Self=1"] {
            let made = trace_id(Some(junk.to_owned()), 1_465_510_280_000, || false, Uuid::new_v4);
            assert!(is_trace_id(&made) && made.starts_with("Root=1-5759e988-"), "{made}");
            assert!(made.ends_with(";Sampled=0"), "{made}");
            let parent = made.split("Parent=").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
            assert_eq!(parent.len(), 16);
        }
        assert_ne!(trace_id(None, 0, || false, Uuid::new_v4), trace_id(None, 0, || false, Uuid::new_v4));
    }
}
