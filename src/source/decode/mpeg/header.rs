//! Frame header of MPEG audio (ISO/IEC 11172-3, 2.4.1.3 and 2.4.2.3; 13818-3, 2.4.2.3).

/// Version, layer and rate of an MPEG audio frame with a stated bit rate, and its length in bytes
/// (ISO/IEC 11172-3, 2.4.2.3 and 2.4.3.1; 13818-3, 2.4.2.3).
pub(in crate::source::decode) fn frame(bytes: &[u8]) -> Option<([u8; 2], usize)> {
    let header = MpegHeader::read(bytes)?;
    let bit_rate = header.bit_rate()?;
    let rate = header.rate()?;
    let padding = usize::from(bytes[2] >> 1 & 1);
    let length = match (header.layer, header.is_first()) {
        (1, _) => (12 * bit_rate / rate + padding) * 4,
        (3, false) => 72 * bit_rate / rate + padding,
        _ => 144 * bit_rate / rate + padding,
    };
    (length > 4).then_some(([bytes[1] & 0xfe, bytes[2] & 0x0c], length))
}

/// Header fields.
struct MpegHeader {
    /// 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5.
    version: u8,
    layer: u8,
    bit_rate: u8,
    rate: u8,
    is_mono: bool,
}

impl MpegHeader {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[0xff, second, third, fourth, ..] = bytes else { return None };
        let version = second >> 3 & 3;
        let layer = 4 - (second >> 1 & 3);
        let header =
            Self { version, layer, bit_rate: third >> 4, rate: third >> 2 & 3, is_mono: fourth >> 6 == 3 };
        (second & 0xe0 == 0xe0 && version != 1 && layer < 4 && header.bit_rate < 15 && header.rate < 3)
            .then_some(header)
    }

    /// Returns true for MPEG-1, false for the low rates.
    fn is_first(&self) -> bool {
        self.version == 3
    }

    /// Bit rate in bit/s; `None` for free format.
    fn bit_rate(&self) -> Option<usize> {
        const TABLE: [[usize; 14]; 5] = [
            [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
            [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        let row = match (self.is_first(), self.layer) {
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let index = usize::from(self.bit_rate).checked_sub(1)?;
        TABLE[row].get(index).map(|kilobits| kilobits * 1000)
    }

    /// Sample rate in Hz.
    fn rate(&self) -> Option<usize> {
        let rate: usize = *[44_100, 48_000, 32_000].get(usize::from(self.rate))?;
        Some(match self.version {
            3 => rate,
            2 => rate / 2,
            _ => rate / 4,
        })
    }
}

/// Returns true if symphonia's demuxer rejects such a frame: it applies MPEG-1's rules for layer II
/// bit rates (ISO/IEC 11172-3, 2.4.2.3) to the low rates too.
pub(in crate::source::decode) fn is_refused(bytes: &[u8]) -> bool {
    let Some(header) = MpegHeader::read(bytes).filter(|header| header.layer == 2) else { return false };
    let bit_rate = header.bit_rate().unwrap_or(0) / 1000;
    match header.is_mono {
        true => matches!(bit_rate, 224 | 256 | 320 | 384),
        false => matches!(bit_rate, 32 | 48 | 56 | 80),
    }
}

/// Returns true if three headers of free format follow at one distance, within a slot of padding.
pub(in crate::source::decode) fn is_free(bytes: &[u8]) -> bool {
    /// Longest frame: 640 kbit/s at 32 kHz, which encoders allow.
    const LONGEST: usize = 2890;
    let is_same = |at: usize| {
        let header = bytes.get(at..).and_then(|rest| Some((rest, MpegHeader::read(rest)?)));
        header.is_some_and(|(rest, header)| {
            header.bit_rate == 0
                && rest[1] == bytes[1]
                && rest[2] & 0xfc == bytes[2] & 0xfc
                && rest[3] >> 6 == bytes[3] >> 6
        })
    };
    let near = |at: usize| (at.saturating_sub(4)..=at + 4).any(is_same);
    is_same(0) && (24..LONGEST).any(|length| is_same(length) && near(2 * length) && near(3 * length))
}
