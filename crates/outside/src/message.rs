//! What goes with a message to a queue or a topic.

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttribute {
    /// Its name.
    pub name: String,
    /// What its value is.
    pub kind: AttributeKind,
    /// The value; services refuse an empty one.
    pub value: String,
}

/// What the value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// Text.
    String,
    /// Digits.
    Number,
}

impl MessageAttribute {
    /// An attribute that is a text.
    #[must_use]
    pub fn string(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), kind: AttributeKind::String, value: value.into() }
    }

    /// An attribute that is a whole number.
    #[must_use]
    pub fn number(name: impl Into<String>, value: i64) -> Self {
        Self { name: name.into(), kind: AttributeKind::Number, value: value.to_string() }
    }
}

impl AttributeKind {
    /// `DataType` on the wire.
    pub(super) fn data_type(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
        }
    }
}
