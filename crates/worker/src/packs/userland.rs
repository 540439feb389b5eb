//! What every pack has besides its language: an `/etc` of our own, certificates, time zones, the C library
//! with its plug-ins, a shell and core tools, and the empty directories that the sandbox mounts over.

use std::path::{Path, PathBuf};

use super::libraries::{DIRECTORY, Libraries};
use super::tree::Tree;
use super::{PackError, elf};

/// Programs that scripts (bootstraps, wrappers) count on; taken along when the host has them.
const TOOLS: &[&str] = &[
    "[",
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "chmod",
    "comm",
    "cp",
    "curl",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "fold",
    "grep",
    "egrep",
    "fgrep",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "id",
    "install",
    "join",
    "kill",
    "ldd",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nice",
    "nohup",
    "nproc",
    "od",
    "paste",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sha1sum",
    "sha256sum",
    "sleep",
    "sort",
    "split",
    "stat",
    "stdbuf",
    "sync",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "uname",
    "uniq",
    "unlink",
    "wc",
    "which",
    "whoami",
    "xargs",
    "yes",
];

/// Libraries that are loaded by name at run time, or that packages built elsewhere expect (the list of
/// manylinux), beyond what the programs themselves ask for.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libcrypt.so.1",
    "libz.so.1",
    "libatomic.so.1",
    "libgomp.so.1",
];

/// Character sets that iconv and wide-character code load on demand.
const CHARACTER_SETS: &[&str] = &[
    "UTF-16.so",
    "UTF-32.so",
    "UTF-7.so",
    "UNICODE.so",
    "ISO8859-1.so",
    "ISO8859-15.so",
    "CP1252.so",
    "gconv-modules",
    "gconv-modules.cache",
    "gconv-modules.d/gconv-modules-extra.conf",
];

const CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where a pack has its certificates.
pub(super) const CERTIFICATES_INSIDE: &str = "/etc/pki/tls/certs/ca-bundle.crt";

/// Files of `/etc`. The user is the one that AWS's environments run as.
const ETC: &[(&str, &str)] = &[
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nsbx_user1051:x:990:\nnobody:x:65534:\n"),
    (
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
    ),
    ("/etc/hosts", "127.0.0.1 localhost\n169.254.100.1 sandbox.localdomain sandbox\n"),
    ("/etc/resolv.conf", "nameserver 169.254.100.1\noptions timeout:2 attempts:3\n"),
    ("/etc/host.conf", "multi on\n"),
    ("/etc/protocols", "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n"),
    (
        "/etc/services",
        "ssh 22/tcp\nsmtp 25/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nntp 123/udp\nimap 143/tcp\nldap 389/tcp\nhttps 443/tcp\nsubmission 587/tcp\nldaps 636/tcp\nimaps 993/tcp\nmysql 3306/tcp\npostgresql 5432/tcp\nredis 6379/tcp\n",
    ),
    (
        "/etc/os-release",
        "NAME=\"Tindra\"\nID=tindra\nID_LIKE=\"amzn fedora\"\nVERSION=\"2023\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Tindra execution environment (laid out as Amazon Linux 2023; programs and libraries of the host)\"\n",
    ),
    ("/etc/ld.so.conf", "/lib64\n/usr/lib64\n"),
    ("/etc/locale.conf", "LANG=C.UTF-8\n"),
    ("/etc/shells", "/bin/sh\n/bin/bash\n"),
];

/// Directories that are mounted over, or that must be there and empty.
const EMPTY: &[&str] = &[
    "/dev",
    "/proc",
    "/sys",
    "/tmp",
    "/opt",
    "/var/task",
    "/var/runtime",
    "/var/tmp",
    "/mnt",
    "/run",
    "/home",
    "/root",
];

/// Writes all of it.
pub(super) fn write(tree: &Tree, libraries: &mut Libraries<'_>) -> Result<(), PackError> {
    lay_out(tree)?;
    for (path, content) in ETC {
        tree.write(path, content)?;
    }
    certificates(tree)?;
    time_zones(tree)?;
    for library in LIBRARIES {
        libraries.add_if_there(library)?;
    }
    character_sets_and_locales(tree, libraries)?;
    tools(tree, libraries)
}

/// One directory for programs and one for libraries, under all their usual names.
fn lay_out(tree: &Tree) -> Result<(), PackError> {
    for path in EMPTY {
        tree.directory(path)?;
    }
    for (path, target) in [("/bin", "usr/bin"), ("/sbin", "usr/bin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")] {
        tree.link(path, target)?;
    }
    tree.directory("/usr/bin")?;
    tree.directory("/usr/lib")?;
    tree.directory(DIRECTORY)?;
    tree.link("/usr/sbin", "bin")?;
    let machine = if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };
    tree.link(&format!("/usr/lib/{machine}"), "../lib64")?;
    tree.link("/var/lib64", "../usr/lib64")?;
    tree.link("/var/run", "../run")
}

fn certificates(tree: &Tree) -> Result<(), PackError> {
    let Some(bundle) = CERTIFICATES.iter().map(Path::new).find(|path| path.is_file()) else {
        tracing::warn!("this machine has no bundle of CA certificates; functions will not be able to verify TLS");
        return Ok(());
    };
    tree.copy_file(bundle, CERTIFICATES_INSIDE)?;
    // The names that OpenSSL, Go, curl and Debian's and Fedora's builds of them look for.
    for path in [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
        "/etc/pki/tls/cert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/usr/lib/ssl/cert.pem",
        "/usr/local/ssl/cert.pem",
    ] {
        tree.link(path, CERTIFICATES_INSIDE)?;
    }
    tree.link("/usr/lib/ssl/certs", "/etc/ssl/certs")
}

fn time_zones(tree: &Tree) -> Result<(), PackError> {
    let zones = Path::new("/usr/share/zoneinfo");
    if zones.is_dir() {
        // `right` counts leap seconds and `posix` repeats the rest.
        let wanted =
            |path: &Path| !path.starts_with("right") && !path.starts_with("posix") && !path.ends_with("localtime");
        tree.copy_directory(zones, "/usr/share/zoneinfo", &wanted)?;
        tree.link("/etc/localtime", "/usr/share/zoneinfo/UTC")?;
    }
    Ok(())
}

fn character_sets_and_locales(tree: &Tree, libraries: &mut Libraries<'_>) -> Result<(), PackError> {
    let gconv = libraries.directories().iter().map(|directory| directory.join("gconv")).find(|path| path.is_dir());
    if let Some(gconv) = gconv {
        for name in CHARACTER_SETS {
            let path = gconv.join(name);
            if path.is_file() {
                tree.copy_file(&path, &format!("{DIRECTORY}/gconv/{name}"))?;
            }
        }
    }
    // LANG is en_US.UTF-8 in every environment; where the host lacks it, the C.UTF-8 tables stand in.
    for (source, inside) in [("C.utf8", "C.utf8"), ("C.UTF-8", "C.utf8"), ("en_US.utf8", "en_US.utf8")] {
        let path = Path::new("/usr/lib/locale").join(source);
        if path.is_dir() {
            tree.copy_directory(&path, &format!("/usr/lib/locale/{inside}"), &|_| true)?;
        }
    }
    tree.link("/usr/lib/locale/en_US.utf8", "C.utf8")
}

fn tools(tree: &Tree, libraries: &mut Libraries<'_>) -> Result<(), PackError> {
    for tool in TOOLS {
        let Some(path) = find_tool(tool) else { continue };
        tree.copy_file(&path, &format!("/usr/bin/{tool}"))?;
        if elf::read(&path).is_some() {
            libraries.add_needs_of(&path)?;
        }
    }
    Ok(())
}

fn find_tool(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin"]
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
}
