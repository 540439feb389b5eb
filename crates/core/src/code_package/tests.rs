//! Hostile and ordinary zips. They are made by hand, because libraries refuse to make most of them.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;

/// One entry of a hand-made zip; the defaults are an ordinary file.
#[derive(Clone)]
struct Made {
    name: Vec<u8>,
    content: Vec<u8>,
    mode: u32,
    made_on: u8,
    flags: u16,
    method: u16,
    claimed_bytes: Option<u32>,
    crc32: Option<u32>,
}

fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Made {
    Made {
        name: name.as_ref().to_vec(),
        content: content.as_ref().to_vec(),
        mode: 0o100_644,
        made_on: 3,
        flags: 0,
        method: 8,
        claimed_bytes: None,
        crc32: None,
    }
}

fn with_mode(name: &str, content: &str, mode: u32) -> Made {
    Made { mode, ..file(name, content) }
}

fn zip(entries: &[Made]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let data = if entry.method == 8 { deflate(&entry.content) } else { entry.content.clone() };
        let mut crc = flate2::Crc::new();
        crc.update(&entry.content);
        let crc32 = entry.crc32.unwrap_or_else(|| crc.sum());
        let size = entry.claimed_bytes.unwrap_or(entry.content.len() as u32);
        let offset = bytes.len() as u32;
        let mut common = Vec::new();
        for word in [20, entry.flags, entry.method, 0, 0] {
            common.extend(word.to_le_bytes());
        }
        for double in [crc32, data.len() as u32, size] {
            common.extend(double.to_le_bytes());
        }
        common.extend((entry.name.len() as u16).to_le_bytes());
        bytes.extend(0x0403_4b50_u32.to_le_bytes());
        bytes.extend(&common);
        bytes.extend(0_u16.to_le_bytes());
        bytes.extend(&entry.name);
        bytes.extend(&data);
        directory.extend(0x0201_4b50_u32.to_le_bytes());
        directory.extend([30, entry.made_on]);
        directory.extend(&common);
        directory.extend([0; 8]); // Extra field, comment, disk, internal attributes.
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    end_record(&mut bytes, entries.len() as u16, directory.len() as u32, start);
    bytes
}

fn end_record(bytes: &mut Vec<u8>, entries: u16, directory_bytes: u32, offset: u32) {
    bytes.extend(0x0605_4b50_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(directory_bytes.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0; 2]);
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("into memory");
    encoder.finish().expect("into memory")
}

/// Writes down what it is given.
#[derive(Default)]
struct Listing(Vec<String>);

impl Sink for Listing {
    fn directory(&mut self, path: &Path) -> io::Result<()> {
        self.0.push(format!("{}/", path.display()));
        Ok(())
    }

    fn file(&mut self, path: &Path, executable: bool, content: &mut dyn Read) -> io::Result<()> {
        let mut text = String::new();
        content.read_to_string(&mut text)?;
        self.0.push(format!("{}{} {text}", path.display(), if executable { "*" } else { "" }));
        Ok(())
    }

    fn symlink(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        self.0.push(format!("{} -> {}", path.display(), target.display()));
        Ok(())
    }
}

fn listing(entries: &[Made]) -> Result<Vec<String>, String> {
    let mut listing = Listing::default();
    unpack(&zip(entries), &mut listing).map_err(|error| error.to_string())?;
    Ok(listing.0)
}

#[test]
fn ordinary_packages_come_out_as_they_went_in() {
    let entries = [
        with_mode("./", "", 0o040_755),
        with_mode("lib/", "", 0o040_700),
        with_mode("./lib//a.py", "a", 0o100_600),
        with_mode("bootstrap", "b", 0o100_777),
        with_mode("bin/run", "../lib/a.py", 0o120_777),
        with_mode("config", "/opt/config", 0o120_777),
        Made { method: 0, ..file("stored", "s") },
        file("empty", ""),
    ];
    let expected =
        ["lib/", "lib/a.py a", "bootstrap* b", "stored s", "empty ", "bin/run -> ../lib/a.py", "config -> /opt/config"];
    assert_eq!(listing(&entries).expect("a good zip"), expected);
    let summary = inspect(&zip(&entries)).expect("a good zip");
    assert_eq!(summary.files, 6);
    assert_eq!(inspect(&zip(&[])), Ok(Summary::default()));
}

#[test]
fn privileges_are_dropped_and_doubles_resolved() {
    assert_eq!(listing(&[with_mode("a", "", 0o104_755)]).expect("neutralised"), ["a* "]);
    assert_eq!(listing(&[with_mode("a", "", 0o102_644)]).expect("neutralised"), ["a "]);
    assert_eq!(listing(&[file("a", "1"), file("a", "2")]).expect("the last counts"), ["a 2"]);
    let dos = Made { made_on: 0, mode: 0, ..file("dir\\a.txt", "d") };
    assert_eq!(listing(&[dos]).expect("separators"), ["dir/a.txt d"]);
    assert_eq!(listing(&[file("dir\\a.txt", "u")]).expect("a character"), ["dir\\a.txt u"]);
}

#[test]
fn a_stub_in_front_is_skipped() {
    let mut bytes = b"#!/bin/sh\nexit\n".to_vec();
    bytes.extend(zip(&[file("a", "a")]));
    assert_eq!(inspect(&bytes).expect("offsets shifted").files, 1);
}

#[test]
fn hostile_entries_are_refused() {
    let long = "x".repeat(256);
    let cases: Vec<(&str, Vec<Made>, &str)> = vec![
        ("up", vec![file("../evil", "")], "\"..\""),
        ("up inside", vec![file("a/../../evil", "")], "\"..\""),
        ("absolute", vec![file("/etc/passwd", "")], "absolute"),
        ("dos up", vec![Made { made_on: 0, ..file("..\\evil", "") }], "\"..\""),
        ("dos drive", vec![Made { made_on: 0, ..file("C:\\evil", "") }], "absolute"),
        ("nul", vec![file(b"a\0b", "")], "NUL"),
        ("long name", vec![file(&long, "")], "too long"),
        ("long path", vec![file("d/".repeat(3000) + "a", "")], "too long"),
        ("no name", vec![file("./.", "")], "no name"),
        ("character device", vec![with_mode("null", "", 0o020_666)], "neither"),
        ("block device", vec![with_mode("sda", "", 0o060_666)], "neither"),
        ("fifo", vec![with_mode("pipe", "", 0o010_666)], "neither"),
        ("socket", vec![with_mode("socket", "", 0o140_666)], "neither"),
        ("file and directory", vec![file("a", ""), file("a/b", "")], "below a file"),
        ("directory twice", vec![file("a", ""), with_mode("a/", "", 0o040_755)], "another kind"),
        ("through a link", vec![with_mode("l", "lib", 0o120_777), file("l/a", "")], "below a symbolic link"),
        ("through a later link", vec![file("l/a", ""), with_mode("l", "lib", 0o120_777)], "below a symbolic link"),
        ("link over file", vec![file("l", ""), with_mode("l", "lib", 0o120_777)], "another kind"),
        ("link up", vec![with_mode("l", "../x", 0o120_777)], "outside"),
        ("link far up", vec![with_mode("a/b/l", "../../../x", 0o120_777)], "outside"),
        ("link absolute", vec![with_mode("l", "/etc/passwd", 0o120_777)], "outside"),
        ("link absolute up", vec![with_mode("l", "/tmp/../etc", 0o120_777)], "down and up"),
        ("link chain", vec![with_mode("l", "d/k/..", 0o120_777)], "down and up"),
        ("link empty", vec![with_mode("l", "", 0o120_777)], "empty"),
        ("link endless", vec![with_mode("l", &"x/".repeat(4000), 0o120_777)], "too long"),
        ("encrypted", vec![Made { flags: 1, ..file("a", "") }], "encrypted"),
        ("method", vec![Made { method: 12, ..file("a", "") }], "method 12"),
        ("checksum", vec![Made { crc32: Some(1), ..file("a", "a") }], "checksum"),
        ("claims less", vec![Made { claimed_bytes: Some(1), ..file("a", "aaaa") }], "size"),
        ("claims more", vec![Made { claimed_bytes: Some(9), ..file("a", "aaaa") }], "size"),
        ("claims too much", vec![Made { claimed_bytes: Some(300_000_000), ..file("a", "aaaa") }], "262144000"),
    ];
    for (case, entries, expected) in cases {
        let error = listing(&entries).expect_err(case);
        assert!(error.contains(expected), "{case}: {error}");
    }
}

#[test]
fn bombs_are_counted_and_not_believed() {
    // 100 MB each, three of them: the third goes over, whatever the headers say.
    let large = file("a", vec![0; 100_000_000]);
    let mut entries = vec![large; 3];
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.name = format!("bomb{index}").into_bytes();
    }
    assert_eq!(inspect(&zip(&entries)), Err(PackageError::TooLarge));
    let liar = Made { claimed_bytes: Some(10), ..file("a", vec![0; 1_000_000]) };
    assert!(matches!(inspect(&zip(&[liar])), Err(PackageError::Broken { .. })));
}

#[test]
fn overlapping_entries_are_refused() {
    let mut bytes = zip(&[file("a", "same bytes")]);
    // A second directory entry for the same local header.
    let start = bytes.len() - 22 - 47;
    let entry = bytes[start..start + 47].to_vec();
    bytes.truncate(start);
    let mut directory = entry.clone();
    directory.extend(&entry);
    bytes.extend(&directory);
    end_record(&mut bytes, 2, directory.len() as u32, start as u32);
    assert_eq!(inspect(&bytes), Err(PackageError::Broken { reason: "entries overlap".to_owned() }));
}

#[test]
fn too_many_entries_are_refused_before_any_is_read() {
    let mut bytes = Vec::new();
    // The wide end record says a million.
    bytes.extend(0x0606_4b50_u32.to_le_bytes());
    bytes.extend([0; 20]);
    bytes.extend([0; 8]);
    bytes.extend(1_000_000_u64.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(0x0706_4b50_u32.to_le_bytes());
    bytes.extend([0; 16]);
    end_record(&mut bytes, u16::MAX, 0, 0);
    assert_eq!(inspect(&bytes), Err(PackageError::TooManyEntries));
}

#[test]
fn what_is_no_zip_is_broken() {
    for bytes in [&b""[..], b"PK", b"not a zip at all, but long enough to have an end record", &[0; 4096]] {
        assert!(matches!(inspect(bytes), Err(PackageError::Broken { .. })));
    }
}

#[test]
fn zips_of_another_implementation_are_read() {
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default().unix_permissions(0o755).large_file(true);
    writer.start_file("dir/run.sh", options).expect("in memory");
    writer.write_all(b"#!/bin/sh\n").expect("in memory");
    writer.add_symlink("link", "dir/run.sh", options).expect("in memory");
    let bytes = writer.finish().expect("in memory").into_inner();
    let mut listing = Listing::default();
    unpack(&bytes, &mut listing).expect("a good zip");
    assert_eq!(listing.0, ["dir/run.sh* #!/bin/sh\n", "link -> dir/run.sh"]);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = inspect(&bytes);
    }

    #[test]
    fn damaged_zips_never_panic(at in 0_usize..400, value in any::<u8>(), cut in 0_usize..400) {
        let mut bytes = zip(&[file("a/b", "content"), with_mode("l", "a/b", 0o120_777), file("c", "more")]);
        let length = bytes.len();
        bytes[at % length] = value;
        let _ = inspect(&bytes);
        bytes.truncate(cut % length);
        let _ = inspect(&bytes);
    }

    #[test]
    fn accepted_paths_stay_inside(names in proptest::collection::vec("[a-c./\\\\]{1,8}", 1..6)) {
        let entries: Vec<Made> = names.iter().map(|name| file(name, "x")).collect();
        if let Ok(lines) = listing(&entries) {
            for line in lines {
                let path = line.split(' ').next().unwrap_or_default();
                prop_assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{}", line);
            }
        }
    }
}
