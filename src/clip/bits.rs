//! Writer of bits, most significant first.

/// Bits that are collected into bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, in the low end.
    pending: u64,
    /// Number of pending bits, at most 7 between calls.
    count: u32,
}

impl BitWriter {
    /// Appends the low `count` bits of `value`, at most 32.
    #[inline]
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32);
        let low = u64::from(value) & ((1 << count) - 1);
        self.pending = (self.pending << count) | low;
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.bytes.extend_from_slice(&((self.pending >> self.count) as u32).to_be_bytes());
        }
    }

    /// Appends `zeros` zero bits and a one.
    #[inline]
    pub(super) fn unary(&mut self, mut zeros: u32) {
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(0, zeros);
        self.put(1, 1);
    }

    /// Fills the last byte with zeros and moves all bytes to the end of `out`.
    pub(super) fn finish_into(&mut self, out: &mut Vec<u8>) {
        let padding = (8 - self.count % 8) % 8;
        self.put(0, padding);
        out.append(&mut self.bytes);
        while self.count > 0 {
            self.count -= 8;
            out.push((self.pending >> self.count) as u8);
        }
        self.pending = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_packed_most_significant_first() {
        let mut writer = BitWriter::default();
        let mut bytes = Vec::new();
        writer.put(0b101, 3);
        writer.unary(2);
        writer.put(0xffff_ffff, 32);
        writer.finish_into(&mut bytes);
        assert_eq!(bytes, [0b1010_0111, 0xff, 0xff, 0xff, 0b1111_1100]);
        writer.unary(70);
        bytes.clear();
        writer.finish_into(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0b0000_0010]);
    }
}
