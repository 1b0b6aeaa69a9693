//! Descriptors against librosa 0.11. `tests/golden/golden_descriptors.py` wrote the goldens;
//! `scripts/fetch_audio.sh` cuts the clips. With `--nocapture`, prints the table of
//! `docs/reference/descriptors.md`.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fs;
use std::path::PathBuf;

use crate::support::clips::{digest, read_clip};
use genred::audio::{Block, Span};
use genred::dsp::descriptors::{DescriptorStream, Descriptors, RATE};
use safetensors::SafeTensors;

const WINDOW: usize = 66_150;
const SYNTHETIC: [&str; 5] = ["sweep", "impulses", "chord", "noise", "silence"];

/// Maximum difference of the mean or variance of a descriptor, relative to the column's spread over
/// the compared signals.
const TOLERANCES: [(&str, f64); 8] = [
    ("zcr", 1e-12),
    ("centroid", 1e-6),
    ("bandwidth", 1e-5),
    ("rolloff", 1e-6),
    ("flatness", 1e-5),
    ("rms", 1e-6),
    ("mfcc", 1e-5),
    ("chroma", 1e-5),
];

/// Maximum relative difference of the harmonic/percussive ratio. Tempo is exact to one tempogram
/// bin.
const RATIO: f64 = 1e-5;

#[test]
fn real_music_comes_out_as_librosas() {
    let goldens = Goldens::open();
    let clips: Vec<&String> =
        goldens.signals.keys().filter(|name| !SYNTHETIC.contains(&name.as_str())).collect();
    assert_eq!(clips.len(), 10);
    let mut table = Table::default();
    for clip in clips {
        let golden = &goldens.signals[clip];
        let pcm = read_clip(clip);
        assert_eq!(
            digest(&pcm),
            golden.sha256,
            "`{clip}.wav` was cut differently from the clip that the goldens were made of; delete \
             .cache/test-audio/clips and run scripts/fetch_audio.sh, and if it stays so (another ffmpeg), run \
             tests/golden/golden_descriptors.py"
        );
        let rows = describe(&pcm);
        // 5 s at 16 kHz are 3.6 s at 22,050 Hz: one window, and one aligned to the end.
        assert_eq!((rows.len(), golden.rows.len()), (2, 2), "{clip}");
        for (ours, theirs) in rows.iter().zip(&golden.rows) {
            table.add(clip, ours, theirs);
        }
    }
    table.judge("real music");
}

#[test]
fn synthetic_signals_come_out_as_librosas() {
    let goldens = Goldens::open();
    let mut table = Table::default();
    for name in SYNTHETIC {
        let golden = &goldens.signals[name];
        let pcm = synthetic(name);
        assert_eq!(digest(&pcm), golden.sha256, "`{name}` is another signal than the script's");
        let rows = describe(&pcm);
        assert_eq!((rows.len(), golden.rows.len()), (1, 1), "{name}");
        table.add(name, &rows[0], &golden.rows[0]);
    }
    table.judge("synthetic signals");
}

#[test]
fn the_columns_are_the_oracles() {
    assert_eq!(Descriptors::columns(), Goldens::open().columns);
}

/// Computed rows and reference rows.
#[derive(Default)]
struct Table {
    rows: Vec<(String, Vec<f64>, Vec<f64>)>,
}

impl Table {
    fn add(&mut self, signal: &str, ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len());
        assert!(ours.iter().all(|value| value.is_finite()), "{signal}: {ours:?}");
        self.rows.push((signal.to_owned(), ours.to_vec(), theirs.to_vec()));
    }

    /// Prints the largest difference of each descriptor. Fails if one exceeds its tolerance.
    fn judge(self, what: &str) {
        let mut worst: BTreeMap<(&str, &str), (f64, f64, String)> = BTreeMap::new();
        for (at, column) in Descriptors::columns().iter().enumerate() {
            let (low, high) = self.rows.iter().fold((f64::MAX, f64::MIN), |(low, high), (_, _, theirs)| {
                (low.min(theirs[at]), high.max(theirs[at]))
            });
            for (signal, ours, theirs) in &self.rows {
                let (a, b) = (ours[at], theirs[at]);
                let descriptor = TOLERANCES.iter().find(|(name, _)| column.starts_with(name));
                let (key, share, limit) = match (column.as_str(), descriptor) {
                    ("tempo", _) => (("tempo", ""), (a - b).abs(), 1e-6),
                    ("harmonic_ratio", _) => (("harmonic_ratio", ""), (a - b).abs() / b, RATIO),
                    (_, Some((name, limit))) => {
                        let kind = if column.ends_with("_var") { "var" } else { "mean" };
                        ((*name, kind), (a - b).abs() / (high - low), *limit)
                    }
                    _ => panic!("`{column}` has no tolerance"),
                };
                let entry = worst.entry(key).or_default();
                // NaN must fail, too.
                if share.is_nan() || share >= entry.0 {
                    *entry = (share, limit, format!("{signal}: {column} {a}, librosa {b}"));
                }
            }
        }
        println!("{what}: largest differences, as shares of each column's spread");
        let mut wrong = Vec::new();
        for ((name, kind), (share, limit, place)) in worst {
            let line = format!("{name:14} {kind:4} {share:.1e}, tolerance {limit:.0e} ({place})");
            println!("{line}");
            if share.is_nan() || share > limit {
                wrong.push(line);
            }
        }
        assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
    }
}

struct Goldens {
    columns: Vec<String>,
    signals: BTreeMap<String, Golden>,
}

#[derive(Default)]
struct Golden {
    rows: Vec<Vec<f64>>,
    sha256: Vec<u8>,
}

impl Goldens {
    fn open() -> Self {
        let path = root().join("tests/golden/descriptors.safetensors");
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()));
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut found = Self { columns: Vec::new(), signals: BTreeMap::new() };
        for (name, view) in tensors.tensors() {
            let data = view.data().to_vec();
            match name.split_once('/') {
                None => found.columns = String::from_utf8(data).unwrap().lines().map(str::to_owned).collect(),
                Some((signal, "sha256")) => {
                    found.signals.entry(signal.to_owned()).or_default().sha256 = data;
                }
                Some((signal, _)) => {
                    let values: Vec<f64> =
                        data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
                    let rows = values.chunks_exact(view.shape()[1]).map(<[f64]>::to_vec).collect();
                    found.signals.entry(signal.to_owned()).or_default().rows = rows;
                }
            }
        }
        found
    }
}

/// Rows of `pcm`, with samples interpreted at 22,050 Hz.
fn describe(pcm: &[i16]) -> Vec<Vec<f64>> {
    let mut stream = DescriptorStream::new().unwrap();
    let mut rows = Vec::new();
    let mut block = Block::with_capacity(RATE, 1, pcm.len());
    block.interleaved.extend(pcm.iter().map(|&x| f32::from(x) / 32_768.0));
    block.span = Span { start: 0, end: pcm.len() as u64 };
    stream.push(&block, &mut |_, row| rows.push(row.values())).unwrap();
    stream.finish(&mut |_, row| rows.push(row.values())).unwrap();
    rows
}

/// Signals of the script.
fn synthetic(name: &str) -> Vec<i16> {
    let rounded = |y: f64| (y * 32_767.0 + 0.5).floor() as i16;
    let tone = |hertz: f64, t: f64| (TAU * hertz * t).sin();
    let mut state = 1_u32;
    let at = |n: usize| {
        let t = n as f64 / 22_050.0;
        match name {
            "sweep" => rounded(0.8 * (TAU * (50.0 * t + (10_000.0 - 50.0) / (2.0 * 3.0) * (t * t))).sin()),
            "impulses" => {
                if n % 11_025 == 2000 {
                    29_490
                } else {
                    0
                }
            }
            "chord" => rounded(0.25 * (tone(261.6256, t) + tone(329.6276, t) + tone(391.9954, t))),
            "noise" => {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (((state >> 16) as i32 - 32_768).div_euclid(4)) as i16
            }
            "silence" => 0,
            other => panic!("no signal `{other}`"),
        }
    };
    (0..WINDOW).map(at).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
