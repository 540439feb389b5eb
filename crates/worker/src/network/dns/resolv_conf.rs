//! The host's own resolvers, read again when the file changes (laptops move between networks).

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

const DNS_PORT: u16 = 53;
/// How long the file is not looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Resolvers that the C library uses (`MAXNS`).
const NAMESERVERS_MAX: usize = 3;

/// `/etc/resolv.conf`, as last seen.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone, Debug)]
struct Seen {
    looked_at: Instant,
    modified: Option<SystemTime>,
    nameservers: Arc<[SocketAddr]>,
}

impl ResolvConf {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::new(None) }
    }

    /// The resolvers; none when the file is missing or names none that can be used.
    pub(super) async fn nameservers(&self) -> Arc<[SocketAddr]> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(seen) = &seen
            && seen.looked_at.elapsed() < LOOK_AGAIN_AFTER
        {
            return Arc::clone(&seen.nameservers);
        }
        let path = self.path.clone();
        // Nothing is lost when the thread is: the next question looks again.
        let looked = tokio::task::spawn_blocking(move || look(&path, seen)).await;
        let Ok(now) = looked else { return Arc::new([]) };
        let nameservers = Arc::clone(&now.nameservers);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        nameservers
    }
}

fn look(path: &Path, seen: Option<Seen>) -> Seen {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if let Some(seen) = seen
        && modified.is_some()
        && seen.modified == modified
    {
        return Seen { looked_at: Instant::now(), ..seen };
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Seen { looked_at: Instant::now(), modified, nameservers: parse(&text).into() }
}

/// The `nameserver` lines. Link-local IPv6 resolvers with a zone are left out.
fn parse(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next()).flatten()?.parse::<IpAddr>().ok()
        })
        .map(|address| SocketAddr::new(address, DNS_PORT))
        .take(NAMESERVERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameserver_lines_are_read_and_the_rest_is_not() {
        let text = "# made by hand\nsearch example.test\nnameserver 127.0.0.53\n nameserver\t2001:db8::1 # two\n\
                    nameserver fe80::1%eth0\nnameserver\nnameserver nonsense\nnameservers 9.9.9.9\n;nameserver 1.1.1.1\n";
        assert_eq!(parse(text), ["127.0.0.53:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_read_again() {
        let directory = std::env::temp_dir().join(format!("tindra-resolv-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("resolv.conf");
        let resolv_conf = ResolvConf::new(path.clone());
        assert!(resolv_conf.nameservers().await.is_empty());
        std::fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        tokio::time::advance(LOOK_AGAIN_AFTER).await;
        assert_eq!(resolv_conf.nameservers().await[..], ["192.0.2.1:53".parse().unwrap()]);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
