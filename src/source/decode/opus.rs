//! Opus through libopus, with any number of channels and the stated gain. In Ogg, `ogg_opus.rs`
//! first rewrites the header of channel mapping families 2 and 255.
//!
//! The identification header (RFC 7845, section 5.1) comes with the codec parameters: as in Ogg and
//! Matroska, or from the `dOps` box of MP4, whose numbers are big-endian (Encapsulation of Opus in
//! ISO Base Media File Format, 4.3.2). Decoding is at 48 kHz; the rate stated by a container is
//! that of the encoder's input.

use std::sync::{Mutex, PoisonError};

use opus::MSDecoder;
use symphonia::core::audio::{
    AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef,
};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult,
};
use symphonia::core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::packet::PacketRef;
use symphonia::core::support_audio_codec;
// Name required by the macro.
use symphonia::core as symphonia_core;

/// Sample rate of decoded Opus, in Hz.
pub(super) const RATE: u32 = 48_000;

/// Samples of the longest packet: 120 ms (RFC 6716, section 3.2.5).
const MAX_SAMPLES: usize = 5_760;

/// Channel order of mapping family 1 (RFC 7845, section 5.1.1.2), reordered as in WAV.
const AS_IN_WAV: [&[usize]; 9] = [
    &[],
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 2, 1, 3, 4],
    &[0, 2, 1, 5, 3, 4],
    &[0, 2, 1, 6, 5, 3, 4],
    &[0, 2, 1, 7, 5, 6, 3, 4],
];

/// Identification header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpusHead {
    channels: u8,
    /// Samples at 48 kHz to discard at the start.
    pub(super) pre_skip: u16,
    /// Gain in steps of 1/256 dB.
    gain: i16,
    family: u8,
    streams: u8,
    /// Number of streams with two channels.
    coupled: u8,
    /// Decoded channel of each output channel; 255 is silence.
    mapping: Vec<u8>,
}

impl OpusHead {
    /// Parses a header with its magic; `big_endian` is true for MP4.
    pub(super) fn read(bytes: &[u8], big_endian: bool) -> Option<Self> {
        let fields = bytes.strip_prefix(b"OpusHead")?;
        let &[_, channels, skip_0, skip_1, _, _, _, _, gain_0, gain_1, family, ref table @ ..] = fields
        else {
            return None;
        };
        let number = |bytes| if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        let (streams, coupled, mapping) = match (family, table) {
            (0, _) => (1, channels.saturating_sub(1), (0..channels).collect()),
            (_, [streams, coupled, mapping @ ..]) => {
                (*streams, *coupled, mapping.get(..usize::from(channels))?.to_vec())
            }
            _ => return None,
        };
        Some(Self {
            channels,
            pre_skip: number([skip_0, skip_1]),
            gain: number([gain_0, gain_1]) as i16,
            family,
            streams,
            coupled,
            mapping,
        })
    }

    /// Default header of a stream without one: one or two channels (RFC 7845, mapping family 0).
    pub(super) fn plain(channels: usize) -> Self {
        let channels = channels.clamp(1, 2) as u8;
        let mapping = (0..channels).collect();
        Self { channels, pre_skip: 0, gain: 0, family: 0, streams: 1, coupled: channels - 1, mapping }
    }

    /// Header in Ogg's layout, which [`OpusDecoder`] expects in the codec parameters.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = b"OpusHead\x01".to_vec();
        bytes.push(self.channels);
        bytes.extend(self.pre_skip.to_le_bytes());
        bytes.extend(RATE.to_le_bytes());
        bytes.extend(self.gain.to_le_bytes());
        bytes.push(self.family);
        if self.family != 0 {
            bytes.extend([self.streams, self.coupled]);
            bytes.extend(&self.mapping);
        }
        bytes
    }

    /// Linear gain.
    fn factor(&self) -> f32 {
        10_f32.powf(f32::from(self.gain) / (20.0 * 256.0))
    }

    /// Mapping that yields the channel order of WAV.
    fn mapping_as_in_wav(&self) -> Vec<u8> {
        match AS_IN_WAV.get(usize::from(self.channels)) {
            Some(order) if self.family == 1 => {
                order.iter().filter_map(|at| self.mapping.get(*at).copied()).collect()
            }
            _ => self.mapping.clone(),
        }
    }
}

/// Decoder of one stream.
pub(super) struct OpusDecoder {
    params: AudioCodecParameters,
    /// Never contended; the lock makes it `Sync`, as the trait requires.
    decoder: Mutex<MSDecoder>,
    channels: usize,
    factor: f32,
    samples: Vec<f32>,
    buffer: AudioBuffer<f32>,
}

impl OpusDecoder {
    fn try_new(params: &AudioCodecParameters) -> Decoded<Self> {
        let head = params
            .extra_data
            .as_deref()
            .and_then(|head| OpusHead::read(head, false))
            .ok_or(Error::Unsupported("opus: an identification header is required"))?;
        if head.channels == 0 || (head.family == 0 && head.channels > 2) {
            return Err(Error::Unsupported("opus: the channels of its header are invalid"));
        }
        if !matches!(head.family, 0..=2 | 255) {
            return Err(Error::Unsupported("opus: its channel mapping family is not supported"));
        }
        let channels = usize::from(head.channels);
        let decoder = MSDecoder::new(RATE, head.streams, head.coupled, &head.mapping_as_in_wav())
            .map_err(|_| Error::Unsupported("opus: the channel mapping of its header is invalid"))?;
        Ok(Self {
            params: params.clone(),
            decoder: Mutex::new(decoder),
            channels,
            factor: head.factor(),
            samples: vec![0.0; MAX_SAMPLES * channels],
            buffer: AudioBuffer::new(
                AudioSpec::new(RATE, Channels::Discrete(u16::from(head.channels))),
                MAX_SAMPLES,
            ),
        })
    }
}

impl AudioDecoder for OpusDecoder {
    fn reset(&mut self) {
        // A state that cannot be reset recovers within the next packets.
        let _ = self.decoder.get_mut().unwrap_or_else(PoisonError::into_inner).reset_state();
    }

    fn codec_info(&self) -> &CodecInfo {
        &CODECS[0].info
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.params
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Decoded<GenericAudioBufferRef<'_>> {
        self.buffer.clear();
        if packet.data.is_empty() {
            // libopus would conceal a loss instead.
            return Err(Error::DecodeError("opus: an empty packet"));
        }
        let decoder = self.decoder.get_mut().unwrap_or_else(PoisonError::into_inner);
        let count = decoder
            .decode_float(packet.data, &mut self.samples, false)
            .map_err(|error| Error::DecodeError(error.description()))?;
        let samples = &mut self.samples[..count * self.channels];
        if self.factor != 1.0 {
            samples.iter_mut().for_each(|sample| *sample *= self.factor);
        }
        self.buffer.render_uninit(Some(count));
        self.buffer.copy_from_slice_interleaved(&samples);
        Ok(self.buffer.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.buffer.as_generic_audio_buffer_ref()
    }
}

static CODECS: [SupportedAudioCodec; 1] = [support_audio_codec!(CODEC_ID_OPUS, "opus", "Opus")];

impl RegisterableAudioDecoder for OpusDecoder {
    fn try_registry_new(
        params: &AudioCodecParameters,
        _: &AudioDecoderOptions,
    ) -> Decoded<Box<dyn AudioDecoder>> {
        Ok(Box::new(Self::try_new(params)?))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        &CODECS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Layouts: RFC 7845, figure 3; Encapsulation of Opus in ISO Base Media File Format, 4.3.2.
    #[test]
    fn headers_of_ogg_and_mp4_are_read() {
        let ogg = b"OpusHead\x01\x02\x38\x01\x44\xac\0\0\x00\xec\0";
        let head = OpusHead::read(ogg, false).unwrap();
        assert_eq!((head.channels, head.pre_skip, head.gain, head.mapping.len()), (2, 312, -5120, 2));
        assert!((20.0 * head.factor().log10() + 20.0).abs() < 1e-4, "-20 dB");
        let mp4 = b"OpusHead\0\x02\x01\x38\0\0\xac\x44\xec\x00\0";
        assert_eq!(OpusHead::read(mp4, true).unwrap(), head);
        assert_eq!(OpusHead::read(&head.to_bytes(), false).unwrap(), head);
        assert_eq!(OpusHead::read(&ogg[..18], false), None);
        assert_eq!(OpusHead::read(b"OpusTags", false), None);
    }

    #[test]
    fn channels_come_in_the_order_of_wav() {
        // 5.1 as libopus writes it: L C R Ls Rs LFE from streams (L R) (Ls Rs) C LFE.
        let head = [&b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01"[..], &[4, 2, 0, 4, 1, 2, 3, 5]].concat();
        let head = OpusHead::read(&head, false).unwrap();
        assert_eq!(head.mapping_as_in_wav(), [0, 1, 4, 5, 2, 3]);
        assert_eq!(OpusHead::read(&head.to_bytes(), false).unwrap(), head);
        // Family 255 has no known order.
        let discrete = OpusHead { family: 255, ..head };
        assert_eq!(discrete.mapping_as_in_wav(), [0, 4, 1, 2, 3, 5]);
        // Truncated table.
        assert_eq!(OpusHead::read(&discrete.to_bytes()[..24], false), None);
    }
}
