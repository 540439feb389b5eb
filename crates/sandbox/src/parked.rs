//! A command that is not known yet: the confined process waits for it on the control socket.

use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::system;

/// What a parked process says when it waits.
pub(crate) const READY: u8 = b'R';
/// More than the kernel takes as arguments and environment.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Waits for a message (its length, the number of arguments, then arguments and variables, each ended by a NUL; numbers
/// are 32 bits, little endian), enters the directory and executes. The socket closes with success; before a failure goes
/// the error's number.
pub(crate) fn wait_and_execute(control: OwnedFd, directory: &std::path::Path) -> io::Result<Infallible> {
    let mut control = UnixStream::from(control);
    control.write_all(&[READY])?;
    let mut head = [0; 4];
    if control.read(&mut head[..1])? == 0 {
        // Nobody will ever want it.
        system::exit_now(0);
    }
    control.read_exact(&mut head[1..])?;
    let length = usize::try_from(u32::from_le_bytes(head)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    control.read_exact(&mut message)?;
    let (command, environment) = parse(&message).ok_or(io::ErrorKind::InvalidData)?;
    let error = match rustix::process::chdir(directory) {
        Ok(()) => system::execute(&command, &environment),
        Err(error) => error.into(),
    };
    let _ = control.write_all(&error.raw_os_error().unwrap_or(libc::EIO).to_le_bytes());
    Err(error)
}

fn parse(message: &[u8]) -> Option<(Vec<CString>, Vec<CString>)> {
    let (count, rest) = message.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let strings = rest.split_inclusive(|byte| *byte == 0).map(|text| CString::from_vec_with_nul(text.to_vec()));
    let mut command = strings.collect::<Result<Vec<_>, _>>().ok()?;
    let environment = (count <= command.len()).then(|| command.split_off(count))?;
    Some((command, environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart() {
        let (command, environment) = parse(b"\x02\0\0\0/bin/a\0b\0X=1\0Y=\0").unwrap();
        assert_eq!(command, [c"/bin/a".to_owned(), c"b".to_owned()]);
        assert_eq!(environment, [c"X=1".to_owned(), c"Y=".to_owned()]);
        for bad in [&b""[..], b"\x01\0\0", b"\x02\0\0\0a\0", b"\x01\0\0\0a"] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}
