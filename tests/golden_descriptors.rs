//! The descriptors against librosa 0.11. `scripts/golden_descriptors.py` wrote the goldens;
//! `scripts/test_audio.sh` cuts the clips. With `--nocapture` it prints the table of `docs/descriptors.md`.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use genred::audio::{Block, Span};
use genred::dsp::descriptors::{DescriptorStream, Descriptors, RATE};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

const WINDOW: usize = 66_150;
const SYNTHETIC: [&str; 5] = ["sweep", "impulses", "chord", "noise", "silence"];

/// What a descriptor may differ by, as a share of its range.
struct Tolerance {
    name: &'static str,
    /// From its smallest value to its largest, as far as music goes.
    range: f64,
    mean: f64,
    var: f64,
}

const fn tolerance(name: &'static str, range: f64, mean: f64, var: f64) -> Tolerance {
    Tolerance { name, range, mean, var }
}

/// Variances are measured against the square of half the range, the largest that there can be.
const TOLERANCES: [Tolerance; 8] = [
    tolerance("zcr", 1.0, 1e-4, 1e-4),
    tolerance("centroid", 11_025.0, 1e-4, 1e-4),
    tolerance("bandwidth", 5512.5, 1e-4, 1e-4),
    tolerance("rolloff", 11_025.0, 1e-4, 1e-4),
    tolerance("flatness", 1.0, 1e-4, 1e-4),
    tolerance("rms", 1.0, 1e-4, 1e-4),
    tolerance("mfcc", 200.0, 1e-4, 1e-4),
    tolerance("chroma", 1.0, 1e-4, 1e-4),
];

/// Largest relative difference of the harmonic/percussive ratio.
const RATIO: f64 = 1e-3;

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
             .cache/test-audio/clips and run scripts/test_audio.sh, and if it stays so (another ffmpeg), run \
             scripts/golden_descriptors.py"
        );
        let rows = describe(&pcm);
        // 5 s at 16 kHz, taken as 3.6 s at 22,050 Hz: one window, and one aligned to the end.
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

/// The largest differences: descriptor, mean or var → share of the range, and where.
#[derive(Default)]
struct Table {
    worst: BTreeMap<(usize, bool), (f64, String)>,
    ratio: (f64, String),
    tempo: Vec<String>,
}

impl Table {
    fn add(&mut self, signal: &str, ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len());
        for ((column, &a), &b) in Descriptors::columns().iter().zip(ours).zip(theirs) {
            assert!(a.is_finite(), "{signal}: {column} is {a}");
            if column == "tempo" {
                if (a - b).abs() > 1e-6 {
                    self.tempo.push(format!("{signal}: {a}, librosa {b}"));
                }
                continue;
            }
            if column == "harmonic_ratio" {
                let difference = (a - b).abs() / b;
                if difference >= self.ratio.0 {
                    self.ratio = (difference, format!("{signal}: {a}, librosa {b}"));
                }
                continue;
            }
            let which = TOLERANCES.iter().position(|known| column.starts_with(known.name)).unwrap();
            let var = column.ends_with("_var");
            let range = TOLERANCES[which].range;
            let share = (a - b).abs() / if var { range * range / 4.0 } else { range };
            let worst = self.worst.entry((which, var)).or_default();
            if share >= worst.0 {
                *worst = (share, format!("{signal}: {column} {a}, librosa {b}"));
            }
        }
    }

    fn judge(self, what: &str) {
        println!("{what}: largest differences, as shares of the range");
        let mut wrong = self.tempo;
        for ((which, var), (share, place)) in self.worst {
            let Tolerance { name, range, mean, var: of_var } = TOLERANCES[which];
            let (kind, limit) = if var { ("var", of_var) } else { ("mean", mean) };
            println!("{name:10} {kind:4} {share:.1e} of {range} ({place})");
            if share > limit {
                wrong.push(format!("{name} {kind}: {share:.1e} of {range} > {limit:.1e} ({place})"));
            }
        }
        println!("harmonic ratio {:.1e} ({})\n", self.ratio.0, self.ratio.1);
        if self.ratio.0 > RATIO {
            wrong.push(format!("harmonic ratio: {:.1e} ({})", self.ratio.0, self.ratio.1));
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

/// The rows of `pcm`, whose samples are taken as if they were at 22,050 Hz.
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

/// The script's signals.
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

fn digest(pcm: &[i16]) -> Vec<u8> {
    let bytes: Vec<u8> = pcm.iter().flat_map(|x| x.to_le_bytes()).collect();
    Sha256::digest(bytes).to_vec()
}

/// The samples of a clip.
fn read_clip(name: &str) -> Vec<i16> {
    let path = root().join(".cache/test-audio/clips").join(name).with_extension("wav");
    let bytes = fs::read(&path)
        .unwrap_or_else(|e| panic!("`{}`: {e}; run scripts/test_audio.sh first", path.display()));
    pcm_of(&bytes, &path).as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// The data chunk of a WAV file.
fn pcm_of<'a>(bytes: &'a [u8], path: &Path) -> &'a [u8] {
    let mut at = 12;
    while let Some(header) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if &header[..4] == b"data" {
            return &bytes[at + 8..at + 8 + length];
        }
        at += 8 + length.next_multiple_of(2);
    }
    panic!("`{}` holds no data chunk; delete it and run scripts/test_audio.sh", path.display())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
