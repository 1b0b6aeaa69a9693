//! Bits of a byte string, most significant first.

/// Cursor over the bits of a byte string.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Next `count` bits (at most 32) as a number; `None` past the end.
    pub(super) fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            value = value << 1 | u32::from(self.bytes.get(at / 8)? >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }
}
