//! Reads that bring less than was asked for.

use std::io::{self, Read};

/// Hands over as many bytes a read as `sizes` says, over and over; 1 at least.
pub struct Cut<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
    turn: usize,
}

impl<'a> Cut<'a> {
    /// Without sizes it gives all that is asked for.
    pub fn new(bytes: &'a [u8], sizes: &'a [u8]) -> Self {
        Self { bytes, sizes, turn: 0 }
    }
}

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = match self.sizes {
            [] => usize::MAX,
            sizes => usize::from(sizes[self.turn % sizes.len()]).max(1),
        };
        self.turn += 1;
        let count = self.bytes.len().min(buffer.len()).min(size);
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

/// Takes up to `most` sizes off the front of `data`: their number, then they.
pub fn sizes(data: &[u8], most: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*count) % (most + 1))
}

/// The parts of `data` between dividers.
pub fn split<'a>(mut data: &'a [u8], divider: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        match data.windows(divider.len()).position(|bytes| bytes == divider) {
            Some(at) => {
                let (page, rest) = data.split_at(at);
                data = &rest[divider.len()..];
                Some(page)
            }
            None => {
                ended = true;
                Some(data)
            }
        }
    })
}
