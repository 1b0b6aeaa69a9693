//! Recorder of one source: encodes the blocks of its worker and sends them to the writer.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{SendTimeoutError, Sender, TrySendError};

use super::chunk::{ClipChunk, ClipPacket, ClipStream, GAP_S};
use super::flac::{FlacEncoder, MIN_BLOCK};
#[cfg(feature = "opus")]
use super::opus::{OpusEncoder, PACKETS_PER_S};
use crate::audio::{Block, SampleRate, SourceId};
use crate::counters::ClipCounters;
use crate::dsp::Resampler;
use crate::event::ClipFormat;
use crate::thread::Stop;

/// Chunks per second.
const CHUNKS_PER_S: u32 = 2;

/// FLAC blocks last about 40 ms; their length is a multiple of this, for the partitions of the
/// residual.
const FLAC_BLOCKS_PER_S: u32 = 25;
const FLAC_BLOCK_UNIT: u32 = 64;

/// Largest magnitude of a plausible sample; others become 0.
const SAMPLE_LIMIT: f32 = 16.0;

/// Interval at which a worker that waits for the writer checks the stop token.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// Way from a source worker to the writer.
#[derive(Clone)]
pub(crate) struct ClipFeed {
    pub(super) id: SourceId,
    pub(super) name: Arc<str>,
    pub(super) format: ClipFormat,
    pub(super) chunks: Sender<ClipChunk>,
    /// Drops chunks when the writer is behind. Other sources wait for it.
    pub(super) is_live: bool,
    pub(super) counters: Arc<ClipCounters>,
    pub(super) stop: Stop,
}

/// Recorder of one source, used by its worker alone.
pub(crate) struct ClipRecorder {
    feed: ClipFeed,
    encoder: Option<StreamEncoder>,
    /// Rate and channels of the last block.
    input: Option<(SampleRate, u16)>,
    /// Time after the last block, in seconds of the source.
    end_s: f64,
    /// Number of streams so far.
    streams: u64,
    /// Samples of the present block, with one or two channels.
    mixed: Vec<f32>,
}

impl ClipRecorder {
    pub(crate) fn new(feed: ClipFeed) -> Self {
        Self { feed, encoder: None, input: None, end_s: 0.0, streams: 0, mixed: Vec::new() }
    }

    /// Encodes the samples of `block`.
    pub(crate) fn push(&mut self, block: &Block) {
        if block.interleaved.is_empty() || block.channels == 0 {
            return;
        }
        let start_s = block.rate.seconds(block.span.start);
        if self.input != Some((block.rate, block.channels)) {
            self.flush();
            self.input = Some((block.rate, block.channels));
            self.encoder = self.begin_stream(block, start_s);
        } else if (start_s - self.end_s).abs() > GAP_S {
            self.flush();
            if let Some(encoder) = &mut self.encoder {
                encoder.restart(start_s);
            }
        }
        self.end_s = block.rate.seconds(block.span.end);
        let Some(encoder) = &mut self.encoder else { return };
        mix(block, &mut self.mixed);
        encoder.push(&self.mixed);
        while encoder.encode_packet() {
            if encoder.chunk_samples * CHUNKS_PER_S >= encoder.stream.rate {
                self.feed.send(encoder.take_chunk(self.feed.id));
            }
        }
    }

    /// Encodes and sends what is left: no audio follows for the moment.
    pub(crate) fn flush(&mut self) {
        if let Some(encoder) = &mut self.encoder {
            encoder.finish_packet();
            if !encoder.packets.is_empty() {
                self.feed.send(encoder.take_chunk(self.feed.id));
            }
        }
    }

    fn begin_stream(&mut self, block: &Block, start_s: f64) -> Option<StreamEncoder> {
        self.streams += 1;
        let built = StreamEncoder::new(self.feed.format, block, self.streams, start_s);
        built
            .inspect_err(|error| {
                tracing::warn!(source = &*self.feed.name, "clips cannot be made of this audio: {error}");
            })
            .ok()
    }
}

impl ClipFeed {
    /// Sends a chunk. Chunks of a live source are dropped and counted while the writer is behind.
    fn send(&self, chunk: ClipChunk) {
        if self.is_live {
            if let Err(TrySendError::Full(_)) = self.chunks.try_send(chunk) {
                self.counters.chunks_dropped.add(1);
            }
            return;
        }
        let mut waiting = chunk;
        while !self.stop.is_set() {
            match self.chunks.send_timeout(waiting, STOP_CHECK) {
                Err(SendTimeoutError::Timeout(chunk)) => waiting = chunk,
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
            }
        }
        // The writer completes its files with what it gets until the end.
        let _ = self.chunks.try_send(waiting);
    }
}

/// Replaces `out` by the plausible samples of `block`: one or two channels as they are, more as
/// their mean.
fn mix(block: &Block, out: &mut Vec<f32>) {
    let plausible = |sample: f32| if sample.abs() <= SAMPLE_LIMIT { sample } else { 0.0 };
    out.clear();
    if block.channels <= 2 {
        out.extend(block.interleaved.iter().map(|&sample| plausible(sample)));
        return;
    }
    let factor = 1.0 / f32::from(block.channels);
    let mean = |all: &[f32]| all.iter().map(|&sample| plausible(sample)).sum::<f32>() * factor;
    out.extend(block.interleaved.chunks_exact(block.channels.into()).map(mean));
}

enum ClipCodec {
    Flac(Box<FlacEncoder>),
    #[cfg(feature = "opus")]
    Opus(OpusEncoder),
}

/// Encoder of one stream, with the chunk that is being filled.
struct StreamEncoder {
    stream: Arc<ClipStream>,
    codec: ClipCodec,
    /// One per channel; none if the rate fits.
    resamplers: Vec<Resampler>,
    /// Samples of one channel before and after resampling.
    planar: Vec<f32>,
    resampled: Vec<Vec<f32>>,
    /// Interleaved samples that wait for a whole packet.
    waiting: Vec<f32>,
    /// Time of the first sample since the last gap, and encoded samples since then.
    base_s: f64,
    encoded: u64,
    packets: Vec<ClipPacket>,
    bytes: Vec<u8>,
    /// Samples per channel in the chunk.
    chunk_samples: u32,
}

impl StreamEncoder {
    fn new(format: ClipFormat, block: &Block, number: u64, start_s: f64) -> Result<Self, Arc<str>> {
        let channels = if block.channels == 2 { 2 } else { 1 };
        let (codec, rate, packet_samples, delay) = codec_for(format, block.rate.hertz(), channels)?;
        let mut resamplers = Vec::new();
        if let Some(to) = SampleRate::new(rate).filter(|to| *to != block.rate) {
            for _ in 0..channels {
                resamplers.push(Resampler::new(block.rate, to).map_err(|error| error.to_string())?);
            }
        }
        let stream = ClipStream { number, format, rate, channels, packet_samples, delay };
        Ok(Self {
            stream: Arc::new(stream),
            codec,
            resampled: vec![Vec::new(); resamplers.len()],
            resamplers,
            planar: Vec::new(),
            waiting: Vec::new(),
            base_s: start_s,
            encoded: 0,
            packets: Vec::new(),
            bytes: Vec::new(),
            chunk_samples: 0,
        })
    }

    /// Continues after a gap, at `start_s`.
    fn restart(&mut self, start_s: f64) {
        (self.base_s, self.encoded) = (start_s, 0);
    }

    /// Adds interleaved samples at the rate of the input.
    fn push(&mut self, interleaved: &[f32]) {
        if self.resamplers.is_empty() {
            self.waiting.extend_from_slice(interleaved);
            return;
        }
        let channels = self.resamplers.len();
        for (channel, resampler) in self.resamplers.iter_mut().enumerate() {
            self.planar.clear();
            self.planar.extend(interleaved.iter().skip(channel).step_by(channels));
            resampler.push(&self.planar, &mut self.resampled[channel]);
        }
        self.interleave();
    }

    fn interleave(&mut self) {
        let samples = self.resampled.first().map_or(0, Vec::len);
        for index in 0..samples {
            self.waiting.extend(self.resampled.iter().filter_map(|channel| channel.get(index)));
        }
        self.resampled.iter_mut().for_each(Vec::clear);
    }

    /// Encodes a packet, if enough samples wait. Returns false otherwise.
    fn encode_packet(&mut self) -> bool {
        let values = self.stream.packet_samples as usize * usize::from(self.stream.channels);
        if self.waiting.len() < values {
            return false;
        }
        self.encode(values, self.stream.packet_samples);
        true
    }

    /// Encodes the first `values` waiting values as a packet that holds `samples` per channel.
    fn encode(&mut self, values: usize, samples: u32) {
        let Self { codec, stream, waiting, bytes, .. } = self;
        let input = &waiting[..values];
        let assignment = match codec {
            ClipCodec::Flac(encoder) => Some(encoder.encode(input, stream.channels, bytes)),
            #[cfg(feature = "opus")]
            ClipCodec::Opus(encoder) => encoder.encode(input, bytes).ok().map(|()| 0),
        };
        waiting.drain(..values);
        let start_s = self.base_s + self.encoded as f64 / f64::from(self.stream.rate);
        self.encoded += u64::from(samples);
        // A packet that cannot be encoded leaves a gap.
        if let Some(assignment) = assignment {
            self.packets.push(ClipPacket { start_s, samples, assignment, end: self.bytes.len() });
            self.chunk_samples += samples;
        }
    }

    /// Encodes all waiting samples, the tail of the resamplers included.
    fn finish_packet(&mut self) {
        for (resampler, out) in self.resamplers.iter_mut().zip(&mut self.resampled) {
            resampler.finish(out);
        }
        self.interleave();
        while self.encode_packet() {}
        let samples = self.waiting.len() / usize::from(self.stream.channels);
        match self.codec {
            ClipCodec::Flac(_) if samples >= MIN_BLOCK => self.encode(self.waiting.len(), samples as u32),
            ClipCodec::Flac(_) => self.waiting.clear(),
            #[cfg(feature = "opus")]
            ClipCodec::Opus(_) if samples > 0 => {
                let values = self.stream.packet_samples as usize * usize::from(self.stream.channels);
                self.waiting.resize(values, 0.0);
                self.encode(values, samples as u32);
            }
            #[cfg(feature = "opus")]
            ClipCodec::Opus(_) => {}
        }
    }

    fn take_chunk(&mut self, source: SourceId) -> ClipChunk {
        self.chunk_samples = 0;
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut packets = std::mem::take(&mut self.packets);
        // Room for about as much again, and none wasted in what is kept.
        self.bytes = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 2048);
        self.packets = Vec::with_capacity(packets.len() + 2);
        bytes.shrink_to_fit();
        packets.shrink_to_fit();
        ClipChunk { source, stream: self.stream.clone(), packets, bytes }
    }
}

/// Codec for input of `rate` Hz, with its rate, the samples of a packet and its delay.
fn codec_for(format: ClipFormat, rate: u32, channels: u16) -> Result<(ClipCodec, u32, u32, u32), Arc<str>> {
    match format {
        ClipFormat::Flac => {
            let block = (rate / FLAC_BLOCKS_PER_S / FLAC_BLOCK_UNIT).max(1) * FLAC_BLOCK_UNIT;
            Ok((ClipCodec::Flac(Box::default()), rate, block, 0))
        }
        #[cfg(feature = "opus")]
        ClipFormat::Opus => {
            let rate = OpusEncoder::rate_for(rate);
            let encoder = OpusEncoder::new(rate, channels)?;
            let delay = encoder.delay;
            Ok((ClipCodec::Opus(encoder), rate, rate / PACKETS_PER_S, delay))
        }
        #[cfg(not(feature = "opus"))]
        ClipFormat::Opus => Err(format!("no Opus for {channels} channels in this build").into()),
    }
}
