//! From blocks to files, decoded by ffmpeg.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use jiff::Timestamp;

use super::chunk::{ClipPacket, ClipStream};
use super::flac::FlacEncoder;
use super::flac_file::FlacFile;
use super::*;
use crate::audio::{Block, SampleRate, Span};
use crate::event::{ClipFormat, EventType};

/// Reproducible white noise, −1 to 1.
fn noise(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x2545_f491_u32;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    })
}

/// Rounds to `bits` bits.
fn rounded(sample: f32, bits: u32) -> f32 {
    let scale = (1_u32 << (bits - 1)) as f32;
    (sample * scale).round().clamp(-scale, scale - 1.0) / scale
}

/// Soft tones over noise, interleaved, rounded to `bits` bits.
fn music(rate: u32, channels: u16, seconds: f64, bits: u32) -> Vec<f32> {
    let frames = (seconds * f64::from(rate)) as usize;
    let mut noise = noise(frames * usize::from(channels));
    let mut samples = Vec::new();
    for frame in 0..frames {
        let time = frame as f64 / f64::from(rate);
        for channel in 0..channels {
            let tone = (std::f64::consts::TAU * (220.0 + 110.0 * f64::from(channel)) * time).sin() as f32;
            samples.push(rounded(0.3 * tone + 0.05 * noise.next().unwrap(), bits));
        }
    }
    samples
}

/// Writer on a thread, with the parts of one source.
struct Rig {
    recorder: Option<ClipRecorder>,
    planner: Option<ClipPlanner>,
    writer: Option<JoinHandle<()>>,
    counters: Arc<ClipCounters>,
    folder: PathBuf,
    _closing: Sender<()>,
    position: u64,
    rate: u32,
    channels: u16,
}

impl Rig {
    fn new(folder: &Path, config: ClipConfig, rate: u32, channels: u16) -> Self {
        let counters = Arc::<ClipCounters>::default();
        let setup = ClipSetup {
            id: SourceId(0),
            name: "fm1".into(),
            config: ClipConfig { enabled: true, ..config },
            folder: folder.to_owned(),
            is_live: false,
            counters: counters.clone(),
        };
        let (closing, closed) = bounded(0);
        let (channels_to_writer, run) = writer(&[&setup], closed, &Stop::new().unwrap());
        let recorder = ClipRecorder::new(channels_to_writer.feed(&setup));
        let planner = channels_to_writer.planner(&setup);
        Self {
            recorder: Some(recorder),
            planner: Some(planner),
            writer: Some(crate::thread::spawn("clips", run).unwrap()),
            counters,
            folder: folder.to_owned(),
            _closing: closing,
            position: 0,
            rate,
            channels,
        }
    }

    /// Records samples in blocks of odd sizes.
    fn push(&mut self, samples: &[f32]) {
        let rate = SampleRate::new(self.rate).unwrap();
        for part in samples.chunks(1013 * usize::from(self.channels)) {
            let mut block = Block::with_capacity(rate, self.channels, 0);
            block.interleaved.extend_from_slice(part);
            block.span = Span { start: self.position, end: self.position + block.samples() as u64 };
            self.position = block.span.end;
            self.recorder.as_mut().unwrap().push(&block);
        }
    }

    /// Decides an event at `position_s`; returns the path of its clip.
    fn event(&mut self, position_s: f64, seq: u64) -> PathBuf {
        let planner = self.planner.as_mut().unwrap();
        planner.reach(position_s);
        let clip = planner.clip_of(EventType::DeadAirStarted, seq, Timestamp::UNIX_EPOCH).unwrap();
        self.folder.join(clip.file().as_str())
    }

    fn decide_until(&mut self, position_s: f64) {
        let planner = self.planner.as_mut().unwrap();
        planner.reach(position_s);
        planner.close_passed();
    }

    fn wait_for(&self, path: &Path) {
        for _ in 0..500 {
            if path.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no file `{}`", path.display());
    }

    /// Ends the source and the director, and waits for the writer.
    fn end(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
        (self.recorder, self.planner) = (None, None);
        self.writer.take().unwrap().join().unwrap();
    }
}

fn config(format: ClipFormat, pre_roll_s: f64, post_roll_s: f64) -> ClipConfig {
    ClipConfig { format, pre_roll_s, post_roll_s, ..ClipConfig::default() }
}

/// Samples as ffmpeg decodes them, interleaved. Any error of ffmpeg fails the test.
fn decoded(path: &Path) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-xerror", "-i"])
        .arg(path)
        .args(["-f", "f32le", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Number in a comment of the header.
fn comment(path: &Path, key: &str) -> f64 {
    let bytes = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes[..600]).into_owned();
    let at = text.find(&format!("{key}=")).unwrap() + key.len() + 1;
    text[at..at + 10].parse().unwrap()
}

#[test]
fn flac_blocks_of_every_kind_are_exact() {
    const BLOCK: usize = 1920;
    let square = (0..2 * BLOCK).map(|index| if index / 100 % 2 == 0 { 0.999_969_5 } else { -1.0 });
    let impulse = (0..2 * BLOCK).map(|index| if index == 777 { 0.5 } else { 0.0 });
    let quiet = noise(2 * BLOCK).map(|sample| rounded(sample / 32_768.0 * 1.9, 16));
    let blocks: Vec<Vec<f32>> = vec![
        vec![0.0; 2 * BLOCK],
        vec![-1.0; 2 * BLOCK],
        square.map(|sample| rounded(sample, 16)).collect(),
        impulse.collect(),
        quiet.collect(),
        noise(2 * BLOCK).map(|sample| rounded(sample, 16)).collect(),
        noise(2 * BLOCK).map(|sample| rounded(sample, 24)).collect(),
        music(48_000, 2, 0.04, 16),
        music(48_000, 2, 0.04, 24),
        music(48_000, 2, 0.001, 16),
        noise(32).map(|sample| rounded(sample, 24)).collect(),
        noise(2 * 1000).map(|sample| if sample > 0.0 { -1.0 } else { 1.0 - 1.0 / 8_388_608.0 }).collect(),
    ];
    for channels in [1_u16, 2] {
        let stream = ClipStream {
            number: 1,
            format: ClipFormat::Flac,
            rate: 48_000,
            channels,
            packet_samples: (2 * BLOCK / usize::from(channels)) as u32,
            delay: 0,
        };
        let (mut encoder, mut file) = (FlacEncoder::default(), FlacFile::new(&stream));
        let mut frames = Vec::new();
        for block in &blocks {
            let mut subframes = Vec::new();
            let assignment = encoder.encode(block, channels, &mut subframes);
            let samples = block.len() as u32 / u32::from(channels);
            let packet = ClipPacket { start_s: 0.0, samples, assignment, end: subframes.len() };
            file.frame(&packet, &subframes, &mut frames);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.flac");
        fs::write(&path, [file.header(b"\0\0\0\0\0\0\0\0"), frames].concat()).unwrap();
        let (found, expected) = (decoded(&path), blocks.concat());
        assert_eq!(found.len(), expected.len());
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{channels} channels, block {:?}", differs.map(|at| at / 2 / BLOCK));
    }
}

#[test]
fn a_flac_clip_holds_the_samples_around_the_event() {
    for (rate, channels, bits) in [(44_100, 2, 16), (48_000, 1, 24), (8000, 1, 16)] {
        let folder = tempfile::tempdir().unwrap();
        let samples = music(rate, channels, 12.0, bits);
        let mut rig = Rig::new(folder.path(), config(ClipFormat::Flac, 3.0, 2.0), rate, channels);
        let half = samples.len() / 2;
        rig.push(&samples[..half]);
        let path = rig.event(5.5, 7);
        rig.push(&samples[half..]);
        rig.decide_until(9.0);
        rig.wait_for(&path);
        rig.end();
        let offset_s = comment(&path, "EVENT_OFFSET_S");
        assert!((3.0..3.05).contains(&offset_s), "{offset_s}");
        let found = decoded(&path);
        let first = ((5.5 - offset_s) * f64::from(rate)).round() as usize * usize::from(channels);
        let seconds = found.len() as f64 / f64::from(rate) / f64::from(channels);
        assert!((5.0..5.1).contains(&seconds), "{seconds}");
        // The comment is rounded to a millisecond: the exact start is close by.
        let near = usize::from(channels) * (rate / 1000 + 1) as usize;
        let start = (first.saturating_sub(near)..=first + near)
            .find(|start| samples[*start..].starts_with(&found[..100]))
            .expect("the first samples");
        assert!(samples[start..].starts_with(&found), "{rate} Hz");
        assert_eq!(rig.counters.written.get(), 1);
    }
}

#[cfg(feature = "opus")]
#[test]
fn an_opus_clip_has_the_time_of_the_source() {
    for (rate, channels) in [(44_100, 2), (48_000, 1), (16_000, 1), (22_050, 6)] {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = vec![0.0; 12 * rate as usize * usize::from(channels)];
        // A burst of 5 ms at 5 s, where the event is.
        let at = |time: f64| (time * f64::from(rate)) as usize * usize::from(channels);
        for (index, frame) in samples[at(5.0)..at(5.005)].chunks_mut(channels.into()).enumerate() {
            frame.fill(if index % 8 < 4 { 0.8 } else { -0.8 });
        }
        let mut rig = Rig::new(folder.path(), config(ClipFormat::Opus, 3.0, 2.0), rate, channels);
        rig.push(&samples);
        let path = rig.event(5.0, 7);
        rig.decide_until(9.0);
        rig.end();
        let found = decoded(&path);
        let channels = if channels == 2 { 2 } else { 1 };
        let seconds = found.len() as f64 / 48_000.0 / f64::from(channels);
        assert!((5.0..5.021).contains(&seconds), "{seconds}");
        assert_eq!(comment(&path, "EVENT_OFFSET_S"), 3.0);
        let loudest = found.iter().map(|sample| sample.abs()).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let heard = loudest.unwrap().0 as f64 / 48_000.0 / f64::from(channels);
        assert!((heard - 3.0025).abs() < 0.01, "{rate} Hz: {heard}");
    }
}

#[test]
fn events_extend_a_clip_and_a_gap_is_omitted() {
    let folder = tempfile::tempdir().unwrap();
    let samples = music(16_000, 1, 20.0, 16);
    let mut rig = Rig::new(folder.path(), config(ClipFormat::Flac, 3.0, 2.0), 16_000, 1);
    rig.push(&samples[..8 * 16_000]);
    let path = rig.event(6.0, 1);
    // 1.5 s are lost at 8 s.
    rig.position += 24_000;
    rig.push(&samples[8 * 16_000..]);
    assert_eq!(rig.event(7.5, 2), path);
    assert_eq!(rig.event(9.5, 3), path);
    rig.decide_until(11.6);
    let other = rig.event(15.0, 4);
    rig.planner.as_mut().unwrap().cut();
    rig.end();
    let first = decoded(&path);
    let seconds = first.len() as f64 / 16_000.0;
    assert!((7.0..7.1).contains(&seconds), "3 to 11.5 s, without 1.5 s: {seconds}");
    assert!((comment(&path, "OMITTED_S") - 1.5).abs() < 0.002);
    let start = ((6.0 - comment(&path, "EVENT_OFFSET_S")) * 16_000.0).round() as usize;
    assert!(samples[start..].starts_with(&first), "nothing else is missing");
    assert_ne!(other, path);
    assert!(decoded(&other).len() >= 5 * 16_000 - 32);
    assert_eq!(rig.counters.written.get(), 2);
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    assert_eq!(mode(&path) & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn another_format_ends_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), config(ClipFormat::Flac, 3.0, 5.0), 16_000, 1);
    let samples = music(16_000, 1, 6.0, 16);
    rig.push(&samples);
    let path = rig.event(5.0, 1);
    (rig.rate, rig.channels, rig.position) = (48_000, 2, 6 * 48_000);
    rig.push(&music(48_000, 2, 6.0, 16));
    rig.decide_until(10.5);
    rig.end();
    assert!(samples[16_000..].ends_with(&decoded(&path)));
}

#[test]
fn a_failure_is_counted_and_the_next_event_is_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("clips");
    fs::write(&folder, "in the way").unwrap();
    let mut rig = Rig::new(&folder, config(ClipFormat::Flac, 3.0, 2.0), 16_000, 1);
    let samples = music(16_000, 1, 30.0, 16);
    rig.push(&samples[..10 * 16_000]);
    rig.event(5.0, 1);
    while rig.counters.failed.get() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(&folder).unwrap();
    // The planned clip is still open: it is begun again under the same name.
    let path = rig.event(6.0, 2);
    rig.push(&samples[10 * 16_000..]);
    rig.decide_until(20.0);
    rig.wait_for(&path);
    rig.end();
    assert_eq!((rig.counters.failed.get(), rig.counters.written.get()), (1, 1));
    assert!((comment(&path, "EVENT_OFFSET_S") - 3.0).abs() < 0.05);
}

#[test]
fn the_end_completes_the_clip_with_what_there_is() {
    for format in [ClipFormat::Flac, ClipConfig::default().format] {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = Rig::new(folder.path(), config(format, 3.0, 60.0), 48_000, 1);
        rig.push(&music(48_000, 1, 6.013, 16));
        let path = rig.event(5.0, 1);
        rig.end();
        let seconds = decoded(&path).len() as f64 / 48_000.0;
        assert!((4.0..4.08).contains(&seconds), "{seconds}");
    }
}

#[test]
fn memory_is_bounded_whatever_the_audio() {
    let setup = ClipSetup {
        id: SourceId(0),
        name: "fm1".into(),
        config: config(ClipFormat::Flac, 5.0, 5.0),
        folder: PathBuf::new(),
        is_live: true,
        counters: Arc::default(),
    };
    let mut ring = source(&setup).ring;
    let (closing, closed) = bounded(0);
    let stop = Stop::new().unwrap();
    let (channels, run) = writer(&[&setup], closed, &stop);
    // 24-bit noise at 192 kHz cannot be compressed.
    let (chunks, received) = bounded(1000);
    let feed = ClipFeed { chunks, ..channels.feed(&setup) };
    let mut recorder = ClipRecorder::new(feed);
    let mut block = Block::with_capacity(SampleRate::new(192_000).unwrap(), 2, 0);
    block.interleaved = noise(2 * 192_000).map(|sample| rounded(sample, 24)).collect();
    for second in 0..20 {
        block.span = Span { start: second * 192_000, end: (second + 1) * 192_000 };
        recorder.push(&block);
        received.try_iter().for_each(|chunk| ring.push(chunk));
    }
    let limit = (15.0 * MAX_BYTES_PER_S) as usize;
    assert!(ring.size() <= limit && ring.size() > limit / 2, "{}", ring.size());
    assert_eq!(setup.counters.chunks_dropped.get(), 0);
    // The writer does not run: its queue is bounded.
    let mut recorder = ClipRecorder::new(channels.feed(&setup));
    for second in 0..20 {
        block.span = Span { start: second * 192_000, end: (second + 1) * 192_000 };
        recorder.push(&block);
    }
    assert!(setup.counters.chunks_dropped.get() >= 20, "dropped, and not kept");
    drop((run, closing));
}
