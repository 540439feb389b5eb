//! Reading and writing control files below a directory.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

/// Control files are short; the longest we read (`memory.oom_control`, `cpu.stat`) stay far below.
const FILE_BYTES_MAX: usize = 4096;

/// Opens a directory so that something can be started in it.
pub(crate) fn open_directory(directory: &Path) -> io::Result<OwnedFd> {
    Ok(open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Writes a whole value.
pub(crate) fn write(directory: &Path, name: &str, value: &str) -> io::Result<()> {
    let file = open(directory.join(name), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, value.as_bytes())?;
    Ok(())
}

/// Writes a number.
pub(crate) fn write_number(directory: &Path, name: &str, value: u64) -> io::Result<()> {
    write(directory, name, &value.to_string())
}

/// Writes a value if the kernel has the file.
pub(crate) fn write_if_present(directory: &Path, name: &str, value: &str) -> io::Result<()> {
    match write(directory, name, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Reads a whole file.
pub(crate) fn read(directory: &Path, name: &str) -> io::Result<String> {
    let file = open(directory.join(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; FILE_BYTES_MAX];
    let length = rustix::io::read(&file, &mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Reads a file that holds one number.
pub(crate) fn read_number(directory: &Path, name: &str) -> io::Result<u64> {
    read(directory, name)?.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads one `name value` line.
pub(crate) fn read_field(directory: &Path, name: &str, field: &str) -> io::Result<u64> {
    let text = read(directory, name)?;
    let mut values = text.lines().filter_map(|line| line.split_once(' ')).filter(|(key, _)| *key == field);
    let (_, value) = values.next().ok_or(io::ErrorKind::NotFound)?;
    value.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}
