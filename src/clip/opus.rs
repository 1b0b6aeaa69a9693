//! Opus encoder for clips.

use std::sync::Arc;

use opus::{Application, Bitrate, Channels, Encoder};

/// Bits per second: transparent for most listeners in stereo, and below it in mono.
const STEREO_BITRATE: i32 = 96_000;
const MONO_BITRATE: i32 = 64_000;

/// Effort of the encoder, 0 to 10. `docs/measurements/clips.md` compares its cost.
const COMPLEXITY: i32 = 0;

/// Packets per second.
pub(super) const PACKETS_PER_S: u32 = 50;

/// Largest packet of 20 ms, in bytes (RFC 6716, section 3.2.1).
const MAX_PACKET: usize = 1275;

/// Encoder of packets of 20 ms.
pub(super) struct OpusEncoder {
    encoder: Encoder,
    /// Delay, in samples per channel.
    pub(super) delay: u32,
}

impl OpusEncoder {
    /// Encoder at `rate`, one of [`OpusEncoder::rate_for`], with one or two channels.
    ///
    /// # Errors
    /// The library refuses; the message is its own.
    pub(super) fn new(rate: u32, channels: u16) -> Result<Self, Arc<str>> {
        let refused = |error: opus::Error| Arc::from(error.to_string());
        let (layout, bitrate) = match channels {
            1 => (Channels::Mono, MONO_BITRATE),
            _ => (Channels::Stereo, STEREO_BITRATE),
        };
        let mut encoder = Encoder::new(rate, layout, Application::Audio).map_err(refused)?;
        encoder.set_bitrate(Bitrate::Bits(bitrate)).map_err(refused)?;
        encoder.set_complexity(COMPLEXITY).map_err(refused)?;
        let delay = encoder.get_lookahead().map_err(refused)?;
        Ok(Self { encoder, delay: u32::try_from(delay).unwrap_or_default() })
    }

    /// Rate at which audio of `rate` Hz is encoded.
    pub(super) fn rate_for(rate: u32) -> u32 {
        if [8_000, 12_000, 16_000, 24_000].contains(&rate) { rate } else { 48_000 }
    }

    /// Appends the packet of 20 ms of samples to `out`.
    ///
    /// # Errors
    /// The library refuses the samples.
    pub(super) fn encode(&mut self, interleaved: &[f32], out: &mut Vec<u8>) -> Result<(), opus::Error> {
        let start = out.len();
        out.resize(start + MAX_PACKET, 0);
        let encoded = self.encoder.encode_float(interleaved, &mut out[start..]);
        out.truncate(start + encoded.as_ref().copied().unwrap_or_default());
        encoded.map(drop)
    }
}
