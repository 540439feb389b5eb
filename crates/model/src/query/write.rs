//! From what an operation answers, or an error, to XML.

use serde_json::Value;

use crate::data::Shape;
use crate::service::{Operation, Service};

impl Service {
    /// `<ActionResponse><ActionResult>…</ActionResult><ResponseMetadata>…</ResponseMetadata></ActionResponse>`.
    pub(crate) fn write_answer(&self, operation: &Operation, output: &Value, request_id: &str) -> String {
        let mut xml = Xml::default();
        let response = format!("{}Response", operation.name());
        xml.open_with(&response, self.data.xml_namespace.as_deref());
        let shape = operation.data.output.as_deref().and_then(|name| self.shape(name));
        if let Some(shape) = shape {
            let wrapper = operation.data.result_wrapper.as_deref();
            xml.within(wrapper, |xml| self.write_members(xml, shape, output));
        }
        xml.within(Some("ResponseMetadata"), |xml| xml.leaf("RequestId", request_id));
        xml.close(&response);
        xml.text
    }

    /// `<ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>`.
    pub(crate) fn write_error(&self, status: u16, code: &str, message: &str, request_id: &str) -> String {
        let mut xml = Xml::default();
        xml.open_with("ErrorResponse", self.data.xml_namespace.as_deref());
        xml.within(Some("Error"), |xml| {
            xml.leaf("Type", if status < 500 { "Sender" } else { "Receiver" });
            xml.leaf("Code", code);
            xml.leaf("Message", message);
        });
        xml.leaf("RequestId", request_id);
        xml.close("ErrorResponse");
        xml.text
    }

    fn write_members(&self, xml: &mut Xml, shape: &Shape, value: &Value) {
        for member in &shape.members {
            if let Some(value) = value.get(&member.name).filter(|value| !value.is_null()) {
                self.write_value(xml, member.wire_name(), &member.shape, value);
            }
        }
    }

    fn write_value(&self, xml: &mut Xml, name: &str, shape: &str, value: &Value) {
        let Some(shape) = self.shape(shape) else { return };
        match (shape.kind.as_str(), value) {
            ("structure", _) => xml.within(Some(name), |xml| self.write_members(xml, shape, value)),
            ("list", Value::Array(items)) => {
                let element = shape.member.as_deref().unwrap_or_default();
                let inner = shape.member_name.as_deref();
                let (outer, inner) = match shape.flattened {
                    true => (None, inner.unwrap_or(name)),
                    false => (Some(name), inner.unwrap_or("member")),
                };
                xml.within(outer, |xml| items.iter().for_each(|item| self.write_value(xml, inner, element, item)));
            }
            ("map", Value::Object(entries)) => {
                let (outer, inner) = if shape.flattened { (None, name) } else { (Some(name), "entry") };
                xml.within(outer, |xml| {
                    for (key, value) in entries {
                        xml.within(Some(inner), |xml| self.write_entry(xml, shape, key, value));
                    }
                });
            }
            ("timestamp", Value::Number(seconds)) => xml.leaf(name, &date(seconds)),
            (_, Value::String(text)) => xml.leaf(name, text),
            (_, other) => xml.leaf(name, &other.to_string()),
        }
    }

    fn write_entry(&self, xml: &mut Xml, map: &Shape, key: &str, value: &Value) {
        xml.leaf(map.key_name.as_deref().unwrap_or("key"), key);
        let name = map.value_name.as_deref().unwrap_or("value");
        self.write_value(xml, name, map.value.as_deref().unwrap_or_default(), value);
    }
}

/// Seconds since 1970 as `2026-01-02T03:04:05Z`; IAM and STS show whole seconds.
fn date(seconds: &serde_json::Number) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the largest, which is refused"
    )]
    let whole = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds.floor() as i64));
    let time = whole.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.to_string())
}

/// A text that grows by elements.
#[derive(Debug, Default)]
struct Xml {
    text: String,
}

impl Xml {
    fn open_with(&mut self, name: &str, namespace: Option<&str>) {
        self.text.push('<');
        self.text.push_str(name);
        if let Some(namespace) = namespace {
            self.text.push_str(" xmlns=\"");
            self.escape(namespace);
            self.text.push('"');
        }
        self.text.push('>');
    }

    fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// What `write` writes, in an element or as it is.
    fn within(&mut self, name: Option<&str>, write: impl FnOnce(&mut Self)) {
        if let Some(name) = name {
            self.open_with(name, None);
        }
        write(self);
        if let Some(name) = name {
            self.close(name);
        }
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.open_with(name, None);
        self.escape(text);
        self.close(name);
    }

    /// XML 1.0 cannot carry most control characters in any form; a question mark stands for them.
    fn escape(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\r' => self.text.push_str("&#xD;"),
                '\n' | '\t' => self.text.push(letter),
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.text.push('?'),
                _ => self.text.push(letter),
            }
        }
    }
}
