//! Names of functions as callers write them: a bare name, parts of an ARN, or a whole ARN, each with or
//! without a qualifier.
//!
//! [`FunctionReference`] is what a text says; [`FunctionName`] is which function of one account and region it
//! means. What can be wrong on the way is a [`NameError`], whose text is the one that AWS answers with and
//! whose [`code`](NameError::code) names the error in the service model; both the control plane and the
//! invoke path answer with these, so the wording lives only here.

use std::fmt;

use crate::function::Scope;

/// Longest unqualified name (AWS; the pattern in the service model would allow 140).
pub const NAME_BYTES_MAX: usize = 64;

/// The qualifier of the unpublished version.
pub const LATEST: &str = "$LATEST";

/// Why a text names no function that this request may speak of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is neither a name nor an ARN. The service model's pattern lets a few such texts pass.
    #[error("The function name or ARN '{text}' is not valid.")]
    Malformed {
        /// As it came.
        text: String,
    },
    /// The unqualified name is longer than [`NAME_BYTES_MAX`].
    #[error(
        "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to {NAME_BYTES_MAX}"
    )]
    TooLong {
        /// The unqualified name.
        name: String,
    },
    /// The name carries one qualifier and the request another.
    #[error("The derived qualifier from the function name does not match the specified qualifier.")]
    QualifierMismatch,
    /// A qualifier where only a whole function can be meant.
    #[error(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."
    )]
    Qualified,
    /// The ARN is of another region.
    #[error("Functions from '{region}' are not reachable in this region ('{here}')")]
    OtherRegion {
        /// The ARN's region.
        region: String,
        /// The request's region.
        here: String,
    },
    /// The ARN is of another account.
    #[error("The caller is not authorized to perform this operation on resource: {arn}")]
    OtherAccount {
        /// The function's ARN.
        arn: String,
    },
    /// There is no such function, or no such version or alias of it.
    #[error("Function not found: {arn}")]
    NotFound {
        /// Its ARN with the qualifier that was asked for.
        arn: String,
    },
}

impl NameError {
    /// The error's name in the service model.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::TooLong { .. } | Self::QualifierMismatch | Self::Qualified => {
                "InvalidParameterValueException"
            }
            Self::OtherRegion { .. } | Self::NotFound { .. } => "ResourceNotFoundException",
            Self::OtherAccount { .. } => "AccessDeniedException",
        }
    }
}

/// What a text says about a function, taken apart. What it leaves out comes from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionReference<'a> {
    /// For example `us-east-1`.
    pub region: Option<&'a str>,
    /// Twelve digits.
    pub account: Option<&'a str>,
    /// Unqualified name.
    pub name: &'a str,
    /// A version, an alias or `$LATEST`.
    pub qualifier: Option<&'a str>,
}

impl<'a> FunctionReference<'a> {
    /// Takes a text apart: `[arn:PARTITION:lambda:][REGION:][ACCOUNT:][function:]NAME[:QUALIFIER]`.
    ///
    /// As in AWS's pattern every leading part is optional and taken when it can be; so `function:prod` is the
    /// function `prod`, and `function` and `function:$LATEST` are the function called `function`.
    ///
    /// # Errors
    /// [`NameError::Malformed`] and [`NameError::TooLong`].
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed { text: text.to_owned() };
        let mut rest = text;
        let is_arn = take_part(&mut rest, |part| part == "arn");
        if is_arn.is_some() {
            take_part(&mut rest, is_partition).ok_or_else(malformed)?;
            take_part(&mut rest, |part| part == "lambda").ok_or_else(malformed)?;
        }
        let region = take_part(&mut rest, is_region);
        let account = take_part(&mut rest, is_account);
        let function = take_part(&mut rest, |part| part == "function");
        if is_arn.is_some() && (region.is_none() || account.is_none() || function.is_none()) {
            return Err(malformed());
        }
        let (name, qualifier) = match rest.split_once(':') {
            None => (rest, None),
            Some((name, qualifier)) => (name, Some(qualifier)),
        };
        if !is_name(name) || !qualifier.is_none_or(is_qualifier) {
            return Err(malformed());
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { name: name.to_owned() });
        }
        Ok(Self { region, account, name, qualifier })
    }

    /// Joins in what the request says beside the name (`?Qualifier=`); an empty qualifier is none.
    ///
    /// # Errors
    /// [`NameError::QualifierMismatch`] when both name one and they differ.
    pub fn with_qualifier(mut self, qualifier: Option<&'a str>) -> Result<Self, NameError> {
        let qualifier = qualifier.filter(|text| !text.is_empty());
        match (self.qualifier, qualifier) {
            (Some(own), Some(other)) if own != other => return Err(NameError::QualifierMismatch),
            (None, other) => self.qualifier = other,
            _ => {}
        }
        Ok(self)
    }

    /// Whose function it is: what the reference leaves open is as `near`.
    #[must_use]
    pub fn owner(&self, near: &Scope) -> Scope {
        Scope {
            account: self.account.unwrap_or(&near.account).to_owned(),
            region: self.region.unwrap_or(&near.region).to_owned(),
        }
    }

    /// Refuses a function of another region than the request's.
    ///
    /// # Errors
    /// [`NameError::OtherRegion`].
    pub fn check_region(&self, here: &Scope) -> Result<(), NameError> {
        match self.region.filter(|region| *region != here.region) {
            Some(region) => Err(NameError::OtherRegion { region: region.to_owned(), here: here.region.clone() }),
            None => Ok(()),
        }
    }

    /// Refuses a function of another account than the request's.
    ///
    /// # Errors
    /// [`NameError::OtherAccount`].
    pub fn check_account(&self, here: &Scope) -> Result<(), NameError> {
        match self.account.filter(|account| *account != here.account) {
            Some(account) => {
                let there = Scope { account: account.to_owned(), region: here.region.clone() };
                Err(NameError::OtherAccount { arn: arn(&there, self.name, self.qualifier) })
            }
            None => Ok(()),
        }
    }

    /// Which function it means in the region and account of a request.
    ///
    /// # Errors
    /// [`NameError::OtherRegion`] and [`NameError::OtherAccount`].
    pub fn within(&self, here: &Scope) -> Result<FunctionName, NameError> {
        self.check_region(here)?;
        self.check_account(here)?;
        Ok(FunctionName { name: self.name.to_owned(), qualifier: self.qualifier.map(str::to_owned) })
    }

    /// True without a qualifier or with `$LATEST`: both mean the unpublished version.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.qualifier.is_none_or(|qualifier| qualifier == LATEST)
    }
}

impl fmt::Display for FunctionReference<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.region, self.account) {
            (Some(region), Some(account)) => write!(out, "arn:aws:lambda:{region}:{account}:function:")?,
            (Some(region), None) => write!(out, "{region}:function:")?,
            (None, Some(account)) => write!(out, "{account}:function:")?,
            // A bare name that reads like one of the leading parts would be taken for it.
            (None, None) if self.qualifier.is_some() => out.write_str("function:")?,
            (None, None) => {}
        }
        out.write_str(self.name)?;
        self.qualifier.map_or(Ok(()), |qualifier| write!(out, ":{qualifier}"))
    }
}

/// Which function a request of one account and region means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionName {
    /// Unqualified name.
    pub name: String,
    /// As the request gave it.
    pub qualifier: Option<String>,
}

impl FunctionName {
    /// Reads the function that a request names, in the name, beside it, or both.
    ///
    /// # Errors
    /// Every [`NameError`] except [`NameError::Qualified`] and [`NameError::NotFound`].
    pub fn read(text: &str, qualifier: Option<&str>, here: &Scope) -> Result<Self, NameError> {
        FunctionReference::parse(text)?.with_qualifier(qualifier)?.within(here)
    }

    /// The same for an operation on the whole function.
    ///
    /// # Errors
    /// As [`FunctionName::read`], and [`NameError::Qualified`].
    pub fn read_unqualified(text: &str, here: &Scope) -> Result<Self, NameError> {
        let name = Self::read(text, None, here)?;
        if name.qualifier.is_some() { Err(NameError::Qualified) } else { Ok(name) }
    }

    /// True without a qualifier or with `$LATEST`: both mean the unpublished version.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.qualifier.as_deref().is_none_or(|qualifier| qualifier == LATEST)
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`.
    #[must_use]
    pub fn arn(&self, scope: &Scope) -> String {
        arn(scope, &self.name, self.qualifier.as_deref())
    }

    /// The error for when it does not exist.
    #[must_use]
    pub fn not_found(&self, scope: &Scope) -> NameError {
        NameError::NotFound { arn: self.arn(scope) }
    }
}

/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`.
#[must_use]
pub fn arn(scope: &Scope, name: &str, qualifier: Option<&str>) -> String {
    let Scope { account, region } = scope;
    match qualifier {
        None => format!("arn:aws:lambda:{region}:{account}:function:{name}"),
        Some(qualifier) => format!("arn:aws:lambda:{region}:{account}:function:{name}:{qualifier}"),
    }
}

/// Takes the part before the next colon when it fits and what follows can still begin with a name.
fn take_part<'a>(rest: &mut &'a str, fits: impl Fn(&str) -> bool) -> Option<&'a str> {
    let (part, after) = rest.split_once(':')?;
    let next = after.split(':').next().unwrap_or_default();
    if !fits(part) || !is_name(next) {
        return None;
    }
    *rest = after;
    Some(part)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn is_qualifier(text: &str) -> bool {
    text == LATEST || text == "$LATEST.PUBLISHED" || is_name(text)
}

fn is_partition(text: &str) -> bool {
    text.strip_prefix("aws").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `us-east-1`, `us-gov-west-1`, `us-isob-east-1`, `eusc-de-east-1`.
fn is_region(text: &str) -> bool {
    let text = text.strip_prefix("eusc-").unwrap_or(text);
    let mut parts = text.split('-');
    let country = parts.next().unwrap_or_default();
    let Some(number) = parts.next_back() else { return false };
    let area = match (parts.next(), parts.next()) {
        (Some(area), None) => area,
        (Some(kind), Some(area)) if is_isolated(kind) => area,
        _ => return false,
    };
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.next().is_none()
        && country.len() == 2
        && is_word(country)
        && is_word(area)
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_isolated(kind: &str) -> bool {
    let suffix = kind.strip_prefix("iso").map(str::as_bytes);
    kind == "gov" || matches!(suffix, Some([]) | Some([b'a'..=b'z']))
}

#[cfg(test)]
mod tests;
