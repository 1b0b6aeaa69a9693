//! Reads that return the bytes that have arrived.
//!
//! [`MediaSourceStream`] fills the whole buffer of its reader. A slow stream read through another
//! one, which requests blocks of up to 32 KiB, would be decoded in bursts of many seconds: digital
//! silence in AAC takes 400 bytes per second.

use std::io::{self, Read};

use symphonia::core::io::{MediaSourceStream, ReadBytes, SeekBuffered};

/// Stream whose reads wait for one byte at most.
pub(super) struct ArrivedReader<'s>(pub(super) MediaSourceStream<'s>);

impl Read for ArrivedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read(&mut self.0, buffer)
    }
}

/// Waits for one byte and returns all that have arrived with it; 0 at the end.
///
/// # Errors
/// Read errors.
pub(super) fn read(stream: &mut MediaSourceStream<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let Some((first, rest)) = buffer.split_first_mut() else { return Ok(0) };
    *first = loop {
        match stream.read_byte() {
            Ok(byte) => break byte,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
    };
    let more = stream.unread_buffer_len().min(rest.len());
    Ok(1 + stream.read(&mut rest[..more])?)
}

#[cfg(test)]
mod tests {
    use symphonia::core::io::ReadOnlySource;

    use super::*;

    /// Reader that returns five bytes per read and fails the third time, which reveals a caller
    /// that waits for too many.
    struct FiveByteReader(u8);

    impl Read for FiveByteReader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                3 => Err(io::Error::other("read too far")),
                turn => {
                    buffer[..5].fill(turn);
                    Ok(5)
                }
            }
        }
    }

    #[test]
    fn no_more_is_waited_for_than_has_arrived() {
        let slow =
            MediaSourceStream::new(Box::new(ReadOnlySource::new(FiveByteReader(0))), Default::default());
        let mut arrived = ArrivedReader(slow);
        let mut buffer = [0; 4096];
        assert_eq!(arrived.read(&mut buffer[..3]).unwrap(), 3);
        assert_eq!(arrived.read(&mut buffer).unwrap(), 2);
        assert_eq!(arrived.read(&mut buffer).unwrap(), 5);
        assert_eq!(buffer[..6], [2, 2, 2, 2, 2, 0]);
        assert!(arrived.read(&mut buffer).is_err());
    }
}
