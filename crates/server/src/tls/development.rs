//! The certificate of `tindra dev --tls`: an authority of this machine alone, and a certificate signed by it.
//!
//! The authority is made once and kept, so that it has to be trusted once. It can vouch for nothing but this machine
//! (its name constraints are `localhost` and loopback addresses), so that a stolen key is of no use elsewhere.
//! Certificates are made anew by each run.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::ToSpan as _;
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use serde::{Deserialize, Serialize};

use crate::config::TlsFiles;

/// How long the authority holds.
const AUTHORITY_YEARS: i64 = 10;
/// One that has less left is replaced, and has to be trusted anew.
const AUTHORITY_LEFT_DAYS: i64 = 400;
/// How long a certificate holds: no client takes one for longer than 398 days.
const CERTIFICATE_DAYS: i64 = 90;
/// When a run that goes on makes the next one.
const RENEWAL: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3_600);
const OWNER_ONLY: u32 = 0o600;
const EVERYBODY_READS: u32 = 0o644;

/// Why there is no development certificate.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A file cannot be read or written.
    #[error("failed to keep the development certificate in {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key or certificate cannot be made.
    #[error("failed to make the development certificate")]
    Make {
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The certificate would be of no use to who comes from outside.
    #[error("failed to make a certificate for {address}: development certificates are for this machine alone")]
    NotLoopback {
        /// Where the server listens.
        address: SocketAddr,
    },
}

/// Where the authority and its certificates are, and what those are for.
#[derive(Clone, Debug)]
pub struct Development {
    /// Kept: `ca.pem`, `ca-key.pem` and `ca.json`.
    pub authority: PathBuf,
    /// Of this run: `cert.pem` and `key.pem`.
    pub directory: PathBuf,
    /// Its hosts of function URLs and APIs are among the names.
    pub region: String,
    /// A loopback address.
    pub listen: SocketAddr,
}

/// What else the authority's certificate is made from, beside its key.
#[derive(Debug, Deserialize, Serialize)]
struct Authority {
    /// No two have the same, not even those of one day.
    name: String,
    /// Year, month and day.
    made_on: String,
}

impl Development {
    /// Makes a certificate, and the authority when there is none or it ends soon.
    ///
    /// # Errors
    /// See [`DevelopmentError`].
    pub fn make(&self) -> Result<TlsFiles, DevelopmentError> {
        if !self.listen.ip().is_loopback() {
            return Err(DevelopmentError::NotLoopback { address: self.listen });
        }
        let today = jiff::Zoned::now().date();
        make_directory(&self.authority)?;
        make_directory(&self.directory)?;
        let issuer = self.issuer(today)?;
        let key = KeyPair::generate().map_err(made)?;
        let mut parameters = CertificateParams::new(self.names()).map_err(made)?;
        parameters.distinguished_name.push(DnType::CommonName, "Tindra on this machine");
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut parameters, add_days(today, -1), add_days(today, CERTIFICATE_DAYS));
        let certificate = parameters.signed_by(&key, &issuer).map_err(made)?;
        let files = TlsFiles { certificate: self.directory.join("cert.pem"), key: self.directory.join("key.pem") };
        write(&files.certificate, &certificate.pem(), EVERYBODY_READS)?;
        write(&files.key, &key.serialize_pem(), OWNER_ONLY)?;
        Ok(files)
    }

    /// Makes a new certificate long before the last one ends, for ever; a server reads it when the files change.
    pub async fn renew(&self) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            if let Err(error) = self.make() {
                tracing::warn!(error = &error as &dyn std::error::Error, "the development certificate is not renewed");
            }
        }
    }

    /// The file that clients have to trust.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.authority.join("ca.pem")
    }

    fn names(&self) -> Vec<String> {
        // `*.localhost` is not among them: no client lets a wildcard stand before a single label.
        let region = &self.region;
        let hosts = ["localhost".to_owned(), format!("*.{region}.localhost")];
        let of_services = ["lambda-url", "execute-api"].map(|label| format!("*.{label}.{region}.localhost"));
        let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        if !addresses.contains(&self.listen.ip()) {
            addresses.push(self.listen.ip());
        }
        hosts.into_iter().chain(of_services).chain(addresses.iter().map(ToString::to_string)).collect()
    }

    /// The authority that is there, or a new one. Runs that start at once take turns.
    fn issuer(&self, today: Date) -> Result<Issuer<'static, KeyPair>, DevelopmentError> {
        let path = self.authority.join("lock");
        let lock = File::create(&path).map_err(failed(&path))?;
        lock.lock().map_err(failed(&path))?;
        if let Some(issuer) = self.kept(today) {
            return Ok(issuer);
        }
        let name = format!("Tindra development authority {}", uuid::Uuid::new_v4());
        let authority = Authority { name, made_on: today.to_string() };
        let key = KeyPair::generate().map_err(made)?;
        let parameters = authority.parameters(today);
        let certificate = parameters.self_signed(&key).map_err(made)?;
        write(&self.authority.join("ca-key.pem"), &key.serialize_pem(), OWNER_ONLY)?;
        write(&self.authority.join("ca.json"), &serde_json::json!(authority).to_string(), EVERYBODY_READS)?;
        write(&self.authority_file(), &certificate.pem(), EVERYBODY_READS)?;
        Ok(Issuer::new(parameters, key))
    }

    /// None when a file is missing or unintelligible, or when the authority ends soon.
    fn kept(&self, today: Date) -> Option<Issuer<'static, KeyPair>> {
        let text = |name| fs::read_to_string(self.authority.join(name)).ok();
        let authority: Authority = serde_json::from_str(&text("ca.json")?).ok()?;
        let key = KeyPair::from_pem(&text("ca-key.pem")?).ok()?;
        let is_there = text("ca.pem")?.contains("BEGIN CERTIFICATE");
        let made_on: Date = authority.made_on.parse().ok()?;
        let holds = ends_on(made_on) >= add_days(today, AUTHORITY_LEFT_DAYS);
        (is_there && holds).then(|| Issuer::new(authority.parameters(made_on), key))
    }
}

impl Authority {
    fn parameters(&self, made_on: Date) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, self.name.as_str());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![
                GeneralSubtree::DnsName("localhost".to_owned()),
                GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
                GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(Ipv6Addr::LOCALHOST.octets(), 128)),
            ],
            excluded_subtrees: Vec::new(),
        });
        set_validity(&mut parameters, add_days(made_on, -1), ends_on(made_on));
        parameters
    }
}

fn set_validity(parameters: &mut CertificateParams, from: Date, until: Date) {
    // Months and days are counted from one, and are no negative numbers.
    let number = |number: i8| u8::try_from(number).unwrap_or(1);
    let moment = |date: Date| rcgen::date_time_ymd(date.year().into(), number(date.month()), number(date.day()));
    parameters.not_before = moment(from);
    parameters.not_after = moment(until);
}

fn ends_on(made_on: Date) -> Date {
    made_on.saturating_add(AUTHORITY_YEARS.years())
}

fn add_days(date: Date, days: i64) -> Date {
    date.saturating_add(days.days())
}

fn made(source: rcgen::Error) -> DevelopmentError {
    DevelopmentError::Make { source }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> DevelopmentError + use<> {
    let path = path.to_owned();
    move |source| DevelopmentError::File { path: path.clone(), source }
}

fn make_directory(path: &Path) -> Result<(), DevelopmentError> {
    // Others find `ca.pem` by its path.
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed(path))
}

/// In one step, so that nobody reads half a file.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), DevelopmentError> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&new)(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).map_err(failed(&new))?;
    file.write_all(text.as_bytes()).map_err(failed(&new))?;
    fs::rename(&new, path).map_err(failed(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::tls::Certificates;

    fn development(directory: &Path) -> Development {
        Development {
            authority: directory.join("ca"),
            directory: directory.join("1"),
            region: "eu-north-1".to_owned(),
            listen: "127.0.0.5:1".parse().unwrap(),
        }
    }

    #[test]
    fn the_authority_stays_and_the_certificate_is_new() {
        let directory = tempfile::tempdir().unwrap();
        let development = development(directory.path());
        let files = development.make().unwrap();
        Certificates::load(&files, &[]).unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let (authority, certificate) = (read(&development.authority_file()), read(&files.certificate));
        development.make().unwrap();
        assert_eq!(read(&development.authority_file()), authority);
        assert_ne!(read(&files.certificate), certificate);
        for key in [&files.key, &development.authority.join("ca-key.pem")] {
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(development.names().contains(&"127.0.0.5".to_owned()));
    }

    #[test]
    fn an_authority_that_ends_soon_or_is_broken_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let development = development(directory.path());
        let today = jiff::Zoned::now().date();
        development.make().unwrap();
        assert!(development.kept(today).is_some());
        assert!(development.kept(today.saturating_add(9.years())).is_none());
        fs::write(development.authority.join("ca-key.pem"), "").unwrap();
        assert!(development.kept(today).is_none());
        development.make().unwrap();
        assert!(development.kept(today).is_some());
    }

    #[test]
    fn only_for_this_machine() {
        let directory = tempfile::tempdir().unwrap();
        let outside = Development { listen: "192.0.2.1:1".parse().unwrap(), ..development(directory.path()) };
        assert!(matches!(outside.make(), Err(DevelopmentError::NotLoopback { .. })));
    }
}
