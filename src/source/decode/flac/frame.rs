//! FLAC frames (RFC 9639, section 9): header, and position of the end.
//!
//! A frame does not state its length. Demuxers that search for the next frame's sync code therefore
//! deliver a frame only when the next one has arrived. [`FrameWalker`] parses the subframes without
//! decoding them, so that a frame is complete as soon as its last byte has arrived.

use symphonia::core::checksum::{Crc8Ccitt, Crc16Ansi};
use symphonia::core::io::Monitor;

/// Maximum number of samples per channel in a frame.
pub(super) const MAX_SAMPLES: u32 = 65_535;

/// Result of parsing a prefix of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ParseResult<T> {
    Complete(T),
    /// More bytes are needed.
    Incomplete,
    /// No frame begins at the first byte.
    Invalid,
}

/// Reason why parsing stopped.
pub(super) enum ParseStop {
    Incomplete,
    Invalid,
}

/// Coded number of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameNumber {
    /// Index of the frame, in streams of fixed block size.
    Frame(u64),
    /// Index of the frame's first sample, in streams of variable block size.
    Sample(u64),
}

/// Frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlacHeader {
    pub(super) sequence: FrameNumber,
    /// Samples per channel.
    pub(super) samples: u32,
    /// Sample rate in Hz; `None` refers to STREAMINFO.
    pub(super) rate: Option<u32>,
    pub(super) channels: u8,
    /// Bits per sample; `None` refers to STREAMINFO.
    pub(super) bits: Option<u32>,
    /// Channel assignment code.
    pub(super) assignment: u8,
    /// Length in bytes.
    pub(super) length: usize,
}

impl FlacHeader {
    pub(super) const LEFT_SIDE: u8 = 8;
    pub(super) const SIDE_RIGHT: u8 = 9;
    const MID_SIDE: u8 = 10;

    /// Channel that holds the difference of two, with one more bit per sample.
    pub(super) fn side(&self) -> Option<u8> {
        match self.assignment {
            Self::LEFT_SIDE | Self::MID_SIDE => Some(1),
            Self::SIDE_RIGHT => Some(0),
            _ => None,
        }
    }

    /// Parses the header at the start of `data` and verifies its CRC-8.
    pub(super) fn parse(data: &[u8]) -> ParseResult<Self> {
        match Self::try_parse(data) {
            Ok(header) => ParseResult::Complete(header),
            Err(ParseStop::Incomplete) => ParseResult::Incomplete,
            Err(ParseStop::Invalid) => ParseResult::Invalid,
        }
    }

    fn try_parse(data: &[u8]) -> Result<Self, ParseStop> {
        let byte = |at: usize| data.get(at).copied().ok_or(ParseStop::Incomplete);
        let number = |at: usize, count: usize| -> Result<u32, ParseStop> {
            (at..at + count).try_fold(0, |number, at| Ok(number << 8 | u32::from(byte(at)?)))
        };
        let valid = |condition: bool| if condition { Ok(()) } else { Err(ParseStop::Invalid) };
        valid(byte(0)? == 0xff)?;
        let variable = byte(1)?;
        valid(variable & 0xfe == 0xf8)?;
        let (block_code, rate_code) = (byte(2)? >> 4, byte(2)? & 0x0f);
        valid(block_code != 0 && rate_code != 15)?;
        let (assignment, bits_code) = (byte(3)? >> 4, byte(3)? >> 1 & 7);
        valid(assignment <= Self::MID_SIDE && bits_code != 3 && byte(3)? & 1 == 0)?;
        let channels = if assignment < Self::LEFT_SIDE { assignment + 1 } else { 2 };
        let bits = [None, Some(8), Some(12), None, Some(16), Some(20), Some(24), Some(32)];
        // The coded number extends UTF-8 to 36 bits (RFC 9639, section 9.1.5).
        let first = byte(4)?;
        let (length, mut coded) = match first.leading_ones() {
            0 => (1, u64::from(first)),
            ones @ 2..=7 => (ones as usize, u64::from(first & (0x7f_u32 >> ones) as u8)),
            _ => return Err(ParseStop::Invalid),
        };
        for at in 5..4 + length {
            valid(byte(at)? & 0xc0 == 0x80)?;
            coded = coded << 6 | u64::from(byte(at)? & 0x3f);
        }
        let mut at = 4 + length;
        let mut field = |count: usize| {
            let value = number(at, count);
            at += count;
            value
        };
        let samples = match block_code {
            1 => 192,
            code @ 2..=5 => 576 << (code - 2),
            6 => field(1)? + 1,
            7 => field(2)? + 1,
            code => 256 << (code - 8),
        };
        let rate = match rate_code {
            0 => None,
            12 => Some(field(1)? * 1000),
            13 => Some(field(2)?),
            14 => Some(field(2)? * 10),
            code => Some(RATES[usize::from(code)]),
        };
        valid(samples <= MAX_SAMPLES && rate != Some(0))?;
        let mut crc = Crc8Ccitt::new(0);
        crc.process_buf_bytes(data.get(..at).ok_or(ParseStop::Incomplete)?);
        valid(byte(at)? == crc.crc())?;
        Ok(Self {
            sequence: if variable & 1 == 0 { FrameNumber::Frame(coded) } else { FrameNumber::Sample(coded) },
            samples,
            rate,
            channels,
            bits: bits[usize::from(bits_code)],
            assignment,
            length: at + 1,
        })
    }

    /// Fills in the values that the header leaves to STREAMINFO.
    pub(super) fn with(self, rate: u32, bits: u32) -> Self {
        Self { rate: Some(rate), bits: Some(bits), ..self }
    }

    /// Coded number of the following frame.
    pub(super) fn next(&self) -> FrameNumber {
        match self.sequence {
            FrameNumber::Frame(index) => FrameNumber::Frame(index + 1),
            FrameNumber::Sample(index) => FrameNumber::Sample(index + u64::from(self.samples)),
        }
    }
}

/// Sample rates in Hz by their code.
const RATES: [u32; 12] =
    [0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

/// Parsing state of a frame whose bytes arrive in pieces.
#[derive(Debug)]
pub(super) struct FrameWalker {
    pub(super) header: FlacHeader,
    bits: u32,
    /// Next subframe, and the bit at which it begins.
    channel: u8,
    at: usize,
}

impl FrameWalker {
    /// Starts after `header`, with `bits` per sample.
    pub(super) fn new(header: FlacHeader, bits: u32) -> Self {
        Self { header, bits, channel: 0, at: header.length * 8 }
    }

    /// Length of the frame at the start of `data` in bytes, once its CRC-16 has been verified.
    ///
    /// Each call receives all bytes of the frame that have arrived.
    pub(super) fn advance(&mut self, data: &[u8]) -> ParseResult<usize> {
        while self.channel < self.header.channels {
            let side = u32::from(self.header.side() == Some(self.channel));
            let mut reader = FlacBits { data, at: self.at };
            match reader.subframe(self.header.samples, self.bits + side) {
                Ok(()) => (self.at, self.channel) = (reader.at, self.channel + 1),
                Err(ParseStop::Incomplete) if data.len() < self.limit() => return ParseResult::Incomplete,
                Err(_) => return ParseResult::Invalid,
            }
        }
        let length = self.at.div_ceil(8) + 2;
        let Some(frame) = data.get(..length) else { return ParseResult::Incomplete };
        let mut crc = Crc16Ansi::new(0);
        crc.process_buf_bytes(frame);
        // Including the stored CRC-16, the remainder is zero.
        if crc.crc() == 0 { ParseResult::Complete(length) } else { ParseResult::Invalid }
    }

    /// Maximum plausible length in bytes: twice that of plain PCM.
    fn limit(&self) -> usize {
        let bits = self.header.samples as usize * usize::from(self.header.channels) * self.bits as usize;
        bits / 4 + 1024
    }
}

/// Bit reader, most significant first.
pub(super) struct FlacBits<'a> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
}

impl FlacBits<'_> {
    /// Skips a subframe of `samples` with `bits` per sample (RFC 9639, section 9.2).
    fn subframe(&mut self, samples: u32, bits: u32) -> Result<(), ParseStop> {
        if self.take(1)? != 0 {
            return Err(ParseStop::Invalid);
        }
        let kind = self.take(6)?;
        let wasted = if self.take(1)? == 1 { self.unary()? + 1 } else { 0 };
        let bits = bits as usize;
        let bits = bits.checked_sub(wasted).filter(|bits| *bits > 0).ok_or(ParseStop::Invalid)?;
        let count = samples as usize;
        let order = match kind {
            0 => return self.skip(bits),
            1 => return self.skip(bits * count),
            8..=12 => kind as usize - 8,
            32.. => kind as usize - 31,
            _ => return Err(ParseStop::Invalid),
        };
        if order > count {
            return Err(ParseStop::Invalid);
        }
        self.skip(order * bits)?;
        if kind >= 32 {
            let precision = self.take(4)? as usize + 1;
            if precision == 16 {
                return Err(ParseStop::Invalid);
            }
            self.skip(5 + order * precision)?;
        }
        self.residual(count, order)
    }

    /// Skips a coded residual (RFC 9639, section 9.2.7).
    fn residual(&mut self, samples: usize, order: usize) -> Result<(), ParseStop> {
        let width = match self.take(2)? {
            0 => 4,
            1 => 5,
            _ => return Err(ParseStop::Invalid),
        };
        let partitions = 1_usize << self.take(4)?;
        let each = samples / partitions;
        if !samples.is_multiple_of(partitions) || each < order {
            return Err(ParseStop::Invalid);
        }
        for partition in 0..partitions {
            let count = if partition == 0 { each - order } else { each };
            let parameter = self.take(width)? as usize;
            if parameter == (1 << width) - 1 {
                let raw = self.take(5)? as usize;
                self.skip(raw * count)?;
                continue;
            }
            for _ in 0..count {
                self.unary()?;
                self.skip(parameter)?;
            }
        }
        Ok(())
    }

    /// Next bits, left-aligned: at least 57 unless fewer are left.
    fn word(&self) -> u64 {
        let byte = self.at / 8;
        let mut bytes = [0; 8];
        match self.data.get(byte..byte + 8) {
            Some(whole) => bytes.copy_from_slice(whole),
            None => {
                let rest = self.data.get(byte..).unwrap_or_default();
                bytes[..rest.len()].copy_from_slice(rest);
            }
        }
        u64::from_be_bytes(bytes) << (self.at % 8)
    }

    fn left(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.at)
    }

    /// Reads a number of at most 57 bits.
    pub(super) fn take(&mut self, count: usize) -> Result<u64, ParseStop> {
        if self.left() < count {
            return Err(ParseStop::Incomplete);
        }
        let value = self.word().checked_shr(64 - count as u32).unwrap_or(0);
        self.at += count;
        Ok(value)
    }

    /// Reads a number of at most 57 bits in two's complement.
    pub(super) fn signed(&mut self, count: usize) -> Option<i64> {
        let value = self.take(count).ok()? as i64;
        let shift = 64 - count as u32;
        Some(value.checked_shl(shift).map_or(0, |value| value >> shift))
    }

    fn skip(&mut self, count: usize) -> Result<(), ParseStop> {
        if self.left() < count {
            return Err(ParseStop::Incomplete);
        }
        self.at += count;
        Ok(())
    }

    /// Reads zeros up to the next one, and returns their number.
    pub(super) fn unary(&mut self) -> Result<usize, ParseStop> {
        let mut total = 0;
        loop {
            let there = self.left().min(57);
            if there == 0 {
                return Err(ParseStop::Incomplete);
            }
            let zeros = self.word().leading_zeros() as usize;
            if zeros < there {
                self.at += zeros + 1;
                return Ok(total + zeros);
            }
            self.at += there;
            total += there;
        }
    }
}
