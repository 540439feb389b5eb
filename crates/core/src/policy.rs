//! The policy language of IAM: what a document says, and whether it lets a request pass.
//!
//! [`Policy::parse`] reads a document into plain values and says where one is wrong; printing gives the text
//! back as AWS prints it. [`evaluate`] puts one [`Request`] to some documents (an explicit deny wins over an
//! allow, and what nothing allows is denied), and [`authorise`] joins what the caller's own policies and the
//! resource's policy say, within one account and across two.
//!
//! The rules are those of the IAM user guide ("Policy evaluation logic", "JSON policy element reference").
//! The policies of organisations are not part of it.

mod authorise;
mod condition;
mod document;
mod evaluate;
mod json;
mod operator;
mod pattern;
mod principal;
mod print;
mod read;
mod request;
mod value;

#[cfg(test)]
mod tests;

pub use authorise::{Holdings, Origin, Verdict, authorise};
pub use document::PolicyError;
pub use evaluate::{Decision, evaluate};
pub use operator::{Comparison, Operator, Quantifier};
pub use request::{Context, Request, Requester};

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The language's version; without one the document is read as of 2008.
    pub version: Option<Version>,
    /// Free text that some services set (Lambda: `default`).
    pub id: Option<String>,
    /// In the order of the document, which decides nothing.
    pub statements: Vec<Statement>,
}

/// A version of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`: `${...}` is plain text.
    Of2008,
    /// `2012-10-17`: with policy variables.
    Of2012,
}

impl Version {
    /// As the document has it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Of2008 => "2008-10-17",
            Self::Of2012 => "2012-10-17",
        }
    }
}

/// One statement: what it says of whom, of which actions, on what, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its name, unique in the document.
    pub sid: Option<String>,
    /// What follows when it applies.
    pub effect: Effect,
    /// Whom it speaks of; `None` in the policies of identities, which speak of their holder.
    pub principals: Option<Selection<Principals>>,
    /// For example `lambda:Invoke*`.
    pub actions: Selection<Vec<String>>,
    /// Patterns of ARNs; `None` in documents that hang on the one resource they speak of (trust policies).
    pub resources: Option<Selection<Vec<String>>>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

/// What a statement does when it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It grants.
    Allow,
    /// It forbids, whatever else grants.
    Deny,
}

impl Effect {
    /// As the document has it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// An element in its plain or its negated form (`Action`, `NotAction`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<T> {
    /// Only what is listed.
    Only(T),
    /// All but what is listed.
    AllBut(T),
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principals {
    /// A bare `"*"`: everybody, the anonymous included.
    Everybody,
    /// Principals by kind.
    Listed(Vec<(PrincipalKind, Vec<String>)>),
}

/// The kinds of principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// Accounts, users, roles and sessions; `*` is everybody.
    Aws,
    /// Services, such as `s3.amazonaws.com`.
    Service,
    /// Identity providers.
    Federated,
    /// The canonical user ids of S3.
    CanonicalUser,
}

impl PrincipalKind {
    pub(crate) const ALL: [Self; 4] = [Self::Aws, Self::Service, Self::Federated, Self::CanonicalUser];

    /// As the document has it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Service => "Service",
            Self::Federated => "Federated",
            Self::CanonicalUser => "CanonicalUser",
        }
    }
}

/// One key that is compared with some values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How they are compared.
    pub operator: Operator,
    /// A key of the request's context; case does not count.
    pub key: String,
    /// One of these must match (for negated operators: none may).
    pub values: Vec<String>,
}
