//! `AudioSpecificConfig` of MPEG-4 audio (ISO/IEC 14496-3, 1.6.2.1).
//!
//! The decoder supports AAC-LC with one or two channels. HE-AAC is AAC-LC at half the rate, with a
//! description of the upper octave (SBR) and of the stereo image (PS); its core is decoded. The
//! configuration is rewritten to describe that core alone. Everything else is rejected by name.

use super::bit_reader::BitReader;

/// Sample rates by index, in Hz.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

const MAIN: u32 = 1;
const LC: u32 = 2;
const SSR: u32 = 3;
const LTP: u32 = 4;
const SBR: u32 = 5;
const PS: u32 = 29;

/// Rate index that announces an explicit rate of 24 bits.
const SPELLED_OUT: u32 = 15;

/// Configuration of a decodable AAC stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AacCoreConfig {
    /// `AudioSpecificConfig` of the AAC-LC core alone.
    pub(super) core: Vec<u8>,
    /// Sample rate of the core, in Hz.
    pub(super) rate: u32,
}

/// Parses an `AudioSpecificConfig`.
///
/// # Errors
/// Name of the format if the decoder does not support it.
pub(super) fn config(bytes: &[u8]) -> Result<AacCoreConfig, String> {
    let fields = AscFields::read(bytes).ok_or("AAC with a configuration that is cut short")?;
    let kind = fields.kind;
    if kind != LC {
        return Err(
            object_type(kind).map_or_else(|| format!("MPEG-4 audio of object type {kind}"), Into::into)
        );
    }
    if fields.short_frames {
        return Err("AAC with frames of 960 samples".into());
    }
    let channels = match fields.channels {
        Some(channels @ 1..=2) => channels,
        Some(channels) => return Err(many_channels(channels)),
        None => return Err("AAC whose channel configuration is reserved".into()),
    };
    let rate = fields.rate.filter(|rate| *rate > 0).ok_or("AAC whose sample rate is reserved")?;
    // Sampling frequency, channel configuration, and the flags of `GASpecificConfig`. The flags are
    // all zero: `dependsOnCoreCoder` and the extension flag concern scalable streams.
    let mut bits = Vec::with_capacity(40);
    let mut put = |value: u32, count: u32| bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    put(LC, 5);
    match RATES.iter().position(|known| *known == rate) {
        Some(index) => put(index as u32, 4),
        None => {
            put(SPELLED_OUT, 4);
            put(rate, 24);
        }
    }
    put(channels, 4);
    put(0, 3);
    let core =
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect();
    Ok(AacCoreConfig { core, rate })
}

/// Rewrites an `AudioSpecificConfig` to describe the AAC-LC core alone, in the two bytes whose
/// fields ADTS has.
///
/// # Errors
/// Name of the format if it is not decoded or ADTS cannot state its rate.
#[cfg(feature = "net")]
pub(in crate::source) fn core_config(bytes: &[u8]) -> Result<[u8; 2], String> {
    let config = config(bytes)?;
    config.core.try_into().map_err(|_| format!("AAC of {} Hz", config.rate))
}

/// Name of an unsupported ADTS profile (ISO/IEC 13818-7, table 31).
pub(super) fn refused_profile(profile: u8) -> Option<&'static str> {
    object_type(u32::from(profile) + 1)
}

/// Name of AAC with an unsupported number of channels.
pub(super) fn many_channels(channels: u32) -> String {
    match channels {
        6 => "AAC of 6 channels (5.1)".into(),
        8 => "AAC of 8 channels (7.1)".into(),
        channels => format!("AAC of {channels} channels"),
    }
}

/// Name of an unsupported audio object type (ISO/IEC 14496-3, table 1.17).
fn object_type(kind: u32) -> Option<&'static str> {
    Some(match kind {
        MAIN => "AAC Main",
        SSR => "AAC SSR",
        LTP => "AAC LTP",
        6 => "AAC Scalable",
        7 => "TwinVQ",
        8 => "CELP",
        9 => "HVXC",
        17 => "ER AAC LC",
        19 => "ER AAC LTP",
        20 => "ER AAC Scalable",
        22 => "BSAC",
        23 => "AAC-LD",
        28 => "MPEG Surround",
        32..=34 => "MPEG-1 audio in MPEG-4",
        35 => "DST",
        36 => "MPEG-4 ALS",
        37 | 38 => "MPEG-4 SLS",
        39 => "AAC-ELD",
        42 => "xHE-AAC (USAC)",
        _ => return None,
    })
}

/// Fields of an `AudioSpecificConfig`.
struct AscFields {
    /// Audio object type of the core.
    kind: u32,
    /// Sample rate of the core, in Hz; `None` if its index is reserved.
    rate: Option<u32>,
    /// Number of channels; `None` if the configuration is reserved.
    channels: Option<u32>,
    /// True if a frame holds 960 samples instead of 1024.
    short_frames: bool,
}

impl AscFields {
    /// Parses the fields of the core. Data that ends within unneeded flags is accepted.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(bytes);
        let mut kind = audio_object_type(&mut bits)?;
        if !matches!(kind, LC | SBR | PS) {
            // Only the name is needed.
            return Some(Self { kind, rate: None, channels: None, short_frames: false });
        }
        let rate = frequency(&mut bits)?;
        let layout = bits.take(4)?;
        if kind == SBR || kind == PS {
            frequency(&mut bits)?;
            kind = audio_object_type(&mut bits)?;
        }
        let short_frames = kind == LC && bits.take(1).unwrap_or(0) == 1;
        let channels = match layout {
            0 if kind == LC => {
                // `dependsOnCoreCoder` is followed by a delay, then the extension flag.
                if bits.take(1)? == 1 {
                    bits.take(14)?;
                }
                bits.take(1)?;
                Some(program_channels(&mut bits)?)
            }
            0 => None,
            1..=6 => Some(layout),
            7 | 12 | 14 => Some(8),
            11 => Some(7),
            13 => Some(24),
            _ => None,
        };
        Some(Self { kind, rate, channels, short_frames })
    }
}

/// `GetAudioObjectType()`, table 1.16.
fn audio_object_type(bits: &mut BitReader) -> Option<u32> {
    match bits.take(5)? {
        31 => Some(32 + bits.take(6)?),
        kind => Some(kind),
    }
}

/// Sampling frequency in Hz; the inner `None` is a reserved index.
fn frequency(bits: &mut BitReader) -> Option<Option<u32>> {
    match bits.take(4)? {
        SPELLED_OUT => bits.take(24).map(Some),
        index => Some(RATES.get(index as usize).copied()),
    }
}

/// Channels of a `program_config_element()` (4.5.2.1): a pair counts two, a low-frequency element
/// one.
fn program_channels(bits: &mut BitReader) -> Option<u32> {
    bits.take(4 + 2 + 4)?;
    let [front, side, back, low] = [bits.take(4)?, bits.take(4)?, bits.take(4)?, bits.take(2)?];
    let [data, coupling] = [bits.take(3)?, bits.take(4)?];
    for optional in [4, 4, 3] {
        if bits.take(1)? == 1 {
            bits.take(optional)?;
        }
    }
    let _ = (data, coupling);
    let mut channels = low;
    for _ in 0..front + side + back {
        channels += 1 + bits.take(1)?;
        bits.take(4)?;
    }
    Some(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "net")]
    #[test]
    fn only_the_core_is_left() {
        // AAC-LC, 22 050 Hz, stereo: plain, and with an SBR extension to be removed.
        assert_eq!(core_config(&[0x13, 0x90]), Ok([0x13, 0x90]));
        assert_eq!(core_config(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), Ok([0x13, 0x90]));
        // The same within an SBR description, and with an explicit rate.
        assert_eq!(core_config(&[0x2b, 0x92, 0x08, 0x00]), Ok([0x13, 0x90]));
        assert_eq!(core_config(&[0x2b, 0x97, 0x80, 0x56, 0x22, 0x08, 0x00]), Ok([0x13, 0x90]));
        // PS with a mono core.
        assert_eq!(core_config(&[0xeb, 0x8a, 0x08, 0x00]), Ok([0x13, 0x88]));
        // AAC Main, and truncated data.
        assert_eq!(core_config(&[0x0b, 0x90]), Err("AAC Main".into()));
        assert!(core_config(&[0x2b, 0x92]).is_err());
        assert!(core_config(&[]).is_err());
        assert_eq!(
            core_config(&bytes("00010 1111 000000001001001110101000 0010 000")),
            Err("AAC of 37800 Hz".into())
        );
    }

    /// Bit string such as `00010 0011`, padded with zeros.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |value, (at, bit)| value | bit << (7 - at)))
            .collect()
    }

    fn core(config: &[u8]) -> AacCoreConfig {
        super::config(config).unwrap()
    }

    // Fields and tables: ISO/IEC 14496-3:2009, 1.6.2.1 and tables 1.15 to 1.19.
    #[test]
    fn fields_that_are_not_needed_are_ignored() {
        let plain = AacCoreConfig { core: vec![0x12, 0x10], rate: 44_100 };
        assert_eq!(core(&[0x12, 0x10]), plain);
        // `dependsOnCoreCoder` without a delay, as ffmpeg accepts it, and with one.
        assert_eq!(core(&[0x12, 0x12]), plain);
        assert_eq!(core(&bytes("00010 0100 0010 0 1 00000000000001 0")), plain);
        // Extension flag.
        assert_eq!(core(&bytes("00010 0100 0010 0 0 1 0")), plain);
        // PS, announced after SBR (`0x2b7`, `0x548`).
        assert_eq!(core(&[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80]).rate, 22_050);
    }

    #[test]
    fn a_rate_may_be_spelled_out() {
        assert_eq!(core(&[0x10, 0x10]).rate, 96_000);
        assert_eq!(core(&[0x10, 0x90]).rate, 88_200);
        let spelled = |rate: u32| bytes(&format!("00010 1111 {rate:024b} 0010 000"));
        assert_eq!(core(&spelled(96_000)), core(&[0x10, 0x10]));
        assert_eq!(core(&spelled(37_800)), AacCoreConfig { core: spelled(37_800), rate: 37_800 });
        assert!(config(&spelled(0)).unwrap_err().contains("sample rate"));
        assert!(config(&bytes("00010 1101 0010 000")).unwrap_err().contains("sample rate"));
    }

    #[test]
    fn channels_may_be_listed() {
        // Front elements only: one single channel, one pair; no mixdown, no data, no coupling.
        let listed = |front: &str, elements: &str| {
            bytes(&format!(
                "00010 0100 0000 0 0 0 0000 01 0100 {front} 0000 0000 00 000 0000 0 0 0 {elements}"
            ))
        };
        assert_eq!(core(&listed("0001", "1 0000")), core(&[0x12, 0x10]));
        assert_eq!(core(&listed("0001", "0 0000")), core(&[0x12, 0x08]));
        assert_eq!(config(&listed("0010", "0 0000 1 0000")), Err("AAC of 3 channels".into()));
        assert!(config(&bytes("00010 0100 0000 0 0 0 0000")).is_err());
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let named = |bits: &str| config(&bytes(bits)).unwrap_err();
        assert_eq!(named("00001 0100 0010 000"), "AAC Main");
        assert_eq!(named("00011 0100 0010 000"), "AAC SSR");
        assert_eq!(named("00100 0100 0010 000"), "AAC LTP");
        assert_eq!(named("10111 0100 0010 000"), "AAC-LD");
        // Escaped object types: 32 + 7 and 32 + 10.
        assert_eq!(named("11111 000111 0100 0010 000"), "AAC-ELD");
        assert_eq!(named("11111 001010 0100 0010 000"), "xHE-AAC (USAC)");
        assert_eq!(named("11111 111111 0100 0010 000"), "MPEG-4 audio of object type 95");
        assert_eq!(named("00010 0100 0110 000"), "AAC of 6 channels (5.1)");
        assert_eq!(named("00010 0100 0111 000"), "AAC of 8 channels (7.1)");
        assert_eq!(named("00010 0100 0010 100"), "AAC with frames of 960 samples");
        assert_eq!(refused_profile(0), Some("AAC Main"));
        assert_eq!(refused_profile(1), None);
        assert_eq!(refused_profile(3), Some("AAC LTP"));
    }
}
