//! The core of an HE-AAC stream.
//!
//! HE-AAC is plain AAC-LC at half the rate, with a description of the upper octave
//! beside it (SBR, and PS for stereo). The decoder refuses a stream whose header
//! says so (ISO/IEC 14496-3, 1.6.2.1) although it decodes that core. Its band ends at 11 to 12 kHz.

/// Sample rates by index, in hertz.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Rewrites an `AudioSpecificConfig` to describe the AAC-LC core alone: it, and the core's rate in hertz.
///
/// `None` where it is of another kind, or its rate is spelled out.
pub(in crate::source) fn core_config(config: &[u8]) -> Option<([u8; 2], u32)> {
    let mut bits = Bits { config, at: 0 };
    let mut kind = bits.take(5)?;
    let rate = bits.take(4)?;
    let channels = bits.take(4)?;
    if kind == SBR || kind == PS {
        if bits.take(4)? == SPELLED_OUT {
            bits.take(24)?;
        }
        kind = bits.take(5)?;
    }
    if kind != LC {
        return None;
    }
    let flags = bits.take(3)?;
    let core = (LC << 11 | rate << 7 | channels << 3 | flags) as u16;
    Some((core.to_be_bytes(), *RATES.get(rate as usize)?))
}

const LC: u32 = 2;
const SBR: u32 = 5;
const PS: u32 = 29;
const SPELLED_OUT: u32 = 15;

/// Reads bits from the most significant on.
struct Bits<'a> {
    config: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            value = value << 1 | u32::from(self.config.get(at / 8)? >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_core_is_left() {
        // AAC-LC, 22 050 Hz, stereo: as it is, and without the announcement of SBR behind it.
        assert_eq!(core_config(&[0x13, 0x90]), Some(([0x13, 0x90], 22_050)));
        assert_eq!(core_config(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), Some(([0x13, 0x90], 22_050)));
        // The same within an SBR description, and with a rate that is spelled out.
        assert_eq!(core_config(&[0x2b, 0x92, 0x08, 0x00]), Some(([0x13, 0x90], 22_050)));
        assert_eq!(core_config(&[0x2b, 0x97, 0x80, 0x56, 0x22, 0x08, 0x00]), Some(([0x13, 0x90], 22_050)));
        // PS: a mono core.
        assert_eq!(core_config(&[0xeb, 0x8a, 0x08, 0x00]), Some(([0x13, 0x88], 22_050)));
        // AAC Main, a spelled-out core rate, and what is cut short.
        assert_eq!(core_config(&[0x0b, 0x90]), None);
        assert_eq!(core_config(&[0x17, 0x80, 0x56, 0x22, 0x10]), None);
        assert_eq!(core_config(&[0x2b, 0x92]), None);
        assert_eq!(core_config(&[]), None);
    }
}
