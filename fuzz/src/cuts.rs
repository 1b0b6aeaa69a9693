//! Short reads and separated input.

use std::io::{self, Read};

/// Reader that returns at most as many bytes per read as `sizes` says, cyclically; at least 1.
pub struct PartialReader<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
    turn: usize,
}

impl<'a> PartialReader<'a> {
    /// Without sizes, fills the buffer.
    pub fn new(bytes: &'a [u8], sizes: &'a [u8]) -> Self {
        Self { bytes, sizes, turn: 0 }
    }
}

impl Read for PartialReader<'_> {
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

/// Splits up to `most` sizes off the front of `data`: first their number, then the sizes.
pub fn sizes(data: &[u8], most: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*count) % (most + 1))
}

/// Parts of `data` between dividers.
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
